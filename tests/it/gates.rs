//! Present images: which of them kubelet sees, and which containers may be created.

use bytes::Bytes;
use http::HeaderMap;
use prost::Message;
use pullgate::api;
use pullgate::cri::CriSettings;
use pullgate::gate::Gate;
use pullgate::telemetry::decisions::{DecisionKey, Tally};

use crate::options::settings::proxy;
use pullgate_test::policy::{self, RELEASE};
use pullgate_test::runtime::{self, Reply, framed};
use pullgate_test::world::{Answer, World as Node};

const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";

/// Names that the node's policy allows unsigned, and names that require a signature, which no image here has.
const OPEN: &str = "registry.example.com/open/app:1";
const CLOSED: &str = "registry.example.com/closed/app:1";

/// A node that has the images [`OPEN`] and [`CLOSED`]; the runtime's answers have unknown fields.
async fn start(change: impl FnOnce(&mut CriSettings)) -> World {
    let node = Node::builder().proxy(change).without_policy().start().await;
    node.runtime.script(|call| match call.path.as_str() {
        STATUS => {
            let requested = api::ImageStatusRequest::decode(&call.body[5..]).unwrap().image.unwrap().image;
            let found =
                [OPEN, CLOSED].into_iter().find(|name| requested == *name || id(name).contains(&requested));
            let data = found.map_or_else(|| framed(b""), status_of);
            let mut trailers = runtime::status(0, "");
            trailers.insert("x-last", "trailer".parse().unwrap());
            Some(Reply::Answer { headers: HeaderMap::new(), data: vec![data], trailers: Some(trailers) })
        }
        path if path.starts_with("/runtime.v1.RuntimeService/") => {
            Some(runtime::message(&api::CreateContainerResponse { container_id: "made".to_owned() }))
        }
        _ => None,
    });
    for name in [OPEN, CLOSED] {
        node.runtime.record(&id(name), &pullgate::digest::Digest::of(name.as_bytes()).to_string());
    }
    let world = World(node);
    world.set_policy("registry.example.com/open");
    world
}

fn id(name: &str) -> String {
    runtime::image_id(name)
}

/// The runtime's answer about an image, with unknown fields.
fn status_of(name: &str) -> Bytes {
    let image = api::Image { id: id(name), repo_tags: vec![name.to_owned()], size: 1, ..Default::default() };
    let mut image = image.encode_to_vec();
    image.extend_from_slice(&field(99, b"of the future"));
    framed(&[field(1, &image), field(77, b"later")].concat())
}

fn field(number: u64, content: &[u8]) -> Vec<u8> {
    pullgate::cri::wire::splice(&[], &(0..0), number, content).unwrap()
}

/// A node, and kubelet's calls about its two images.
struct World(Node);

pullgate_test::extends_world!(World, 0);

impl World {
    fn set_policy(&self, open: &str) {
        set_policy(&self.daemon.gate, self.directory.path(), open);
    }

    /// ImageStatus before a pull, which carries the pod's annotations.
    async fn precheck(&self, image: &str) -> Answer {
        self.status(image, true, false).await
    }

    /// ImageStatus for the user of a container, without annotations.
    async fn user(&self, image: &str) -> Answer {
        self.status(image, false, false).await
    }

    async fn status(&self, image: &str, annotated: bool, verbose: bool) -> Answer {
        let annotations = annotated.then(|| ("kubernetes.io/config.source".to_owned(), "api".to_owned()));
        let image = api::ImageSpec {
            image: image.to_owned(),
            annotations: annotations.into_iter().collect(),
            ..Default::default()
        };
        self.call(STATUS, &api::ImageStatusRequest { image: Some(image), verbose }.encode_to_vec()).await
    }

    async fn create(&self, image: &str, name: &str, volumes: &[(&str, &str)]) -> Answer {
        self.call(CREATE, &create_request(image, name, volumes).encode_to_vec()).await
    }

    fn created(&self) -> Vec<Bytes> {
        self.runtime.calls_of("CreateContainer").into_iter().map(|call| call.body).collect()
    }
}

