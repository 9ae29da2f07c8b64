//! A pull through the whole daemon with a fake containerd: what reaches the runtime, and what does not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use prost::Message;
use pullgate::api;
use pullgate::digest::Digest;
use pullgate::gate;
use pullgate::registry::{Credentials, RegistrySettings};
use pullgate::trust::Algorithm;

use crate::options::settings::proxy;
use pullgate_test::policy::{self, Authenticator};
use pullgate_test::proxy::{call, forgetful};
use pullgate_test::registry::{Body, Registry, Scripted};
use pullgate_test::runtime::{Reply, error, framed, image_id};
use pullgate_test::secrets;
use pullgate_test::signer::{Signer, attach_classic, key_file, payload, sign_bundle, sign_classic};
use pullgate_test::world::{Answer, World, pull_request};

pub(crate) mod rules;

const PULL: &str = "/runtime.v1.ImageService/PullImage";

fn assert_refused(answer: &Answer, reason: &str) {
    assert_eq!(answer.code, "2", "{answer:?}");
    assert!(answer.message.starts_with("SignatureValidationFailed: image "), "{answer:?}");
    assert!(answer.message.ends_with(&format!(" [{reason}]")), "{answer:?}");
    assert!(!answer.message.contains('\n'), "{answer:?}");
    assert!(answer.body.is_empty());
}

fn p256() -> Signer {
    Signer::of("p256", Algorithm::EcdsaSha256)
}

#[tokio::test]
async fn a_password_in_a_name_is_not_repeated() {
    let world = World::builder().start().await;
    let password = secrets::Secret::marked("pg5ECRET-in-a-name");
    let answer = world.pull(&format!("https://user:{}@r.example/app:1", password.as_str())).await;
    assert_refused(&answer, "invalid-reference");
    assert!(answer.message.contains("image https://***@r.example/app:1 is not a valid name"), "{answer:?}");
    assert!(!secrets::is_found(&answer.message), "{answer:?}");
    assert!(world.registry.requests().is_empty());
}

#[tokio::test]
async fn a_signed_image_is_pulled_by_digest_and_known_by_its_tag() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    world.runtime.be_late(3);
    let image = world.image("team/app:1");
    let answer = world.pull(&image).await;
    assert_eq!(answer.code, "0", "{answer:?}");
    let reply = api::PullImageResponse::decode(&answer.body[5..]).unwrap();
    assert_eq!(reply.image_ref, image_id(digest.as_str()));
    assert_eq!(world.pulled(), [world.image(&format!("team/app@{digest}"))]);
    assert_eq!(world.runtime.records()[&image], digest.as_str(), "the tag record");
    // Three ImageStatus calls found nothing; the answer was held until the fourth.
    assert_eq!(world.runtime.calls_of("ImageStatus").len(), 4);
}

#[tokio::test]
async fn every_byte_but_the_name_reaches_the_runtime() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let field =
        |number: u64, content: &[u8]| pullgate::cri::wire::splice(&[], &(0..0), number, content).unwrap();
    let message = |name: &str| {
        // Fields that this proto does not have: ImageSpec 20 (Kubernetes 1.36), and unassigned ones.
        let spec =
            [field(20, b"x"), field(1, name.as_bytes()), field(18, b"as written"), field(99, b"y")].concat();
        [field(50, b"before"), field(1, &spec), field(2, &field(7, b"later")), field(51, b"after")].concat()
    };
    let answer = world.call(PULL, &message(&world.image("team/app:1"))).await;
    assert_eq!(answer.code, "0", "{answer:?}");
    let sent = &world.runtime.calls_of("PullImage")[0].body;
    assert_eq!(sent, &framed(&message(&world.image(&format!("team/app@{digest}")))));
}

