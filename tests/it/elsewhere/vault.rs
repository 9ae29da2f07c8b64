//! Remote confirmation by the transit engine of Vault and OpenBao.

use pullgate::trust::Algorithm;
use serde_json::json;

use super::{World, code, fingerprint, policy_of};
use pullgate_test::registry::Scripted;
use pullgate_test::signer::{Signer, sign_classic};
use pullgate_test::vault::Vault;

fn error(status: u16, text: &str) -> Scripted {
    let mut answer = Scripted::ok("application/json", json!({ "errors": [text] }).to_string());
    answer.status = status;
    answer
}

#[tokio::test]
async fn each_algorithm_is_confirmed() {
    for (name, kind, algorithm) in [
        ("rsa-2048", "rsa-2048", Algorithm::RsaPssSha256),
        ("rsa-2048", "rsa-2048", Algorithm::RsaPkcs1Sha256),
        ("p256", "ecdsa-p256", Algorithm::EcdsaSha256),
        ("ed25519", "ed25519", Algorithm::Ed25519),
    ] {
        let world = World::new().await;
        let vault = Vault::start(name, kind, None).await;
        let place = format!("{}&version=2", vault.location());
        let more = "verify = \"remote\"\nremote-timeout = \"20s\"";
        let text = policy_of(&world.registry, &place, &fingerprint(name, algorithm), more);
        let gate = world.gate_with(&text.replace("ECDSA_SHA_256", algorithm.name())).await;
        let digest = world.registry.image("team/app", "1", "app");
        sign_classic(&world.registry, "team/app", &digest, &Signer::of(name, algorithm));
        let decided = world.admit(&gate, "app").await;
        assert_eq!(code(&decided), "admitted", "{algorithm}: {decided:?}");
        let confirmations = vault.server.lines().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(confirmations, 1, "{:?}", vault.server.lines());
    }
}

#[tokio::test]
async fn a_withdrawn_key_or_a_missing_answer_confirms_nothing() {
    let world = World::new().await;
    let vault = Vault::start("p256", "ecdsa-p256", None).await;
    let place = format!("{}&version=2", vault.location());
    let more = "verify = \"remote\"\nremote-timeout = \"800ms\"\nremote-cache-ttl = \"0s\"";
    let text = policy_of(&world.registry, &place, &fingerprint("p256", Algorithm::EcdsaSha256), more);
    let gate = world.gate_with(&text).await;
    world.signed("app");
    assert_eq!(code(&world.admit(&gate, "app").await), "admitted");
    for (answer, reason) in [
        (
            error(400, "ciphertext or signature version is disallowed by policy (too old)"),
            "no-valid-signature",
        ),
        (error(400, "signing key not found"), "no-valid-signature"),
        (
            Scripted::ok("application/json", json!({ "data": { "valid": false } }).to_string()),
            "no-valid-signature",
        ),
        (
            Scripted::ok("application/json", json!({ "data": { "valid": 1 } }).to_string()),
            "key-service-unavailable",
        ),
        (error(400, "invalid request"), "key-service-unavailable"),
        (error(403, "permission denied"), "key-service-unavailable"),
        (error(503, "Vault is sealed"), "key-service-unavailable"),
    ] {
        let shown = format!("{answer:?}");
        vault.answers(move |_, _| Some(answer.clone()));
        let decided = world.admit(&gate, "app").await;
        assert_eq!(code(&decided), reason, "{shown}: {decided:?}");
    }
    vault.answers(|_, _| None);
    assert_eq!(code(&world.admit(&gate, "app").await), "admitted");
}
