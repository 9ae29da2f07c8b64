//! The program itself: what `serve` does while keys are missing, and what its commands report.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use nix::sys::signal::Signal;
use pullgate::trust::Algorithm;

use super::{World, fingerprint, policy_of};
use crate::serving::{Serving, command};
use pullgate_test::kms::Kms;
use pullgate_test::programs;
use pullgate_test::registry::{Body, Scripted};

fn run(root: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let program = if arguments[0] == "keys" { programs::signer() } else { programs::pullgate() };
    let Output { status, stdout, stderr } = command(program, root).args(arguments).output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap()))
}

/// A configuration whose daemon retries KMS every second.
fn configure(world: &World, policy: &str) -> PathBuf {
    let root = world.write_policy(policy);
    let text = format!(
        "[listen]\nsocket = {:?}\n[control]\nsocket = {:?}\n[runtime]\nsocket = {:?}\n[ledger]\ndirectory = {:?}\n\
         [keys]\ndirectory = {:?}\nfetch-timeout = \"2s\"\nfetch-retry-interval = \"1s\"\n\
         [keys.kms]\naccess-key-id = \"LTAI\"\naccess-key-secret-file = {:?}\n",
        root.join("pullgate.sock"),
        root.join("control.sock"),
        root.join("runtime.sock"),
        root.join("ledger"),
        world.cache().directory(),
        world.secret("secret", "pg5ECRET-key"),
    );
    std::fs::write(root.join("pullgate.toml"), text).unwrap();
    root
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn serves_without_a_policy_until_its_keys_are_fetched_then_starts_offline() {
    let world = World::new().await;
    world.kms.answers(|_, _| Some(Scripted::status(503)));
    let root = configure(&world, &world.policy(""));
    let serving = Serving::start(&root);
    serving.wait_for("serving").await;
    serving.wait_for("cannot be fetched: alikms://").await;
    serving.wait_for("no usable policy: every pull is refused").await;
    assert!(!serving.log().contains("policy in force"), "{}", serving.log());
    world.kms.answers(|_, _| None);
    serving.wait_for("policy in force").await;
    drop(serving);
    // KMS is gone.
    world.kms.answers(|_, _| Some(Scripted::status(503)));
    world.kms.server.forget_requests();
    let serving = Serving::start(&root);
    serving.wait_for("policy in force").await;
    assert!(world.kms.server.requests().is_empty());
    assert!(!serving.log().contains("pg5ECRET-key"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_the_policy_while_a_key_is_missing() {
    let world = World::new().await;
    let root = configure(&world, &world.policy(""));
    let serving = Serving::start(&root);
    serving.wait_for("policy in force").await;
    let rsa = Kms::start("rsa-2048").await;
    rsa.answers(|_, _| Some(Scripted::status(503)));
    let pinned = fingerprint("rsa-2048", Algorithm::RsaPssSha256);
    let next = policy_of(&world.registry, &rsa.location(), &pinned, "");
    world.write_policy(&next.replace("ECDSA_SHA_256", "RSA_PSS_SHA_256"));
    serving.signal(Signal::SIGHUP);
    serving.wait_for("the new policy is invalid: the previous policy stays in force").await;
    assert!(!serving.log().contains("generation=2"), "{}", serving.log());
    rsa.answers(|_, _| None);
    serving.wait_for("generation=2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn commands_report_missing_keys_and_fetch_them() {
    let world = World::new().await;
    let root = configure(&world, &world.policy("verify = \"remote\""));
    let place = world.kms.location();
    for arguments in [&["policy", "check"][..], &["keys", "list"], &["verify", "nginx"]] {
        let (code, output) = run(&root, arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {output}");
        assert!(
            output.contains("has not been fetched into ") && output.contains("pullgate-signer keys fetch"),
            "{arguments:?}: {output}"
        );
    }
    assert!(run(&root, &["keys", "list"]).1.contains(&format!("ECDSA_SHA_256 missing, {place}")));
    assert!(world.kms.server.requests().is_empty(), "no request is sent");
    world.kms.answers(|_, _| Some(pullgate_test::acs::error(403, "Forbidden.NoPermission")));
    let (code, output) = run(&root, &["keys", "fetch"]);
    assert_eq!(code, Some(3), "{output}");
    assert!(output.contains("RAM policy"), "{output}");
    world.kms.answers(|_, _| None);
    let (code, output) = run(&root, &["keys", "fetch"]);
    assert_eq!(
        (code, output.trim_end()),
        (Some(0), format!("fetched: {place} {}", fingerprint("p256", Algorithm::EcdsaSha256)).as_str())
    );
    let (code, output) = run(&root, &["keys", "list"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.contains(&format!("valid, {place}, confirmed by its service, cached for 3600 s, stored")),
        "{output}"
    );
    assert_eq!(run(&root, &["policy", "check"]).0, Some(0));
    assert!(run(&root, &["keys", "fetch"]).1.contains("nothing to fetch: 1 key stored already"));
    assert!(run(&root, &["keys", "fetch", "--all"]).1.contains("fetched: "));
    // Another key at the same version: the stored key stays, and the difference is reported.
    let zeros = format!("sha256:{}", "0".repeat(64));
    let pinned = fingerprint("p256", Algorithm::EcdsaSha256);
    world.write_policy(&world.policy("").replace(&pinned, &zeros));
    let (code, output) = run(&root, &["keys", "fetch"]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains(&format!("has fingerprint {pinned}, but the policy pins {zeros}")), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_fetch_fails_after_its_timeout() {
    let world = World::new().await;
    let root = configure(&world, &world.policy(""));
    let key = serde_json::json!({ "PublicKey": super::public("p256") }).to_string();
    let slow = Body::Slow { bytes: key.into(), every: Duration::from_millis(5) };
    world.kms.answers(move |_, _| Some(Scripted::status(200).body(slow.clone())));
    let text = std::fs::read_to_string(root.join("pullgate.toml")).unwrap();
    for (time, code) in [("300ms", 3), ("60s", 0)] {
        let text = text.replace("\"2s\"", &format!("\"{time}\""));
        std::fs::write(root.join("pullgate.toml"), text).unwrap();
        let (found, output) = run(&root, &["keys", "fetch"]);
        assert_eq!(found, Some(code), "{time}: {output}");
    }
}