#[tokio::test]
async fn metadata_crosses_and_the_deadline_shrinks() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let mut headers = HeaderMap::new();
    headers.insert("grpc-timeout", "100S".parse().unwrap());
    headers.insert("x-custom", "kept".parse().unwrap());
    headers.insert("content-type", "application/grpc".parse().unwrap());
    let body = framed(&pull_request(&world.image("team/app:1")).encode_to_vec());
    call(world.daemon.client(), PULL, headers, body).await;
    let seen = &world.runtime.calls_of("PullImage")[0].headers;
    assert_eq!(seen["x-custom"], "kept");
    let left: u64 =
        seen["grpc-timeout"].to_str().unwrap().strip_suffix('u').unwrap_or("0").parse().unwrap_or(0);
    let left = if left == 0 {
        seen["grpc-timeout"].to_str().unwrap().trim_end_matches('m').parse().unwrap()
    } else {
        left
    };
    assert!(left > 0 && seen["grpc-timeout"] != "100S", "{:?}", seen["grpc-timeout"]);
}

#[tokio::test]
async fn tag_digest_and_both_are_the_same_image() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_bundle(&world.registry, "team/app", &digest, &p256());
    let pinned = world.image(&format!("team/app@{digest}"));
    for rest in ["team/app:1".to_owned(), format!("team/app@{digest}"), format!("team/app:1@{digest}")] {
        let answer = world.pull(&world.image(&rest)).await;
        assert_eq!(answer.code, "0", "{rest}: {answer:?}");
    }
    assert_eq!(world.pulled(), [pinned.clone(), pinned.clone(), pinned]);
}

#[tokio::test]
async fn an_unverified_image_never_reaches_the_runtime() {
    let world = World::builder().start().await;
    let registry = &world.registry;
    registry.image("team/unsigned", "1", "unsigned");
    let wrong_key = registry.image("team/wrong-key", "1", "wrong key");
    sign_classic(registry, "team/wrong-key", &wrong_key, &Signer::of("p384", Algorithm::EcdsaSha384));
    let tampered = registry.image("team/tampered", "1", "tampered");
    let good = payload(&world.image("team/tampered"), &tampered);
    let mut signature = p256().sign(&good);
    *signature.last_mut().unwrap() ^= 1;
    attach_classic(registry, "team/tampered", &tampered, &[(good, signature)]);
    let elsewhere = registry.image("team/elsewhere", "1", "elsewhere");
    let of_other = payload(&world.image("team/other"), &elsewhere);
    let signature = p256().sign(&of_other);
    attach_classic(registry, "team/elsewhere", &elsewhere, &[(of_other, signature)]);
    let replayed = registry.image("team/replayed", "1", "replayed");
    let of_other = payload(&world.image("team/replayed"), &Digest::of(b"another image"));
    let signature = p256().sign(&of_other);
    attach_classic(registry, "team/replayed", &replayed, &[(of_other, signature)]);
    for (rest, reason) in [
        ("team/unsigned:1", "no-signature"),
        ("team/wrong-key:1", "no-valid-signature"),
        ("team/tampered:1", "no-valid-signature"),
        ("team/elsewhere:1", "other-repository"),
        ("team/replayed:1", "other-digest"),
        ("team-evil/app:1", "denied-by-rule"),
        ("elsewhere/app:1", "denied-by-rule"),
        ("team/Upper:1", "invalid-reference"),
    ] {
        let image = world.image(rest);
        let answer = world.pull(&image).await;
        assert_refused(&answer, reason);
        assert!(answer.message.contains(&image), "the line names the image: {answer:?}");
        assert_eq!(world.pull(&image).await, answer, "{rest}: every attempt says the same");
    }
    assert_eq!(world.pulled(), [""; 0]);
    assert_eq!(world.runtime.calls().len(), 0, "no call reached the runtime");
    let answer = world.pull(&world.image("team/elsewhere:1")).await;
    for part in [elsewhere.as_str(), "release", "team", "policy.toml", "other repository"] {
        assert!(answer.message.contains(part), "{part} is missing: {}", answer.message);
    }
}

