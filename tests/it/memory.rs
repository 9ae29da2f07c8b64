//! How much memory the real program takes while everything arrives at once that its limits allow.
//!
//! The daemon runs in a memory cgroup with the unit's `MemoryMax`, where one can be made; its peak is asserted either way.

mod shares;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use prost::Message as _;
use pullgate::api;
use pullgate::containerd::Upstream;
use pullgate::digest::Digest;
use pullgate::trust::Algorithm;
use pullgate_test::policy::RELEASE;
use pullgate_test::proxy::call;
use pullgate_test::registry::{INDEX, MANIFEST, Options, Scripted, manifest};
use pullgate_test::runtime::{self, framed};
use pullgate_test::signer::{Signer, sign_classic};
use pullgate_test::world::{World as Node, pull_request};
use tokio::task::JoinSet;

/// What the daemon may have taken at its peak.
const PEAK: u64 = 128 << 20;

/// `MemoryMax` of systemd/pullgate.service.
const MEMORY_MAX: u64 = 256 << 20;

/// How many pods a node has, unless kubelet is configured otherwise.
const PODS: usize = 110;

const PULL: &str = "/runtime.v1.ImageService/PullImage";

const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";

const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";

/// A running `pullgate serve`, in a cgroup of its own where that is possible.
struct Daemon {
    child: Child,
    cgroup: Option<PathBuf>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(cgroup) = &self.cgroup {
            let _ = fs::remove_dir(cgroup);
        }
    }
}

/// A new cgroup with the unit's limit; `None` where this process may not make one.
fn cgroup(name: &str) -> Option<PathBuf> {
    let limits = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
    limits.into_iter().find_map(|(root, file)| {
        let directory = Path::new(root).join(format!("pullgate-test-{}-{name}", std::process::id()));
        fs::create_dir(&directory).ok()?;
        let limited = fs::write(directory.join(file), MEMORY_MAX.to_string());
        if limited.is_err() {
            let _ = fs::remove_dir(&directory);
        }
        limited.ok().map(|()| directory)
    })
}