fn set_policy(gate: &Gate, directory: &std::path::Path, open: &str) {
    let text = format!(
        "default = \"deny\"\n{RELEASE}\
         [[namespace]]\nscope = \"registry.example.com\"\nrequire = {{ all = [\"release\"] }}\n\
         [[namespace]]\nscope = \"{open}\"\nallow = \"unsigned\"\nreason = \"a test\"\n",
    );
    gate.set_policy(policy::load(directory, &text));
}

fn create_request(image: &str, name: &str, volumes: &[(&str, &str)]) -> api::CreateContainerRequest {
    let spec = |image: &str, name: &str| api::ImageSpec {
        image: image.to_owned(),
        user_specified_image: name.to_owned(),
        ..Default::default()
    };
    let mounts = volumes
        .iter()
        .map(|(image, name)| api::Mount { image: Some(spec(image, name)), ..Default::default() });
    let metadata =
        api::PodSandboxMetadata { name: "web-0".into(), namespace: "shop".into(), ..Default::default() };
    api::CreateContainerRequest {
        pod_sandbox_id: "sandbox".to_owned(),
        config: Some(api::ContainerConfig {
            image: Some(spec(image, name)),
            mounts: mounts.collect(),
            ..Default::default()
        }),
        sandbox_config: Some(api::PodSandboxConfig { metadata: Some(metadata), ..Default::default() }),
    }
}

fn assert_present(answer: &Answer, name: &str, case: &str) {
    assert_eq!((answer.code.as_str(), &answer.body), ("0", &status_of(name)), "{case}: {answer:?}");
}

/// An answer without an image: one empty message.
fn assert_absent(answer: &Answer, case: &str) {
    assert_eq!((answer.code.as_str(), &answer.body), ("0", &framed(b"")), "{case}: {answer:?}");
}

fn assert_error(answer: &Answer, case: &str) {
    assert_eq!(answer.code, "2", "{case}: {answer:?}");
    assert!(answer.message.starts_with("SignatureValidationFailed: image "), "{case}: {answer:?}");
    assert!(answer.body.is_empty(), "{case}");
}

#[tokio::test]
async fn an_admitted_image_is_answered_with_the_runtime_s_bytes() {
    let world = start(|_| {}).await;
    for (annotated, verbose) in [(true, false), (false, false), (true, true)] {
        let answer = world.status(OPEN, annotated, verbose).await;
        assert_present(&answer, OPEN, &format!("{annotated} {verbose}"));
    }
}

#[tokio::test]
async fn an_image_that_is_not_admitted_is_absent_under_every_name() {
    let world = start(|_| {}).await;
    let whole = id(CLOSED);
    let hex = whole.strip_prefix("sha256:").unwrap();
    for requested in [CLOSED, &whole, hex, &hex[..12], &whole[..20]] {
        assert_absent(&world.precheck(requested).await, requested);
        assert_absent(&world.status(requested, true, true).await, requested);
    }
}

/// For kubelet's getImageUser, an absent image runs as root.
#[tokio::test]
async fn a_call_for_the_user_is_never_answered_with_absent() {
    let world = start(|_| {}).await;
    assert_error(&world.user(CLOSED).await, "with the bare name");
    assert_absent(&world.user("registry.example.com/closed/none:1").await, "a missing image is absent");
}

#[tokio::test]
async fn an_image_just_reported_as_present_is_not_answered_with_absent() {
    let world = start(|_| {}).await;
    assert_present(&world.precheck(OPEN).await, OPEN, "admitted");
    world.set_policy("registry.example.com/closed");
    assert_error(&world.precheck(OPEN).await, "reported as present, and now refused");
    assert_error(&world.user(OPEN).await, "the user of it");
    assert_present(&world.precheck(CLOSED).await, CLOSED, "admitted now");
}

