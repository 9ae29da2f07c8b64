//! Attestations as evidence: conditions are judged again without the registry.

use pullgate_test::policy::SECURITY;
use pullgate_test::registry::Registry;
use pullgate_test::signer::{attest, statement};
use serde_json::json;

use super::*;

const REVIEW: &str = "https://example.com/review/v1";

fn condition(more: &str) -> String {
    format!(
        "[attestation.reviewed]\ntype = \"custom\"\nby = \"security\"\npredicate-type = \"{REVIEW}\"\n{more}\n"
    )
}

/// Requires a signature and a review that meets this condition.
fn set(world: &World, gate: &Gate, more: &str) {
    let required = "all = [\"release\"], attestations = [\"reviewed\"]";
    world.set_policy(gate, &[RELEASE, SECURITY], required, &condition(more));
}

fn reviewed(world: &World, approved: bool, pad: usize) -> (Digest, Digest) {
    let (digest, id) = world.signed("team/app", "app");
    let now = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let predicate = json!({ "approved": approved, "at": now.to_string(), "pad": "x".repeat(pad) });
    let security = Signer::of("p384", Algorithm::EcdsaSha384);
    attest(&world.registry, "team/app", &digest, &[statement(&digest, REVIEW, &predicate)], &security);
    (digest, id)
}

#[tokio::test]
async fn a_condition_is_judged_again_offline() {
    let mut world = World::new().await;
    let (_, id) = reviewed(&world, true, 0);
    let approved = "fields = { \"/approved\" = true }";
    let gate = world.gate();
    set(&world, &gate, approved);
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    // After a restart, and without the registry.
    let image = world.image("team/app:1");
    let gate = world.gate();
    world.node.registry = Registry::start().await;
    let host = image.split('/').next().unwrap().to_owned();
    let set = |more: &str| {
        let required = "all = [\"release\"], attestations = [\"reviewed\"]";
        let text = format!(
            "default = \"deny\"\n{RELEASE}{SECURITY}{}[[namespace]]\nscope = \"{host}/team\"\nrequire = {{ {required} }}\n",
            condition(more)
        );
        gate.set_policy(policy::load(world.directory.path(), &text));
    };
    for (more, expected) in [
        (approved, "verified"),
        ("", "verified"),
        ("fields = { \"/approved\" = false }", "attestation-not-met"),
        ("max-age = \"1d\"\ntime = \"/at\"", "verified"),
        ("max-age = \"30m\"\ntime = \"/at\"", "attestation-stale"),
        ("max-age = \"1d\"", "attestation-stale"),
        ("fields = { \"/approved\" = true, \"/by\" = \"alice\" }", "attestation-not-met"),
        (approved, "verified"),
    ] {
        set(more);
        let decided = world.check_present(&gate, &image, &id).await;
        assert_eq!(reason(&decided), expected, "{more}");
        // Asked again, which a cached verdict may answer.
        assert_eq!(reason(&world.check_present(&gate, &image, &id).await), expected, "{more}");
    }
}

/// Without attestations in the ledger, the image has to be pulled again.
#[tokio::test]
async fn evidence_of_a_rule_without_conditions_does_not_meet_one() {
    let world = World::new().await;
    let (_, id) = reviewed(&world, true, 0);
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    set(&world, &gate, "");
    let image = world.image("team/app:1");
    let decided = world.check_present(&gate, &image, &id).await;
    assert_eq!(reason(&decided), "no-attestation");
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    assert_eq!(reason(&world.check_present(&gate, &image, &id).await), "verified");
}

/// A document of megabytes is kept, too, and judged within the memory for documents.
#[tokio::test]
async fn large_attestations_are_kept() {
    let world = World::new().await;
    let (digest, id) = reviewed(&world, true, 2 << 20);
    let gate = world.gate();
    set(&world, &gate, "fields = { \"/approved\" = true }");
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let gate = world.gate();
    set(&world, &gate, "fields = { \"/approved\" = true }");
    world.registry.forget_requests();
    assert_eq!(reason(&world.check_present(&gate, &world.image("team/app:1"), &id).await), "verified");
    world.admit(&gate, &format!("team/app@{digest}")).await.unwrap();
    assert_eq!(world.registry.lines(), [""; 0], "no request was sent");
}

/// Older attestations are dropped if they are large. The newest one still counts, but only for the condition that it met.
#[tokio::test]
async fn the_newest_attestation_is_enough_for_the_same_policy() {
    let world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    let made = |days: i64, pad: usize| {
        let time = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        let predicate = json!({ "approved": true, "at": time.to_string(), "pad": "x".repeat(pad) });
        statement(&digest, REVIEW, &predicate)
    };
    let security = Signer::of("p384", Algorithm::EcdsaSha384);
    attest(&world.registry, "team/app", &digest, &[made(9, 70 << 10), made(1, 0)], &security);
    let image = world.image("team/app:1");
    let limited = |days: u32| format!("max-age = \"{days}d\"\ntime = \"/at\"");
    let gate = world.gate();
    set(&world, &gate, &limited(7));
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    for (days, expected) in [(7, "verified"), (8, "not-verified"), (7, "verified")] {
        let gate = world.gate();
        set(&world, &gate, &limited(days));
        let decided = world.check_present(&gate, &image, &id).await;
        assert_eq!(reason(&decided), expected, "{days}");
    }
}
