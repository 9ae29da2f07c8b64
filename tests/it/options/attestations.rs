//! Each key of `[attestation.NAME]`.

use pullgate_test::policy::SECURITY;
use pullgate_test::signer::{attest, statement};
use serde_json::Value;

use super::*;

const KINDS: [(&str, &str); 6] = [
    ("slsa-v0.2", "https://slsa.dev/provenance/v0.2"),
    ("grype", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("vsa", "https://slsa.dev/verification_summary/v1"),
    ("custom", "https://example.com/review/v1"),
];

/// What is attested in the fixtures, but now.
fn predicate(name: &str) -> Value {
    let path = pullgate_test::repository().join(format!("tests/fixtures/cosign/predicates/{name}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    serde_json::from_str(&text.replace("2026-11-01T10:00:00Z", &hour_ago.to_string())).unwrap()
}

/// The keys of a condition, and their defaults. Each image has a signature by `release`, and one attestation by the same key.
#[tokio::test]
pub(crate) async fn conditions_and_their_defaults() {
    let world = World::start().await;
    for (name, kind) in KINDS {
        let path = format!("team/{name}");
        let digest = world.registry.image(&path, "1", name);
        sign_classic(&world.registry, &path, &digest, &p256());
        attest(&world.registry, &path, &digest, &[statement(&digest, kind, &predicate(name))], &p256());
    }
    let (met, not_met) = ("verified", "attestation-not-met");
    let slsa = "type = \"slsa-provenance\"\nby = \"release\"\n";
    let builder = "builder = \"https://builder.example/v1\"\n";
    let provenance = |more: &str| format!("{slsa}{builder}{more}");
    let scan = |more: &str| format!("type = \"vulnerabilities\"\nby = \"release\"\n{more}");
    let vsa = |verifier: &str, resource: &str, more: &str| {
        format!(
            "type = \"vsa\"\nby = \"release\"\nverifier = \"https://verifier.example/{verifier}\"\nresource = \"{resource}\"\n{more}"
        )
    };
    let team = "oci://registry.example/team/*";
    let custom = |version: &str, more: &str| {
        format!(
            "type = \"custom\"\nby = \"release\"\npredicate-type = \"https://example.com/review/{version}\"\n{more}"
        )
    };
    let sbom = |by: &str, more: &str| format!("type = \"sbom\"\nby = {by}\n{more}");
    for (condition, image, expected) in [
        (provenance(""), "slsa-v0.2", met),
        (format!("{slsa}builder = \"https://builder.example/v2\""), "slsa-v0.2", not_met),
        (
            format!("{slsa}builder = [\"https://builder.example/v2\", \"https://builder.example/v1\"]"),
            "slsa-v0.2",
            met,
        ),
        (provenance("source-repository = \"https://git.example/acme/*\""), "slsa-v0.2", met),
        (provenance("source-repository = \"https://git.example/evil/*\""), "slsa-v0.2", not_met),
        (provenance("source-ref = \"refs/heads/main\""), "slsa-v0.2", met),
        (provenance("source-ref = \"refs/tags/*\""), "slsa-v0.2", not_met),
        (provenance("build-type = \"https://builder.example/container@v1\""), "slsa-v0.2", met),
        (provenance("build-type = \"https://builder.example/package@v1\""), "slsa-v0.2", not_met),
        (scan("max-age = \"1d\"\nmax-severity = \"medium\""), "grype", met),
        (scan("max-age = \"30m\"\nmax-severity = \"medium\""), "grype", "attestation-stale"),
        (scan("max-age = \"1d\"\nmax-severity = \"low\""), "grype", not_met),
        (scan("max-age = \"1d\"\nmax-severity = \"low\"\nexcept = [\"GHSA-aaaa-bbbb-cccc\"]"), "grype", met),
        (scan("max-age = \"1d\"\nmax-severity = \"medium\""), "spdx", "no-attestation"),
        (sbom("\"release\"", ""), "spdx", met),
        (sbom("\"release\"", ""), "cyclonedx", met),
        (sbom("\"release\"", "formats = [\"cyclonedx\"]"), "spdx", "no-attestation"),
        (sbom("\"release\"", "formats = [\"cyclonedx\"]"), "cyclonedx", met),
        (sbom("\"security\"", ""), "spdx", "no-valid-attestation"),
        (sbom("{ any = [\"release\", \"security\"] }", ""), "spdx", met),
        (sbom("{ all = [\"release\", \"security\"] }", ""), "spdx", "no-valid-attestation"),
        (vsa("v1", team, ""), "vsa", met),
        (vsa("v2", team, ""), "vsa", not_met),
        (vsa("v1", "oci://registry.example/other/*", ""), "vsa", not_met),
        (vsa("v1", team, "levels = [\"SLSA_BUILD_LEVEL_2\"]"), "vsa", met),
        (vsa("v1", team, "levels = [\"SLSA_BUILD_LEVEL_4\"]"), "vsa", not_met),
        (custom("v1", ""), "custom", met),
        (custom("v2", ""), "custom", "no-attestation"),
        (custom("v1", "fields = { \"/review/team\" = \"payments\" }"), "custom", met),
        (custom("v1", "fields = { \"/review/team\" = \"shop\" }"), "custom", not_met),
        (custom("v1", "max-age = \"1d\""), "custom", "attestation-stale"),
        (custom("v1", "max-age = \"1d\"\ntime = \"/review/at\""), "custom", met),
        (custom("v1", "max-age = \"1d\"\ntime = \"/review/by\""), "custom", "attestation-stale"),
    ] {
        for require in ["all = [\"release\"], attestations = [\"c\"]", "attestations = [\"c\"]"] {
            let policy = format!(
                "default = \"deny\"\n{RELEASE}{SECURITY}[attestation.c]\n{condition}\n\
                 [[namespace]]\nscope = \"**\"\nrequire = {{ {require} }}\n"
            );
            let gate = world.gate_of("", &policy);
            assert_eq!(world.verdict(&gate, &format!("team/{image}:1")).await, expected, "{policy}");
        }
    }
}

/// One value refuses the image, another admits it.
#[tokio::test]
pub(crate) async fn the_size_of_attestations_is_limited() {
    let world = World::start().await;
    let digest = world.signed();
    let predicate = json!({ "approved": true, "pad": "x".repeat(20 << 10) });
    let text = statement(&digest, "https://example.com/review/v1", &predicate);
    attest(&world.registry, "team/app", &digest, &[text], &p256());
    let policy = format!(
        "default = \"deny\"\n{RELEASE}[attestation.reviewed]\ntype = \"custom\"\nby = \"release\"\n\
         predicate-type = \"https://example.com/review/v1\"\n\
         [[namespace]]\nscope = \"**\"\nrequire = {{ all = [\"release\"], attestations = [\"reviewed\"] }}\n"
    );
    for (value, expected) in [("16KiB", "attestation-too-large"), ("64KiB", "verified")] {
        let gate = world.gate_of(&format!("[limits]\nattestation-max-size = \"{value}\""), &policy);
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "{value}");
    }
}