/// A pull ends under the policy that it began with; the call for the user is answered under the current one.
#[tokio::test]
async fn a_pull_under_an_earlier_policy_does_not_count() {
    for (reloaded, expected) in [(false, "0"), (true, "2")] {
        let world = start(|_| {}).await;
        let (gate, directory) = (world.daemon.gate.clone(), world.directory.path().to_owned());
        world.runtime.script(move |call| match call.path.as_str() {
            PULL => {
                if reloaded {
                    set_policy(&gate, &directory, "registry.example.com/closed");
                }
                Some(runtime::message(&api::PullImageResponse { image_ref: id(OPEN) }))
            }
            STATUS => Some(Reply::Answer {
                headers: HeaderMap::new(),
                data: vec![status_of(OPEN)],
                trailers: Some(runtime::status(0, "")),
            }),
            _ => None,
        });
        let image = api::ImageSpec { image: OPEN.to_owned(), ..Default::default() };
        let request = api::PullImageRequest { image: Some(image), ..Default::default() };
        assert_eq!(world.call(PULL, &request.encode_to_vec()).await.code, "0");
        assert_eq!(world.user(OPEN).await.code, expected, "reloaded meanwhile: {reloaded}");
    }
}

#[tokio::test]
async fn switched_off_every_image_is_reported() {
    let world = start(|proxy| proxy.image_status = false).await;
    assert_present(&world.precheck(CLOSED).await, CLOSED, "off");
    assert_present(&world.user(CLOSED).await, CLOSED, "off");
}

#[tokio::test]
async fn runtime_errors_cross_and_ambiguous_messages_are_refused() {
    let world = start(|_| {}).await;
    let twice = [field(1, &field(1, OPEN.as_bytes())), field(1, &field(1, CLOSED.as_bytes()))].concat();
    let answer = world.call(STATUS, &twice).await;
    assert_eq!(answer.code, "3", "{answer:?}");
    assert_eq!(world.runtime.calls().len(), 0);
    world.runtime.script(|_| Some(runtime::error(14, "server is not initialized yet")));
    let answer = world.precheck(OPEN).await;
    assert_eq!((answer.code.as_str(), answer.message.as_str()), ("14", "server is not initialized yet"));
    world.runtime.script(|_| {
        let twice = [field(1, &field(1, b"sha256:a")), field(1, &field(1, b"sha256:b"))].concat();
        let data = vec![framed(&twice)];
        Some(Reply::Answer { headers: HeaderMap::new(), data, trailers: Some(runtime::status(0, "")) })
    });
    let answer = world.precheck(OPEN).await;
    assert_eq!((answer.code.as_str(), answer.body.is_empty()), ("13", true), "{answer:?}");
}

#[tokio::test]
async fn a_container_is_created_only_if_all_its_images_are_admitted() {
    let world = start(|_| {}).await;
    let (open, closed) = (id(OPEN), id(CLOSED));
    // An unknown field crosses too.
    let message =
        [create_request(&open, OPEN, &[(&open, OPEN)]).encode_to_vec(), field(88, b"later")].concat();
    let answer = world.call(CREATE, &message).await;
    assert_eq!(answer.code, "0", "{answer:?}");
    assert_eq!(world.created(), [framed(&message)]);
    for (case, image, name, volumes) in [
        ("its image", closed.as_str(), CLOSED, vec![]),
        ("its image, by id alone", &closed, "", vec![]),
        ("an image volume", &open, OPEN, vec![(closed.as_str(), CLOSED)]),
        ("the second image volume", &open, OPEN, vec![(open.as_str(), OPEN), (&closed, CLOSED)]),
        ("an admitted image under a name that needs a signature", &open, CLOSED, vec![]),
        ("a path", "/var/lib/checkpoint.tar", OPEN, vec![]),
        ("a name that needs a signature", CLOSED, CLOSED, vec![]),
        ("such a name as image volume", &open, OPEN, vec![(CLOSED, CLOSED)]),
        ("a path as image volume", &open, OPEN, vec![("/var/lib/x.tar", OPEN)]),
    ] {
        assert_error(&world.create(image, name, &volumes).await, case);
    }
    let absent = id("no such image");
    let answer = world.create(&absent, OPEN, &[]).await;
    assert_eq!(answer.code, "5", "{answer:?}");
    let twice = [message.clone(), create_request(&closed, CLOSED, &[]).encode_to_vec()].concat();
    assert_eq!(world.call(CREATE, &twice).await.code, "3");
    assert_eq!(world.created().len(), 1, "nothing else reached the runtime");
}

