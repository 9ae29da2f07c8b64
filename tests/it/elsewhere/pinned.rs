//! Which public keys count.

use std::time::Duration;

use pullgate::trust::Algorithm;
use serde_json::json;

use super::{World, code, fingerprint, policy_of, public};
use pullgate_test::acs;
use pullgate_test::kms::{KEY, Kms, VERSION};
use pullgate_test::registry::{Body, Scripted};

#[tokio::test]
pub(crate) async fn a_key_is_fetched_once_and_then_used_offline() {
    let world = World::new().await;
    let text = world.policy("");
    assert_eq!(world.survey(&text).missing().len(), 1);
    assert!(world.kms.server.requests().is_empty(), "loading a policy sends no request");
    assert_eq!(world.fetch(&text).await, [Ok(())]);
    world.signed("app");
    world.kms.answers(|_, _| Some(Scripted::status(503)));
    world.kms.server.forget_requests();
    // As after a start without network.
    let gate = world.gate("").await;
    assert_eq!(code(&world.admit(&gate, "app").await), "admitted");
    assert!(world.kms.server.requests().is_empty(), "{:?}", world.kms.server.lines());
}

#[tokio::test]
async fn a_stored_key_with_a_wrong_fingerprint_is_fetched_again() {
    let world = World::new().await;
    let text = world.policy("");
    world.fetch(&text).await;
    let path = std::fs::read_dir(world.cache().directory()).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read_to_string(&path).unwrap();
    let spoiled = [Some(public("p384")), Some(good.replace('M', "N")), Some(String::new()), None];
    for text_in_file in spoiled {
        match &text_in_file {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let survey = world.survey(&text);
        assert!(survey.loaded.is_err(), "{text_in_file:?}");
        assert_eq!(world.fetch(&text).await, [Ok(())], "{text_in_file:?}");
        assert!(world.survey(&text).loaded.is_ok(), "{text_in_file:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), good);
    }
}

#[tokio::test]
pub(crate) async fn a_replaced_key_with_the_same_version_is_refused_and_reported() {
    let mut world = World::new().await;
    world.kms = Kms::start("rsa-2048").await;
    let [pinned, other] = ["rsa-2048", "rsa-3072"].map(|name| fingerprint(name, Algorithm::RsaPssSha256));
    let text = policy_of(&world.registry, &world.kms.location(), &pinned, "");
    let text = text.replace("ECDSA_SHA_256", "RSA_PSS_SHA_256");
    assert_eq!(world.fetch(&text).await, [Ok(())]);
    let kept = std::fs::read_dir(world.cache().directory()).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&kept).unwrap();
    let body = json!({ "KeyId": KEY, "KeyVersionId": VERSION, "PublicKey": public("rsa-3072") });
    world.kms.answers(move |_, _| Some(Scripted::ok("application/json", body.to_string())));
    let problem = world.fetch(&text).await.remove(0).unwrap_err();
    let expected = format!("has fingerprint {other}, but the policy pins {pinned}");
    assert!(problem.contains(&expected), "{problem}");
    assert!(world.survey(&text).loaded.is_err() && !kept.exists(), "it is not stored");
}

#[tokio::test]
async fn reports_why_a_fetch_failed_within_time_and_size_limits() {
    let world = World::new().await;
    let text = world.policy("");
    let key = |pem: &str| json!({ "KeyId": KEY, "KeyVersionId": VERSION, "PublicKey": pem }).to_string();
    let other = json!({ "KeyId": KEY, "KeyVersionId": "other", "PublicKey": public("p256") }).to_string();
    for (problem, answer) in [
        ("returned no public key within 700ms", Scripted::status(200).body(Body::Hang)),
        ("has more than 8192 bytes", Scripted::status(200).body(Body::Endless)),
        ("returned no public key within 700ms", acs::error(400, "Throttling")),
        ("RAM policy", acs::error(403, "Forbidden.NoPermission")),
        ("does not have this key", acs::error(404, "Forbidden.KeyNotFound")),
        ("is disabled", acs::error(409, "Rejected.Disabled")),
        ("with a redirect", Scripted::redirect("http://127.0.0.1:1/")),
        ("is not JSON", Scripted::ok("application/json", "{")),
        ("contains no PublicKey", Scripted::ok("application/json", "{}")),
        ("is for another version", Scripted::ok("application/json", other)),
        ("needs a key of type P-256", Scripted::ok("application/json", key(&public("p384")))),
        ("not one PEM block", Scripted::ok("application/json", key("-----BEGIN"))),
    ] {
        world.kms.answers(move |_, _| Some(answer.clone()));
        let error = world.fetch_within(&text, Duration::from_millis(700)).await.remove(0).unwrap_err();
        assert!(error.contains(problem), "{problem}: {error}");
        assert!(!error.contains("pg5ECRET-key"), "{error}");
    }
    assert!(!world.cache().directory().exists());
    world.kms.answers(|_, _| None);
    assert_eq!(world.fetch(&text).await, [Ok(())]);
}

#[tokio::test]
async fn the_daemon_does_not_fetch_keys_from_tokens() {
    let world = World::new().await;
    let pinned = fingerprint("p256", Algorithm::EcdsaSha256);
    let text = policy_of(&world.registry, "pkcs11:token=a;object=b?module-path=/lib/none.so", &pinned, "");
    let problem = world.fetch(&text).await.remove(0).unwrap_err();
    assert!(
        problem.ends_with("and the daemon does not load PKCS#11 modules: run `pullgate-signer keys fetch`"),
        "{problem}"
    );
}
