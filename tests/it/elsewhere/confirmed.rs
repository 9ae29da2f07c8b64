//! Keys with remote confirmation: the service decides, and a missing answer is never a confirmation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate::gate::Kind;
use pullgate::trust::Algorithm;
use serde_json::json;

use super::{World, code};
use pullgate_test::acs;
use pullgate_test::kms::{KEY, VERSION};
use pullgate_test::registry::{Body, Scripted};
use pullgate_test::signer::{Signer, key_file, sign_bundle};

const REMOTE: &str = "verify = \"remote\"\nremote-timeout = \"20s\"\nremote-rate = 1000\n";
/// The same for a service that does not answer.
const IMPATIENT: &str = "verify = \"remote\"\nremote-timeout = \"500ms\"\nremote-rate = 1000\n";

fn answer(value: serde_json::Value) -> Scripted {
    let answer = json!({ "KeyId": KEY, "KeyVersionId": VERSION, "Value": value });
    Scripted::ok("application/json", answer.to_string())
}

fn disabled() -> Scripted {
    acs::error(409, "Rejected.Disabled")
}

#[tokio::test]
pub(crate) async fn the_key_service_decides_if_confirmation_is_required() {
    let world = World::new().await;
    world.signed("app");
    let other = json!({ "KeyId": KEY, "KeyVersionId": "other", "Value": true }).to_string();
    for (problem, reason, answer) in [
        ("", "admitted", None),
        ("does not accept the signature", "no-valid-signature", Some(answer(json!(false)))),
        ("no longer confirms signatures: the key is disabled", "no-valid-signature", Some(disabled())),
        (
            "no longer confirms signatures: KMS does not have this key",
            "no-valid-signature",
            Some(acs::error(404, "Forbidden.KeyNotFound")),
        ),
        (
            "RAM policy does not allow the request",
            "key-service-unavailable",
            Some(acs::error(403, "Forbidden.NoPermission")),
        ),
        ("failed: KMS answered 400 (Odd)", "key-service-unavailable", Some(acs::error(400, "Odd"))),
        ("busy", "key-service-unavailable", Some(acs::error(400, "Throttling.User"))),
        ("is not JSON", "key-service-unavailable", Some(Scripted::ok("application/json", "{"))),
        ("does not say whether", "key-service-unavailable", Some(Scripted::ok("application/json", "{}"))),
        ("does not say whether", "key-service-unavailable", Some(answer(json!("true")))),
        ("is for another version", "key-service-unavailable", Some(Scripted::ok("application/json", other))),
        (
            "has more than 8192 bytes",
            "key-service-unavailable",
            Some(Scripted::status(200).body(Body::Endless)),
        ),
        ("", "key-service-unavailable", Some(Scripted::status(200).body(Body::Hang))),
        ("with a redirect", "key-service-unavailable", Some(Scripted::redirect("http://127.0.0.1:1/"))),
    ] {
        let shown = format!("{answer:?}");
        let hangs = problem.is_empty() && answer.is_some();
        let patience = if hangs { IMPATIENT } else { REMOTE };
        world.answers(move || answer.clone());
        let gate = world.gate(patience).await;
        let decided = world.admit(&gate, "app").await;
        let line = decided.as_ref().err().map(|refusal| refusal.line().to_owned()).unwrap_or_default();
        assert_eq!(code(&decided), reason, "{shown}: {line}");
        assert!(line.contains(problem), "{problem}: {line}");
        if let Err(refusal) = &decided {
            assert_eq!(refusal.kind() == Kind::Unavailable, reason == "key-service-unavailable", "{shown}");
            let again = world.admit(&gate, "app").await.unwrap_err();
            assert_eq!(again.line(), line, "a refusal is the same at every attempt");
        }
        // Without confirmation the pinned key alone admits the same image.
        let local = world.gate("verify = \"local\"").await;
        world.kms.server.forget_requests();
        assert_eq!(code(&world.admit(&local, "app").await), "admitted", "{shown}");
        assert_eq!(world.confirmations(), 0);
    }
}