#[tokio::test]
pub(crate) async fn checkpoints_are_restored_only_if_allowed() {
    for (value, expected) in [("deny", "2"), ("allow", "0")] {
        let settings = proxy(&format!("[gate]\ncheckpoint-restore = \"{value}\""));
        let world = start(|proxy| *proxy = settings).await;
        let answer = world.create("/var/lib/checkpoint.tar", "", &[]).await;
        assert_eq!(answer.code, expected, "{answer:?}");
        for method in ["RestorePod", "CheckpointPod"] {
            let answer = world.call(&format!("/runtime.v1.RuntimeService/{method}"), b"").await;
            assert_eq!(answer.code, expected, "{method}: {answer:?}");
        }
        // A mount without a path is decided all the same.
        let answer = world.create(CLOSED, "", &[]).await;
        assert_eq!(answer.code, "2", "{answer:?}");
    }
}

/// crictl and critest name images by their names: the runtime gets the id that was checked.
#[tokio::test]
async fn a8_a_container_of_an_image_by_name_is_created_from_the_checked_id() {
    let world = start(|_| {}).await;
    let open = id(OPEN);
    for (image, volume) in [(OPEN, OPEN), (&open[..20], OPEN), (open.as_str(), OPEN)] {
        let answer = world.create(image, "", &[(volume, "")]).await;
        assert_eq!(answer.code, "0", "{image}: {answer:?}");
        let created = world.created().pop().unwrap();
        let expected = create_request(&open, "", &[(&open, "")]).encode_to_vec();
        assert_eq!(created, framed(&expected), "{image}");
    }
}

/// containerd 2.1 to 2.3 restores a container from an image whose document declares a checkpoint, and pulls the base
/// image without pullgate.
#[tokio::test]
async fn a_checkpoint_in_an_admitted_image_is_restored_only_if_allowed() {
    let annotated = |annotation: &str| {
        Bytes::from(format!(
            "{{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{{{annotation:?}:\"app\"}}}}"
        ))
    };
    let name = "org.criu.checkpoint.container.name";
    for (document, by, allowed, expected) in [
        (annotated(name), OPEN.to_owned(), false, "2"),
        (annotated(name), OPEN.to_owned(), true, "0"),
        // The record of the id, which containerd uses if the name goes meanwhile.
        (annotated(name), id(OPEN), false, "2"),
        // Records that containerd does not use for this image.
        (annotated(name), "registry.example.com/zzz:1".to_owned(), false, "0"),
        (annotated("org.example.name"), id(OPEN), false, "0"),
        // The document of another image.
        (annotated(name), id(CLOSED), false, "0"),
        (Bytes::from_static(b"{\"a\":\"\\u0041\""), OPEN.to_owned(), false, "2"),
    ] {
        let world = start(|proxy| proxy.checkpoint_restore = allowed).await;
        world.runtime.hold(&document);
        world.runtime.record(&by, &pullgate::digest::Digest::of(&document).to_string());
        let answer = world.create(&id(OPEN), OPEN, &[]).await;
        assert_eq!(answer.code, expected, "{document:?} as {by}, {allowed}: {answer:?}");
        assert_eq!(world.created().len(), usize::from(expected == "0"), "{document:?}");
    }
    // A neighbour's pull adds a name that the runtime uses first while the image is checked.
    let world = start(|_| {}).await;
    let document = annotated(name);
    world.runtime.hold(&document);
    world.runtime.record("registry.example.com/a:1", &pullgate::digest::Digest::of(&document).to_string());
    let queries = std::sync::atomic::AtomicUsize::new(0);
    world.runtime.script(move |call| {
        let first =
            queries.fetch_add(usize::from(call.path == STATUS), std::sync::atomic::Ordering::Relaxed) == 0;
        let names = if first { &[OPEN][..] } else { &["registry.example.com/a:1", OPEN] };
        (call.path == STATUS).then(|| {
            let image = api::Image {
                id: id(OPEN),
                repo_tags: names.iter().map(ToString::to_string).collect(),
                ..Default::default()
            };
            runtime::message(&api::ImageStatusResponse { image: Some(image), ..Default::default() })
        })
    });
    let answer = world.create(&id(OPEN), OPEN, &[]).await;
    assert_error(&answer, "a name that came meanwhile");
    assert!(answer.message.contains("registry.example.com/a:1"), "{answer:?}");
    // A document that the runtime does not have is not a checkpoint.
    let world = start(|_| {}).await;
    world.runtime.record(OPEN, &pullgate::digest::Digest::of(b"gone").to_string());
    assert_eq!(world.create(&id(OPEN), OPEN, &[]).await.code, "0");
    // Without a record, nothing is known of it.
    let world = start(|_| {}).await;
    world.runtime.forget(&id(OPEN));
    let answer = world.create(&id(OPEN), OPEN, &[]).await;
    assert_error(&answer, "no record");
    assert!(answer.message.contains("no record of the image"), "{answer:?}");
}

