//! What a pull leaves in the runtime if its image is refused, if nobody waits for its answer, or if it was admitted by an
//! exception that has ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use pullgate::api;
use pullgate::digest::Digest;
use serde_json::{Value, json};
use tokio::sync::Notify;

use pullgate_test::policy::RELEASE;
use pullgate_test::registry::{INDEX, MANIFEST};
use pullgate_test::runtime::{self, Reply};
use pullgate_test::world::{Answer, World, pull_request};

const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";

/// Two images with one configuration, and so one image for the runtime.
const NEIGHBOUR: &str = "registry.example.com/a/neighbour:1";
const VICTIM: &str = "registry.example.com/team/victim:1";

/// The limit for what must happen at some time.
const LIMIT: Duration = Duration::from_secs(30);

fn id() -> String {
    Digest::of(b"the configuration").to_string()
}

fn manifest(annotations: &Value) -> Bytes {
    let config =
        json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": id(), "size": 2 });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [], "annotations": annotations,
    });
    manifest.to_string().into()
}

fn checkpoint() -> Bytes {
    manifest(&json!({ "org.criu.checkpoint.container.name": "app" }))
}

/// An index of the victim's manifest, and of `other`.
fn index(other: &Value) -> Bytes {
    let honest = manifest(&json!({}));
    let listed =
        json!({ "mediaType": MANIFEST, "digest": Digest::of(&honest).to_string(), "size": honest.len() });
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [listed, other] }).to_string().into()
}

fn nested() -> Bytes {
    index(&json!({ "mediaType": INDEX, "digest": Digest::of(b"inner").to_string(), "size": 7 }))
}

/// A node with the victim's image, on which no rule looks at an image, and a runtime that answers a pull with `pulled`.
async fn world(pulled: impl Fn() -> Reply + Send + Sync + 'static) -> World {
    let world = World::builder().without_policy().start().await;
    world.set_policy(&format!(
        "default = \"deny\"\n[[namespace]]\nscope = \"registry.example.com\"\nmode = \"off\"\ndeny = \"a test\"\n\
         [deny]\ndigests = [{{ digest = \"{}\", reason = \"a test\" }}]\n",
        Digest::of(b"denied")
    ));
    let honest = manifest(&json!({}));
    world.runtime.hold(&honest);
    world.runtime.record(VICTIM, Digest::of(&honest).as_str());
    world.runtime.script(move |call| match call.path.as_str() {
        PULL => Some(pulled()),
        // The runtime's index of names is behind its records.
        STATUS => Some(image_of(&[NEIGHBOUR, VICTIM])),
        CREATE => Some(runtime::message(&api::CreateContainerResponse { container_id: "made".to_owned() })),
        _ => None,
    });
    world
}

fn image_of(names: &[&str]) -> Reply {
    let repo_tags = names.iter().map(ToString::to_string).collect();
    let image = api::Image { id: id(), repo_tags, size: 1, ..Default::default() };
    runtime::message(&api::ImageStatusResponse { image: Some(image), ..Default::default() })
}

fn pulled() -> Reply {
    runtime::message(&api::PullImageResponse { image_ref: id() })
}

/// What a pull of the neighbour's image records.
fn record(world: &World, document: &Bytes) {
    world.runtime.hold(document);
    for name in [NEIGHBOUR, &id()] {
        world.runtime.record(name, Digest::of(document).as_str());
    }
}

/// The neighbour's names are gone, and the victim's lead to its own manifest.
fn is_clean(world: &World) -> bool {
    let honest = Digest::of(&manifest(&json!({}))).to_string();
    let records = world.runtime.records();
    records.into_iter().eq([(VICTIM.to_owned(), honest.clone()), (id(), honest)])
}

async fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let reached = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, reached).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn status(world: &World, image: &str, annotated: bool) -> Answer {
    let mut image = pull_request(image).image.unwrap();
    if annotated {
        image.annotations.insert("kubernetes.io/config.source".to_owned(), "api".to_owned());
    }
    world.call(STATUS, &api::ImageStatusRequest { image: Some(image), verbose: false }.encode_to_vec()).await
}