#[tokio::test]
async fn an_invalid_signature_hides_no_valid_one() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let good = payload(&world.image("team/app"), &digest);
    let signature = p256().sign(&good);
    let bad = (Bytes::from_static(b"{\"critical\":"), vec![1, 2, 3]);
    attach_classic(&world.registry, "team/app", &digest, &[bad.clone(), (good, signature), bad]);
    assert_eq!(world.pull(&world.image("team/app:1")).await.code, "0");
}

#[tokio::test]
async fn a_moved_tag_is_decided_by_its_current_digest() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let image = world.image("team/app:1");
    assert_eq!(world.pull(&image).await.code, "0");
    let moved = world.registry.image("team/app", "1", "another app");
    let answer = world.pull(&image).await;
    assert_refused(&answer, "no-signature");
    assert!(answer.message.contains(moved.as_str()), "{answer:?}");
    assert_eq!(world.pulled().len(), 1);
}

#[tokio::test]
async fn a_tag_that_moves_during_verification_has_no_effect() {
    let world = World::builder().start().await;
    let registry = Arc::new(Registry::start().await);
    let image = format!("{}/team/app:1", registry.host());
    world.set_policy(&format!(
        "default = \"deny\"\n{}\n[[namespace]]\nscope = \"{}/team\"\nrequire = {{ all = [\"release\"] }}\n",
        policy::RELEASE,
        registry.host(),
    ));
    let digest = registry.image("team/app", "1", "app");
    sign_classic(&registry, "team/app", &digest, &p256());
    // The tag moves after it was resolved, and before the signatures are looked up.
    let moving = Arc::downgrade(&registry);
    registry.hook(move |request| {
        if request.uri.path().contains("sha256-")
            && let Some(registry) = moving.upgrade()
        {
            registry.image("team/app", "1", "another app");
        }
        None
    });
    assert_eq!(world.pull(&image).await.code, "0");
    assert_eq!(world.pulled(), [format!("{}/team/app@{digest}", registry.host())]);
    assert_eq!(world.runtime.records()[&image], digest.as_str());
}

#[tokio::test]
async fn a_cached_verdict_needs_no_signature_lookup() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let image = world.image("team/app:1");
    assert_eq!(world.pull(&image).await.code, "0");
    world.registry.forget_requests();
    assert_eq!(world.pull(&image).await.code, "0");
    assert_eq!(world.registry.lines(), ["GET /v2/team/app/manifests/1"]);
    assert_eq!(world.pull(&world.image(&format!("team/app@{digest}"))).await.code, "0");
    assert_eq!(world.registry.lines().len(), 1, "a cached digest needs no request");
    assert_eq!(world.pulled().len(), 3, "and is forwarded all the same");
}

#[tokio::test]
async fn a_new_policy_invalidates_cached_verdicts() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let image = world.image("team/app:1");
    assert_eq!(world.pull(&image).await.code, "0");
    world.set_policy(&format!(
        "default = \"deny\"\n{}\n[[namespace]]\nscope = \"{}/team\"\nrequire = {{ all = [\"release\"] }}\n",
        Authenticator { name: "release", ..policy::SECURITY },
        world.registry.host(),
    ));
    assert_refused(&world.pull(&image).await, "no-valid-signature");
}

#[tokio::test]
async fn without_a_policy_nothing_is_pulled() {
    let world = World::builder().without_policy().start().await;
    world.registry.image("team/app", "1", "app");
    assert_refused(&world.pull(&world.image("team/app:1")).await, "no-policy");
    assert_eq!(world.runtime.calls().len() + world.registry.requests().len(), 0);
}