#[tokio::test]
async fn invalid_or_irrelevant_signatures_are_not_sent_to_the_service() {
    let world = World::new().await;
    let digest = world.registry.image("team/foreign", "1", "foreign");
    let repository = format!("{}/team/foreign", world.registry.host());
    let payload = pullgate_test::signer::payload(&repository, &digest);
    let mut forged = Signer::of("p256", Algorithm::EcdsaSha256).sign(&payload);
    forged[20] ^= 1;
    pullgate_test::signer::attach_classic(&world.registry, "team/foreign", &digest, &[(payload, forged)]);
    let gate = world.gate(REMOTE).await;
    assert_eq!(code(&world.admit(&gate, "foreign").await), "no-valid-signature");
    assert_eq!(world.confirmations(), 0, "an invalid signature is not sent");

    let second = |required: &str| {
        world.policy(REMOTE).replace("all = [\"release\"]", required)
            + &format!(
                "[authenticator.other]\nalgorithm = \"RSA_PSS_SHA_256\"\nkeys = [{{ file = \"{}\" }}]\n",
                key_file("rsa-2048", "pub").display()
            )
    };
    let (digest, _) = world.signed("app");
    let both = second("all = [\"release\", \"other\"]");
    let gate = world.gate_with(&both).await;
    assert_eq!(code(&world.admit(&gate, "app").await), "not-enough-signatures");
    assert_eq!(world.confirmations(), 0, "it would not suffice");
    sign_bundle(&world.registry, "team/app", &digest, &Signer::of("rsa-2048", Algorithm::RsaPssSha256));
    let any = second("any = [\"release\", \"other\"]");
    let gate = world.gate_with(&any).await;
    world.answers(|| Some(disabled()));
    assert_eq!(code(&world.admit(&gate, "app").await), "admitted");
    assert_eq!(world.confirmations(), 0, "the other one suffices");
    let gate = world.gate_with(&both).await;
    assert_eq!(code(&world.admit(&gate, "app").await), "not-enough-signatures");
    assert_eq!(world.confirmations(), 1);
    world.answers(|| None);
    assert_eq!(code(&world.admit(&gate, "app").await), "admitted");
}

#[tokio::test]
async fn fifty_pulls_send_one_request() {
    let world = Arc::new(World::new().await);
    world.signed("app");
    let gate = Arc::new(world.gate(REMOTE).await);
    let slow = Bytes::from(json!({ "KeyId": KEY, "KeyVersionId": VERSION, "Value": true }).to_string());
    let slow = Scripted::status(200).body(Body::Slow { bytes: slow, every: Duration::from_millis(5) });
    world.answers(move || Some(slow.clone()));
    let mut pulls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, gate) = (Arc::clone(&world), Arc::clone(&gate));
        pulls.spawn(async move { code(&world.admit(&gate, "app").await) });
    }
    assert_eq!(pulls.join_all().await, ["admitted"; 50]);
    assert_eq!(world.confirmations(), 1);
    // The same for whole pulls: one answer is cached for the others.
    assert_eq!(code(&world.admit(&gate, "app").await), "admitted");
    assert_eq!(world.confirmations(), 1);
}

#[tokio::test]
pub(crate) async fn remote_timeout_limits_the_wait_for_an_answer() {
    let world = World::new().await;
    world.signed("app");
    let slow = Bytes::from(json!({ "KeyId": KEY, "KeyVersionId": VERSION, "Value": true }).to_string());
    let slow = Scripted::status(200).body(Body::Slow { bytes: slow, every: Duration::from_millis(10) });
    world.answers(move || Some(slow.clone()));
    let gate = world.gate("verify = \"remote\"\nremote-timeout = \"300ms\"").await;
    assert_eq!(code(&world.admit(&gate, "app").await), "key-service-unavailable");
    let gate = world.gate("verify = \"remote\"\nremote-timeout = \"30s\"").await;
    assert_eq!(code(&world.admit(&gate, "app").await), "admitted");
}

#[tokio::test]
pub(crate) async fn remote_rate_limits_the_requests() {
    let world = Arc::new(World::new().await);
    let names: Vec<String> = (0..6).map(|number| format!("app{number}")).collect();
    for name in &names {
        world.signed(name);
    }
    for (rate, all) in [(1, false), (1000, true)] {
        let more = format!("verify = \"remote\"\nremote-timeout = \"30s\"\nremote-rate = {rate}");
        let more = if all { more } else { more.replace("30s", "600ms") };
        let gate = Arc::new(world.gate(&more).await);
        world.kms.server.forget_requests();
        let mut pulls = tokio::task::JoinSet::new();
        for name in names.clone() {
            let (world, gate) = (Arc::clone(&world), Arc::clone(&gate));
            pulls.spawn(async move { code(&world.admit(&gate, &name).await) });
        }
        let decided = pulls.join_all().await;
        let admitted = decided.iter().filter(|code| **code == "admitted").count();
        let refused = decided.iter().filter(|code| **code == "key-service-unavailable").count();
        assert_eq!(admitted + refused, names.len());
        assert_eq!(admitted == names.len(), all, "{decided:?}");
        assert!(all || world.confirmations() < names.len(), "requests over the rate are not sent");
    }
}

#[tokio::test]
pub(crate) async fn a_confirmation_is_cached_for_its_ttl() {
    for (memory, soon) in [("0s", "no-valid-signature"), ("60m", "admitted"), ("1s", "")] {
        let world = World::new().await;
        let (_, id) = world.signed("app");
        let gate = world.gate(&format!("{REMOTE}remote-cache-ttl = \"{memory}\"")).await;
        world.pull(&gate, "app", &id).await.unwrap();
        world.answers(|| Some(disabled()));
        if soon.is_empty() {
            tokio::time::sleep(Duration::from_millis(1100)).await;
            assert_eq!(code(&world.check_present(&gate, "app", &id).await), "no-valid-signature", "{memory}");
            assert_eq!(code(&world.admit(&gate, "app").await), "no-valid-signature", "{memory}");
        } else {
            assert_eq!(code(&world.check_present(&gate, "app", &id).await), soon, "{memory}");
            assert_eq!(code(&world.admit(&gate, "app").await), soon, "{memory}");
        }
    }
}