async fn create(world: &World, name: &str) -> Answer {
    let spec = api::ImageSpec { image: id(), user_specified_image: name.to_owned(), ..Default::default() };
    let config = api::ContainerConfig { image: Some(spec), ..Default::default() };
    let request = api::CreateContainerRequest { config: Some(config), ..Default::default() };
    world.call(CREATE, &request.encode_to_vec()).await
}

fn assert_present(answer: &Answer, case: &str) {
    let image = api::ImageStatusResponse::decode(answer.body.get(5..).unwrap_or_default()).unwrap().image;
    assert_eq!((answer.code.as_str(), image.map(|image| image.id)), ("0", Some(id())), "{case}: {answer:?}");
}

/// The caller cancels when the runtime has recorded the image, and before it answers.
#[tokio::test]
async fn the_image_of_a_cancelled_pull_is_checked() {
    for (case, document) in [("a checkpoint", checkpoint()), ("an index in an index", nested())] {
        let dropped = Arc::new(Notify::new());
        let observed = Arc::clone(&dropped);
        let world = world(move || Reply::Never { dropped: Arc::clone(&observed) }).await;
        let mut pull = Box::pin(world.pull(NEIGHBOUR));
        let begun = wait_until("the pull is forwarded", || !world.pulled().is_empty());
        tokio::select! {
            answer = &mut pull => panic!("{case}: {answer:?}"),
            () = begun => {}
        }
        record(&world, &document);
        drop(pull);
        tokio::time::timeout(LIMIT, dropped.notified()).await.expect("the runtime's call is cancelled");
        wait_until(case, || is_clean(&world)).await;
        assert_present(&status(&world, VICTIM, true).await, case);
        assert_eq!(create(&world, VICTIM).await.code, "0", "{case}");
    }
}

/// What the runtime records while it hears that the pull is cancelled.
#[tokio::test]
async fn the_runtime_is_looked_at_again_after_a_cancelled_pull() {
    let dropped = Arc::new(Notify::new());
    let observed = Arc::clone(&dropped);
    let world = world(move || Reply::Never { dropped: Arc::clone(&observed) }).await;
    let mut pull = Box::pin(world.pull(NEIGHBOUR));
    tokio::select! {
        answer = &mut pull => panic!("{answer:?}"),
        () = wait_until("the pull is forwarded", || !world.pulled().is_empty()) => {}
    }
    drop(pull);
    tokio::time::timeout(LIMIT, dropped.notified()).await.expect("the runtime's call is cancelled");
    let looks = || world.runtime.calls_of("List").len();
    wait_until("the first look", || looks() > 0).await;
    record(&world, &checkpoint());
    wait_until("the names of the image are removed", || is_clean(&world)).await;
}

/// The runtime has pulled, and its answer does not say so.
#[tokio::test]
async fn the_image_of_a_pull_without_a_usable_answer_is_checked() {
    type Answer = fn() -> Reply;
    let answers: [(&str, Answer, &str); 3] = [
        ("no image", || runtime::message(&api::PullImageResponse::default()), "2"),
        ("an error", || runtime::error(13, "failed to record the image"), "13"),
        ("a reset", || Reply::Reset { after: Duration::ZERO, reason: h2::Reason::INTERNAL_ERROR }, "14"),
    ];
    for (case, answer, code) in answers {
        let world = world(answer).await;
        record(&world, &checkpoint());
        let answered = world.pull(NEIGHBOUR).await;
        assert_eq!(answered.code, code, "{case}: {answered:?}");
        wait_until(case, || is_clean(&world)).await;
    }
}