#[tokio::test]
async fn an_allowed_image_costs_no_request() {
    let world = World::builder().start().await;
    world.set_policy(&format!(
        "default = \"deny\"\n[[namespace]]\nscope = \"{}/base\"\nallow = \"unsigned\"\nreason = \"bootstrap\"\n",
        world.registry.host(),
    ));
    world.runtime.script(|call| {
        let request = api::PullImageRequest::decode(call.body.get(5..)?).ok()?;
        (call.path == PULL).then(|| error(2, &format!("pull of {}", request.image.unwrap().image)))
    });
    let image = world.image("base/tool:1");
    let answer = world.pull(&image).await;
    assert_eq!(answer.message, format!("pull of {image}"), "the runtime's own answer crosses");
    assert_eq!(world.registry.requests().len(), 0);
}

#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let field =
        |number: u64, content: &[u8]| pullgate::cri::wire::splice(&[], &(0..0), number, content).unwrap();
    let good = field(1, &field(1, world.image("team/app:1").as_bytes()));
    let evil = field(1, &field(1, world.image("evil/app:1").as_bytes()));
    let one = framed(&good);
    let mut compressed = one.to_vec();
    compressed[0] = 1;
    for (body, code) in [
        (framed(&[good.clone(), evil.clone()].concat()), "3"),
        (framed(&field(1, &[&good[2..], &evil[2..]].concat())), "3"),
        (Bytes::from([one.to_vec(), framed(&evil).to_vec()].concat()), "3"),
        (Bytes::from(compressed), "12"),
        (one.slice(..one.len() - 1), "3"),
        (Bytes::new(), "3"),
        (framed(b""), "3"),
        (framed(b"\xff\xff"), "3"),
    ] {
        let answer = world.call_body(PULL, body.clone()).await;
        assert_eq!(answer.code, code, "{body:?}: {answer:?}");
    }
    assert_eq!(world.runtime.calls().len(), 0);
}

#[tokio::test]
async fn a_registry_failure_is_not_a_missing_signature() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let sig = format!("sha256-{}.sig", digest.hex());
    world.registry.hook(move |request| request.uri.path().ends_with(&sig).then(|| Scripted::status(503)));
    let answer = world.pull(&world.image("team/app:1")).await;
    assert_eq!(answer.code, "2");
    assert!(answer.message.starts_with("RegistryUnavailable: image "), "{answer:?}");
    assert!(answer.message.ends_with("[registry-busy]"), "{answer:?}");
    // The signatures from the other place count.
    sign_bundle(&world.registry, "team/app", &digest, &p256());
    assert_eq!(world.pull(&world.image("team/app:1")).await.code, "0");
}

#[tokio::test]
async fn a_refusal_for_expired_keys_is_the_same_at_every_attempt() {
    let world = World::builder().start().await;
    world.set_policy(&format!(
        "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ file = \"{}\", \
         not-after = 2020-01-01T00:00:00Z }}]\n[[namespace]]\nscope = \"{}/team\"\nrequire = {{ all = [\"release\"] }}\n",
        key_file("p256", "pub").display(),
        world.registry.host(),
    ));
    let digest = world.registry.image("team/app", "1", "app");
    let stranger = Signer::of("p384", Algorithm::EcdsaSha384);
    let payload = payload(&world.image("team/app"), &digest);
    let signatures = [(payload.clone(), p256().sign(&payload)), (payload.clone(), stranger.sign(&payload))];
    attach_classic(&world.registry, "team/app", &digest, &signatures);
    let image = world.image("team/app:1");
    let first = world.pull(&image).await;
    assert_refused(&first, "key-not-valid-now");
    assert!(first.message.contains("no key that is valid now"), "{first:?}");
    assert_eq!(world.pull(&image).await, first);
}