impl Daemon {
    fn start(root: &Path, name: &str) -> Self {
        let log = fs::File::create(root.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullgate"));
        command.arg("--config").arg(root.join("etc")).arg("serve").stdout(Stdio::null()).stderr(log);
        // As in the unit.
        command.env("MALLOC_ARENA_MAX", "2");
        let child = command.spawn().unwrap();
        let cgroup = cgroup(name);
        if let Some(cgroup) = &cgroup {
            fs::write(cgroup.join("cgroup.procs"), child.id().to_string()).unwrap();
        }
        Self { child, cgroup }
    }

    /// Its largest resident size so far, in bytes.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// A node, and a client of the real program that runs beside its daemon.
struct World {
    node: Node,
    client: Upstream,
}

pullgate_test::extends_world!(World, node);

impl World {
    async fn start() -> Self {
        let node = Node::builder().registry(Options { referrers: true, ..Options::default() }).start().await;
        let root = node.directory.path();
        let at = root.display();
        let config = format!(
            "[listen]\nsocket = \"{at}/a.sock\"\n[control]\nsocket = \"{at}/b.sock\"\n[runtime]\n\
             socket = \"{at}/runtime.sock\"\n[ledger]\ndirectory = \"{at}/evidence\"\n[limits]\nretries = 0\n"
        );
        fs::write(root.join("etc/pullgate.toml"), config).unwrap();
        let client = Upstream::new(root.join("a.sock"));
        Self { node, client }
    }

    async fn daemon(&self, name: &str) -> Daemon {
        let daemon = Daemon::start(self.directory.path(), name);
        for _ in 0..1200 {
            if tokio::net::UnixStream::connect(self.directory.path().join("a.sock")).await.is_ok() {
                return daemon;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "the daemon does not serve: {}",
            fs::read_to_string(self.directory.path().join("log")).unwrap()
        );
    }

    /// An image whose manifest has about `bytes` bytes.
    fn large(&self, path: &str, config: &str, (number, bytes): (usize, usize)) -> Digest {
        let config = self.registry.blob(path, config.to_owned());
        let mut document: serde_json::Value = serde_json::from_slice(&manifest(&[], &config, None)).unwrap();
        document["annotations"] = serde_json::json!({ "number": number, "x": "x".repeat(bytes) });
        document["annotations"]["number"] = number.to_string().into();
        let document = Bytes::from(document.to_string());
        self.runtime.hold(&document);
        let digest = self.registry.manifest(path, MANIFEST, document);
        self.registry.tag(path, &number.to_string(), &digest);
        digest
    }

    /// Puts an image with a large manifest on the node, and returns its id.
    fn present(&self, path: &str, number: usize) -> String {
        let config = format!("{{\"number\":{number}}}");
        let digest = self.large(path, &config, (number, LARGE)).to_string();
        let id = Digest::of(config.as_bytes()).to_string();
        for name in [&self.image(&format!("{path}:{number}")), &id] {
            self.runtime.record(name, &digest);
        }
        id
    }

    /// Makes all calls at once; their status codes and messages.
    async fn all(&self, path: &'static str, messages: Vec<Bytes>) -> Vec<(String, String)> {
        let mut calls = JoinSet::new();
        for message in messages {
            let client = self.client.clone();
            calls.spawn(async move { answer(&client, path, message).await });
        }
        calls.join_all().await
    }

    async fn pulls(&self, images: impl Iterator<Item = String>) -> Vec<(String, String)> {
        self.all(PULL, images.map(|image| framed(&pull_request(&image).encode_to_vec())).collect()).await
    }

    /// That the daemon lives, stayed below the peak, and admits an ordinary image.
    async fn assert_well(&self, daemon: &mut Daemon, what: &str) {
        let honest = self.pulls(std::iter::once(self.image("team/honest:1"))).await;
        assert_eq!(honest[0].0, "0", "{what}: {honest:?}");
        assert_eq!(daemon.child.try_wait().unwrap(), None, "{what}: it was killed");
        let peak = daemon.peak();
        assert!(peak < PEAK, "{what}: {} MiB", peak >> 20);
    }
}

async fn answer(client: &Upstream, path: &str, body: Bytes) -> (String, String) {
    let response = call(client, path, HeaderMap::new(), body).await;
    let (head, body) = response.into_parts();
    let Ok(collected) = body.collect().await else { return ("reset".to_owned(), String::new()) };
    let trailers = collected.trailers().cloned().unwrap_or(head.headers);
    let text = |name: &str| trailers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    (text("grpc-status"), text("grpc-message"))
}

fn p256() -> Signer {
    Signer::of("p256", Algorithm::EcdsaSha256)
}

/// The bytes of a manifest that is just within `manifest-bytes`.
const LARGE: usize = 3_900 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "all-tests"), ignore = "takes long: `make test` runs it")]
async fn a4_the_memory_of_a_node_full_of_large_images_stays_within_the_budget() {
    let world = World::start().await;
    let honest = world.registry.image("team/honest", "1", "honest");
    sign_classic(&world.registry, "team/honest", &honest, &p256());

    let mut daemon = world.daemon("manifests").await;
    for number in 0..PODS {
        world.large("team/many", "{}", (number, LARGE));
    }
    let beside = world.pulls((0..10).map(|_| world.image("team/honest:1")));
    let many = world.pulls((0..PODS).map(|number| world.image(&format!("team/many:{number}"))));
    let (many, beside) = tokio::join!(many, beside);
    assert!(beside.iter().all(|(code, _)| code == "0"), "ordinary pulls go on: {beside:?}");
    for (_, message) in &many {
        let expected = ["no-signature", "memory-in-use"].iter().any(|code| message.contains(code));
        assert!(expected, "{message}");
    }
    world.assert_well(&mut daemon, "many manifests").await;
    drop(daemon);

    let mut daemon = world.daemon("one").await;
    let digest = world.large("team/one", "{\"a\":1}", (1, LARGE));
    sign_classic(&world.registry, "team/one", &digest, &p256());
    for _ in 0..2 {
        let one = world.pulls((0..PODS).map(|_| world.image("team/one:1"))).await;
        assert!(one.iter().all(|(code, _)| code == "0"), "{one:?}");
    }
    world.assert_well(&mut daemon, "one manifest").await;
    drop(daemon);

    // After a restart, it is in the ledger only.
    let mut daemon = world.daemon("evidence").await;
    let one = world.pulls((0..PODS).map(|_| world.image("team/one:1"))).await;
    assert!(one.iter().all(|(code, _)| code == "0"), "{one:?}");
    world.assert_well(&mut daemon, "evidence").await;
    drop(daemon);

    let mut daemon = world.daemon("bodies").await;
    let body =
        framed(&[pull_request(&world.image("team/honest:1")).encode_to_vec(), padding(15 << 20)].concat());
    let bodies = world.all(PULL, vec![body; 40]).await;
    assert!(bodies.iter().all(|(code, _)| code == "0" || code == "8"), "{bodies:?}");
    assert!(bodies.iter().any(|(code, _)| code == "0"), "{bodies:?}");
    world.assert_well(&mut daemon, "bodies").await;
    drop(daemon);

    let mut daemon = world.daemon("referrers").await;
    let entry = format!(
        r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":1,"annotations":{{"x":"{}"}}}}"#,
        Digest::of(b"none"),
        "x".repeat(15_000)
    );
    let listing = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#,
        vec![entry; 255].join(",")
    );
    let listing = Bytes::from(listing);
    for number in 0..PODS {
        world.registry.image("team/listed", &number.to_string(), &number.to_string());
    }
    world.registry.hook(move |request| {
        let listed = request.uri.path().contains("/team/listed/referrers/");
        listed.then(|| Scripted::ok(INDEX, listing.clone()))
    });
    let listed = world.pulls((0..PODS).map(|number| world.image(&format!("team/listed:{number}")))).await;
    assert!(listed.iter().all(|(code, _)| code != "0"), "none of them is signed");
    world.assert_well(&mut daemon, "referrers").await;
    drop(daemon);
    a3_questions(&world).await;
}