/// The record of the id, which the runtime gives to what was pulled last.
#[tokio::test]
async fn a_refused_pull_leaves_the_images_of_others_usable() {
    for (case, document, reason) in [
        ("a checkpoint", checkpoint(), "checkpoint"),
        ("an index in an index", nested(), "runtime-unavailable"),
    ] {
        let world = world(pulled).await;
        record(&world, &document);
        let refused = world.pull(NEIGHBOUR).await;
        assert_eq!(refused.code, "2", "{case}: {refused:?}");
        assert!(refused.message.ends_with(&format!("[{reason}]")), "{case}: {refused:?}");
        assert!(is_clean(&world), "{case}: {:?}", world.runtime.records());
        assert_present(&status(&world, VICTIM, true).await, case);
        assert_eq!(create(&world, VICTIM).await.code, "0", "{case}");
        // Without another name, the id goes too.
        record(&world, &document);
        world.runtime.forget(VICTIM);
        world.pull(NEIGHBOUR).await;
        assert_eq!(world.runtime.records().len(), 0, "{case}: {:?}", world.runtime.records());
    }
}

/// An index may list what the runtime does not have, of any size; what it has is read.
#[tokio::test]
async fn only_what_the_runtime_has_of_an_index_must_be_readable() {
    for (case, held, code) in [("absent", false, "0"), ("held", true, "2")] {
        let other = Bytes::from(vec![b' '; 5 << 20]);
        let listed =
            json!({ "mediaType": MANIFEST, "digest": Digest::of(&other).to_string(), "size": other.len() });
        let world = world(pulled).await;
        record(&world, &index(&listed));
        if held {
            world.runtime.hold(&other);
        }
        let answer = world.pull(NEIGHBOUR).await;
        assert_eq!(answer.code, code, "{case}: {answer:?}");
    }
}

#[tokio::test]
async fn an_image_without_a_record_is_refused_after_its_pull() {
    let world = world(pulled).await;
    world.set_policy(
        "default = \"deny\"\n[[namespace]]\nscope = \"registry.example.com\"\nallow = \"unsigned\"\nreason = \"a test\"\n",
    );
    let refused = world.pull(NEIGHBOUR).await;
    assert!(refused.message.contains("the runtime has no record of the image"), "{refused:?}");
    // By its id alone it is found.
    world.runtime.hold(&checkpoint());
    world.runtime.record(&id(), Digest::of(&checkpoint()).as_str());
    let refused = world.pull(NEIGHBOUR).await;
    assert!(refused.message.ends_with("[checkpoint]"), "{refused:?}");
}

/// An exception admits the image while its file exists; what was pulled meanwhile is decided by the policy afterwards.
#[tokio::test]
async fn what_break_glass_pulled_is_refused_when_the_file_is_gone() {
    let world = world(pulled).await;
    world.set_policy(&format!(
        "default = \"deny\"\n{RELEASE}[[namespace]]\nscope = \"registry.example.com\"\nrequire = {{ all = [\"release\"] }}\n"
    ));
    let root = world.directory.path().join("etc");
    std::fs::create_dir_all(&root).unwrap();
    world.daemon.gate.set_break_glass(Box::new(pullgate::config::BreakGlassFile::of(&root)));
    let file = root.join("break-glass.toml");
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let scope = "scope = \"registry.example.com/team\"";
    std::fs::write(&file, format!("[[open]]\n{scope}\nreason = \"outage\"\nuntil = {until}\n")).unwrap();
    world.runtime.record(&id(), Digest::of(&manifest(&json!({}))).as_str());
    let answer = world.pull(VICTIM).await;
    assert_eq!(answer.code, "0", "{answer:?}");
    assert_present(&status(&world, VICTIM, false).await, "the user, with the file");
    assert_eq!(create(&world, VICTIM).await.code, "0", "with the file");
    std::fs::remove_file(&file).unwrap();
    for (case, answer) in [
        ("ImageStatus", status(&world, VICTIM, true).await),
        ("the user", status(&world, VICTIM, false).await),
        ("CreateContainer", create(&world, VICTIM).await),
    ] {
        assert_eq!(answer.code, "2", "{case}: {answer:?}");
        assert!(answer.message.ends_with("[not-verified]"), "{case}: {answer:?}");
    }
}