#[tokio::test]
async fn an_unreadable_answer_is_not_a_success() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    for body in [framed(b""), Bytes::from_static(b"\x01\0\0\0\x01x"), Bytes::new()] {
        world.runtime.script(move |call| {
            (call.path == PULL).then(|| Reply::Answer {
                headers: HeaderMap::new(),
                data: vec![body.clone()],
                trailers: Some(pullgate_test::runtime::status(0, "")),
            })
        });
        let answer = world.pull(&world.image("team/app:1")).await;
        assert_eq!(answer.code, "2", "{answer:?}");
        assert!(answer.message.contains("contains no image id"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_missing_image_is_not_found() {
    let world = World::builder().start().await;
    let answer = world.pull(&world.image("team/nothing:1")).await;
    assert_eq!(answer.code, "5", "{answer:?}");
    assert_eq!(world.runtime.calls().len(), 0);
}

#[tokio::test]
async fn a_cancelled_pull_stops_asking_the_registry() {
    let world = World::builder().start().await;
    world.registry.hook(|_| Some(Scripted::ok("application/json", "").body(Body::Hang)));
    let image = world.image("team/app:1");
    let client = world.daemon.client().clone();
    let body = framed(&pull_request(&image).encode_to_vec());
    let pull = tokio::spawn(async move { call(&client, PULL, HeaderMap::new(), body).await });
    while world.registry.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let gate = Arc::downgrade(&world.daemon.gate);
    let idle = gate.strong_count();
    pull.abort();
    // A running pull has a reference to the gate; when it has stopped, only the daemon has one.
    let stopped = async {
        while gate.strong_count() >= idle {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stopped).await.expect("the work did not stop");
    assert_eq!(world.runtime.calls().len(), 0);
}

#[tokio::test]
async fn a_pull_whose_tag_never_appears_is_an_error() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    world.runtime.be_late(u32::MAX);
    let answer = world.pull(&world.image("team/app:1")).await;
    assert_eq!(answer.code, "2");
    assert!(answer.message.contains("does not know"), "{answer:?}");
}

#[tokio::test]
async fn the_runtime_s_own_errors_cross() {
    let world = World::builder().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    world.runtime.script(|call| {
        (call.path == PULL).then(|| Reply::Answer {
            headers: pullgate_test::runtime::status(9, "disk is full"),
            data: Vec::new(),
            trailers: None,
        })
    });
    let answer = world.pull(&world.image("team/app:1")).await;
    assert_eq!((answer.code.as_str(), answer.message.as_str()), ("9", "disk is full"));
    assert!(world.runtime.records().is_empty());
}

#[tokio::test]
async fn distinct_keys_count_not_signatures() {
    let world = World::builder().start().await;
    let policy = |require: &str| {
        format!(
            "default = \"deny\"\n{}{}[[namespace]]\nscope = \"{}/team\"\nrequire = {require}\n",
            policy::RELEASE,
            policy::SECURITY,
            world.registry.host(),
        )
    };
    let digest = world.registry.image("team/app", "1", "app");
    let payload = payload(&world.image("team/app"), &digest);
    let twice = [(payload.clone(), p256().sign(&payload)), (payload.clone(), p256().sign(&payload))];
    attach_classic(&world.registry, "team/app", &digest, &twice);
    let image = world.image("team/app:1");
    for require in
        ["{ all = [\"release\", \"security\"] }", "{ at-least = 2, of = [\"release\", \"security\"] }"]
    {
        world.set_policy(&policy(require));
        assert_refused(&world.pull(&image).await, "not-enough-signatures");
    }
    world.set_policy(&policy("{ any = [\"release\", \"security\"] }"));
    assert_eq!(world.pull(&image).await.code, "0");
    let other = Signer::of("p384", Algorithm::EcdsaSha384).sign(&payload);
    attach_classic(&world.registry, "team/app", &digest, &[twice[0].clone(), (payload, other)]);
    world.set_policy(&policy("{ all = [\"release\", \"security\"] }"));
    assert_eq!(world.pull(&image).await.code, "0");
}

/// After the pull kubelet sees the image under the requested name, and may create a container from it, pinned
/// if configured.
#[tokio::test]
pub(crate) async fn a_pulled_image_is_reported_and_created() {
    for pin in [false, true] {
        let settings = proxy(&format!("[gate]\npin-user-specified-image = {pin}"));
        let world = World::builder().proxy(|proxy| *proxy = settings).start().await;
        let digest = world.registry.image("team/app", "1", "app");
        sign_classic(&world.registry, "team/app", &digest, &p256());
        world.runtime.hold(&world.registry.tagged("team/app", "1").unwrap());
        let image = world.image("team/app:1");
        let pulled = world.pull(&image).await;
        assert_eq!(pulled.code, "0", "{pulled:?}");
        let id = api::PullImageResponse::decode(&pulled.body[5..]).unwrap().image_ref;
        world.runtime.script(|call| {
            let made = api::CreateContainerResponse { container_id: "made".to_owned() };
            call.path.ends_with("/CreateContainer").then(|| pullgate_test::runtime::message(&made))
        });
        let query = api::ImageStatusRequest { image: pull_request(&image).image, verbose: false };
        let status = world.call("/runtime.v1.ImageService/ImageStatus", &query.encode_to_vec()).await;
        let status = api::ImageStatusResponse::decode(&status.body[5..]).unwrap().image.map(|image| image.id);
        assert_eq!(status.as_ref(), Some(&id));
        let spec = |name: &str| api::ImageSpec {
            image: id.clone(),
            user_specified_image: name.to_owned(),
            ..Default::default()
        };
        let create = |name: &str| api::CreateContainerRequest {
            config: Some(api::ContainerConfig { image: Some(spec(name)), ..Default::default() }),
            ..Default::default()
        };
        let path = "/runtime.v1.RuntimeService/CreateContainer";
        let created = world.call(path, &create(&image).encode_to_vec()).await;
        assert_eq!(created.code, "0", "{created:?}");
        let pinned = world.image(&format!("team/app@{digest}"));
        let expected = if pin { create(&pinned) } else { create(&image) };
        let sent = &world.runtime.calls_of("CreateContainer")[0].body;
        assert_eq!(api::CreateContainerRequest::decode(&sent[5..]).unwrap(), expected);
        let refused = world.call(path, &create(&world.image("team/other:1")).encode_to_vec()).await;
        assert_refused(&refused, "not-verified");
    }
}

#[tokio::test]
async fn b14_a_rewritten_image_keeps_its_name_in_policy_and_signature() {
    for (claimed, code) in [("r.example/team/app", "0"), ("r.example/mirrors/hub/app", "2")] {
        let policy = "default = \"deny\"\n[[namespace]]\nscope = \"r.example/team\"\nrequire = { all = [\"release\"] }\n";
        let world = World::builder()
            .policy(&format!("{policy}{}", policy::RELEASE))
            .settings(|directory, registry| {
                let host = directory.path().join("certs.d/r.example");
                std::fs::create_dir_all(&host).unwrap();
                let mirror = format!("host.\"http://{}\"", registry.host());
                let text = format!("[{mirror}]\n[{mirror}.rewrite]\n\"^team/\" = \"mirrors/hub/\"\n");
                std::fs::write(host.join("hosts.toml"), text).unwrap();
                let hosts_directories = vec![directory.path().join("certs.d")];
                RegistrySettings { hosts_directories, ..RegistrySettings::default() }
            })
            .start()
            .await;
        let digest = world.registry.image("mirrors/hub/app", "1", "app");
        let payload = payload(claimed, &digest);
        let signature = p256().sign(&payload);
        attach_classic(&world.registry, "mirrors/hub/app", &digest, &[(payload, signature)]);
        let answer = world.pull("r.example/team/app:1").await;
        assert_eq!(answer.code, code, "{claimed}: {answer:?}");
        let pulled = if code == "0" { vec![format!("r.example/team/app@{digest}")] } else { Vec::new() };
        assert_eq!(world.pulled(), pulled, "{claimed}");
    }
}