#[tokio::test]
async fn confirmed_evidence_needs_no_registry() {
    let world = World::new().await;
    let (_, id) = world.signed("app");
    world.pull(&world.gate(REMOTE).await, "app", &id).await.unwrap();
    world.registry.hook(|_| Some(Scripted::status(503)));
    let again = async |more: &str| world.gate(more).await;
    assert_eq!(code(&world.check_present(&again(REMOTE).await, "app", &id).await), "admitted");
    assert_eq!(world.confirmations(), 2, "a restart clears the confirmations");
    world.answers(|| Some(Scripted::status(503)));
    let gate = again(IMPATIENT).await;
    let refusal = world.check_present(&gate, "app", &id).await.unwrap_err();
    assert_eq!(refusal.reason().code(), "key-service-unavailable", "{}", refusal.line());
    world.answers(|| Some(disabled()));
    let refusal = world.check_present(&gate, "app", &id).await.unwrap_err();
    assert_eq!(refusal.reason().code(), "no-valid-signature");
    assert!(
        refusal.line().contains("no longer confirms signatures: the key is disabled"),
        "{}",
        refusal.line()
    );
    // Enabled again: a denial is not cached.
    world.answers(|| None);
    assert_eq!(code(&world.check_present(&gate, "app", &id).await), "admitted");
    world.answers(|| Some(Scripted::status(503)));
    assert_eq!(code(&world.check_present(&gate, "app", &id).await), "admitted", "the confirmation is cached");
    assert_eq!(
        code(&world.check_present(&again("").await, "app", &id).await),
        "admitted",
        "and not requested"
    );
}

#[tokio::test]
async fn requiring_confirmation_invalidates_earlier_admissions() {
    let world = World::new().await;
    let (_, id) = world.signed("app");
    let gate = world.gate("").await;
    world.pull(&gate, "app", &id).await.unwrap();
    world.answers(|| Some(disabled()));
    assert_eq!(code(&world.check_present(&gate, "app", &id).await), "admitted");
    world.set_policy(&gate, &world.policy(REMOTE));
    assert_eq!(code(&world.check_present(&gate, "app", &id).await), "no-valid-signature");
    assert_eq!(code(&world.admit(&gate, "app").await), "no-valid-signature");
}

#[tokio::test]
async fn one_confirmed_signature_per_key_suffices() {
    let world = World::new().await;
    let digest: Digest = world.registry.image("team/many", "1", "many");
    let repository = format!("{}/team/many", world.registry.host());
    let signer = Signer::of("p256", Algorithm::EcdsaSha256);
    let signatures: Vec<_> = (0..30)
        .map(|number| {
            let payload = pullgate_test::signer::payload(&repository, &digest);
            let text = String::from_utf8(payload.to_vec()).unwrap();
            let payload = Bytes::from(
                text.replace("\"optional\":null", &format!("\"optional\":{{\"n\":\"{number}\"}}")),
            );
            let signature = signer.sign(&payload);
            (payload, signature)
        })
        .collect();
    pullgate_test::signer::attach_classic(&world.registry, "team/many", &digest, &signatures);
    let gate = world.gate(REMOTE).await;
    world.answers(|| Some(answer(json!(false))));
    assert_eq!(code(&world.admit(&gate, "many").await), "no-valid-signature");
    assert!((1..=4).contains(&world.confirmations()), "{}", world.confirmations());
    // The first signature is denied, a later one is confirmed.
    let first = Arc::new(AtomicBool::new(true));
    world.answers(move || first.swap(false, Ordering::SeqCst).then(|| answer(json!(false))));
    assert_eq!(code(&world.admit(&gate, "many").await), "admitted");
}

#[tokio::test]
async fn audit_mode_reports_what_the_key_service_rejects() {
    let world = World::new().await;
    let (_, id) = world.signed("app");
    let text = world.policy(REMOTE) + "mode = \"audit\"\n";
    let gate = world.gate_with(&text).await;
    world.pull(&gate, "app", &id).await.unwrap();
    let decision = world.check_present(&gate, "app", &id).await.unwrap();
    assert_eq!(decision.audited(), [], "cached");
    let gate = world.gate_with(&text).await;
    assert_eq!(world.check_present(&gate, "app", &id).await.unwrap().audited(), [], "requested");
    world.answers(|| Some(disabled()));
    let gate = world.gate_with(&text).await;
    let audited = world.check_present(&gate, "app", &id).await.unwrap().audited().to_vec();
    assert_eq!(audited.len(), 1);
    assert_eq!(audited[0].reason().code(), "no-valid-signature", "{}", audited[0].line());
}