/// 58 signed manifests of one configuration, pulled one after the other; then questions about it, again after a restart.
async fn a3_questions(world: &World) {
    let mut daemon = world.daemon("ledger").await;
    for number in 0..58 {
        let digest = world.large("team/same", "{\"same\":1}", (number, LARGE));
        sign_classic(&world.registry, "team/same", &digest, &p256());
        let pulled = world.pulls(std::iter::once(world.image(&format!("team/same:{number}")))).await;
        assert_eq!(pulled[0].0, "0", "{pulled:?}");
    }
    world.assert_well(&mut daemon, "58 documents of one image").await;
    for start in ["first", "second"] {
        drop(daemon);
        daemon = world.daemon(start).await;
        let id = Digest::of(b"{\"same\":1}").to_string();
        let spec = api::ImageSpec { image: id, ..Default::default() };
        let question = api::ImageStatusRequest { image: Some(spec), ..Default::default() }.encode_to_vec();
        let answers = world.all(STATUS, vec![framed(&question); 16]).await;
        assert!(answers.iter().all(|(code, _)| code == "0"), "{answers:?}");
        world.assert_well(&mut daemon, &format!("questions after the {start} restart")).await;
    }
}

/// 60 containers of present images with large manifests, all created at once; then as many questions about them. Denied
/// digests have to be looked for in what the runtime has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "all-tests"), ignore = "takes long: `make test` runs it")]
async fn a4_the_memory_for_present_images_stays_within_the_budget() {
    let world = World::start().await;
    let honest = world.registry.image("team/honest", "1", "honest");
    sign_classic(&world.registry, "team/honest", &honest, &p256());
    world.runtime.hold(&world.registry.tagged("team/honest", "1").unwrap());
    let denied = Digest::of(b"denied");
    world.set_policy(&format!(
        "default = \"deny\"\n{RELEASE}[[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ all = [\"release\"] }}\n\
         [[namespace]]\nscope = \"%HOST/free\"\nallow = \"unsigned\"\nreason = \"a test\"\n\
         [deny]\ndigests = [{{ digest = \"{denied}\", reason = \"a test\" }}]\n"
    ));
    world.runtime.script(|call| {
        let answer = api::CreateContainerResponse { container_id: "made".to_owned() };
        (call.path == CREATE).then(|| runtime::message(&answer))
    });
    let ids: Vec<String> = (0..60).map(|number| world.present("free/app", number)).collect();
    let names: Vec<String> = (0..60).map(|number| world.image(&format!("free/app:{number}"))).collect();

    let mut daemon = world.daemon("containers").await;
    let create = |(id, name): (&String, &String)| {
        let (image, user_specified_image) = (id.clone(), name.clone());
        let spec = api::ImageSpec { image, user_specified_image, ..Default::default() };
        let config = api::ContainerConfig { image: Some(spec), ..Default::default() };
        framed(&api::CreateContainerRequest { config: Some(config), ..Default::default() }.encode_to_vec())
    };
    let created = world.all(CREATE, ids.iter().zip(&names).map(create).collect()).await;
    assert!(created.iter().all(|(code, _)| code == "0"), "{created:?}");
    world.assert_well(&mut daemon, "containers").await;
    drop(daemon);

    let mut daemon = world.daemon("questions").await;
    let question = |name: &String| {
        let spec = api::ImageSpec { image: name.clone(), ..Default::default() };
        framed(&api::ImageStatusRequest { image: Some(spec), ..Default::default() }.encode_to_vec())
    };
    let answers = world.all(STATUS, names.iter().map(question).collect()).await;
    assert!(answers.iter().all(|(code, _)| code == "0"), "{answers:?}");
    world.assert_well(&mut daemon, "questions").await;
}

/// A field that no request has, with `bytes` bytes.
fn padding(bytes: usize) -> Vec<u8> {
    [vec![0xfa, 0x07], varint(bytes), vec![b'x'; bytes]].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}