/// Verdict, reason, call, namespace and image of what was recorded, in the order of a report.
fn recorded(world: &World) -> Vec<String> {
    let taken = world.daemon.proxy.counters().decisions.take();
    let mut keys: Vec<_> = taken.tallies.into_iter().collect();
    keys.sort_by(|(one, _), (other, _)| one.cmp(other));
    let row = |(key, tally): (DecisionKey, Tally)| {
        let (verdict, call, reason) = (key.verdict.name(), key.call.name(), key.reason.unwrap());
        let image = key.image.replace("registry.example.com/", "");
        format!(
            "{verdict} {reason} {call} {:?} {image} {} {}",
            key.namespace,
            tally.count,
            !key.rule.is_empty()
        )
    };
    keys.into_iter().map(row).collect()
}

#[tokio::test]
async fn decisions_about_present_images_and_containers_are_recorded() {
    let world = start(|_| {}).await;
    world.daemon.proxy.counters().decisions.record();
    let calls = async || {
        world.precheck(CLOSED).await;
        world.precheck(OPEN).await;
        world.create(&id(OPEN), OPEN, &[]).await;
        world.create(&id(OPEN), OPEN, &[(&id(CLOSED), CLOSED)]).await;
        recorded(&world)
    };
    let enforced = [
        "refused not-verified create-container \"shop\" closed/app:1 1 true",
        "withheld not-verified image-status \"\" closed/app:1 1 true",
        "admitted unsigned-allowed create-container \"shop\" open/app:1 1 true",
    ];
    assert_eq!(calls().await, enforced);
    let rule = "[[namespace]]\nscope = \"registry.example.com/closed\"\nmode = \"audit\"";
    let open =
        "[[namespace]]\nscope = \"registry.example.com/open\"\nallow = \"unsigned\"\nreason = \"a test\"";
    for (action, expected) in [
        ("require = { all = [\"release\"] }", "would-withhold not-verified create-container"),
        ("deny = \"a test\"", "would-refuse denied-by-rule create-container"),
    ] {
        let text = format!("default = \"deny\"\n{RELEASE}{rule}\n{action}\n{open}\n");
        world.daemon.gate.set_policy(policy::load(world.directory.path(), &text));
        let rows = calls().await;
        assert!(rows.contains(&format!("{expected} \"shop\" closed/app:1 1 true")), "{action}: {rows:?}");
        let reason = expected.split(' ').nth(1).unwrap();
        let status = format!("would-withhold {reason} image-status \"\" closed/app:1 1 true");
        assert!(rows.contains(&status), "{action}: {rows:?}");
        assert!(rows.contains(&enforced[2].replace("1 true", "2 true")), "{action}: {rows:?}");
        assert_eq!(rows.len(), 3, "{action}: {rows:?}");
    }
}
