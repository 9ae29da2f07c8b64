//! Provenance that real signers made, with certificate and log entry: tests/fixtures/sigstore. It is about packages, whose
//! digests take the place of the image's.

use super::*;
use crate::trust::{KeylessSet, LogUse, SignerRule, TrustedRoot};

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const RELEASE: &str = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main";

fn fixture_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../tests/fixtures/sigstore/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn signer(root: &str, issuer: &str, subject: &str) -> Authenticator {
    let text = String::from_utf8(fixture_of(&format!("roots/{root}.json"))).unwrap();
    let root = TrustedRoot::parse(format!("{root}.json"), &text).unwrap();
    let subject = Some(Pattern::parse(subject).unwrap());
    let rule = SignerRule::new(issuer.to_owned(), subject, Vec::new()).unwrap();
    let set = KeylessSet::new(vec![root], rule, LogUse::Required).unwrap();
    Authenticator::of("release".to_owned(), Signers::Keyless(set))
}

fn bundle(name: &str) -> Attachment {
    Attachment::Bundle { place: name.to_owned(), document: fixture_of(&format!("bundles/{name}")).into() }
}

/// The digest that a bundle is about.
fn subject(name: &str) -> Digest {
    let bundle: Value = serde_json::from_slice(&fixture_of(&format!("bundles/{name}"))).unwrap();
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let (algorithm, hex) = statement["subject"][0]["digest"].as_object().unwrap().iter().next().unwrap();
    Digest::parse(&format!("{algorithm}:{}", hex.as_str().unwrap())).unwrap()
}

fn provenance(builder: &str, repository: &str, reference: &str) -> TermsKind {
    TermsKind::Provenance(Provenance {
        builders: set([builder]),
        source_repository: Some(Pattern::parse(repository).unwrap()),
        source_ref: Some(Pattern::parse(reference).unwrap()),
        build_types: set([]),
    })
}

#[test]
fn provenance_by_real_builders_is_read() {
    let js = "sigstore.js@2.0.0-provenance.sigstore.json";
    let (hosted, main) = ("https://github.com/actions/runner/github-hosted", "refs/heads/main");
    let of_js = |builder, repository, reference| terms(provenance(builder, repository, reference));
    let source = "https://github.com/sigstore/sigstore-js";
    let npm = terms(provenance(
        "https://github.com/npm/slsa-provenance@0.0.1",
        "https://github.com/github/slsa-provenance",
        "refs/heads/demo",
    ));
    let by_js = signer("public-good", GITHUB, RELEASE);
    for (name, by, terms, expected) in [
        (js, &by_js, of_js(hosted, source, main), "met"),
        (js, &by_js, of_js(hosted, source, "refs/tags/*"), "the ref in externalParameters.workflow is"),
        (js, &by_js, of_js(hosted, "https://github.com/sigstore/other", main), "the repository in"),
        (js, &by_js, of_js("https://github.com/actions/runner", source, main), "runDetails.builder.id is"),
        (
            js,
            &signer("public-good", GITHUB, "https://github.com/sigstore/other/**"),
            of_js(hosted, source, main),
            "signature is valid, but made by an identity",
        ),
        (js, &signer("staging", GITHUB, RELEASE), of_js(hosted, source, main), ""),
        (
            "dsse.sigstore.json",
            &signer("production", "https://github.com/login/oauth", "brian@dehamer.com"),
            npm,
            "met",
        ),
        (
            "a.dsse.staging-rekor-v2.txt.sigstore.json",
            &signer("staging", GITHUB, "https://github.com/sigstore-conformance/**"),
            terms(TermsKind::Provenance(Provenance {
                builders: set(["https://github.com/sigstore-conformance/rekor2-dsse-hashedrekord-regen"]),
                ..Provenance::default()
            })),
            "met",
        ),
    ] {
        let attachments = [bundle(name)];
        let outcome = judge(&terms, &attachments, by, &subject(name));
        assert!(
            outcome.starts_with(expected) && (outcome == "met") == (expected == "met"),
            "{name}: {outcome}"
        );
        if expected == "met" {
            let other = judge(&terms, &attachments, by, &Digest::of(b"another"));
            assert!(other.starts_with("signature is for another digest"), "{name}: {other}");
            let key = judge(&terms, &attachments, &Party::release().authenticator, &subject(name));
            assert!(key.starts_with("attestation has a certificate"), "{name}: {key}");
        }
    }
}

/// The time of the log, which the signer did not state.
#[test]
fn the_age_is_that_of_the_log_entry() {
    let name = "sigstore.js@2.0.0-provenance.sigstore.json";
    let kind = || {
        provenance(
            "https://github.com/actions/runner/github-hosted",
            "https://github.com/sigstore/sigstore-js",
            "**",
        )
    };
    let by = signer("public-good", GITHUB, RELEASE);
    let aged = |days| judge(&at_most(kind(), days), &[bundle(name)], &by, &subject(name));
    assert!(aged(365).starts_with("attestation was made at 2023-08-18T"), "{}", aged(365));
    assert_eq!(aged(10 * 365), "met");
}

/// By a key where a certificate is expected.
#[test]
fn a_key_is_no_certificate() {
    let statement = attestation(REVIEW, &json!({})).to_string();
    let by = signer("public-good", GITHUB, RELEASE);
    for attachment in attached(&Party::release(), &statement) {
        let outcome = judge(&terms(custom()), &[attachment], &by, &Digest::parse(DIGEST).unwrap());
        assert_eq!(
            outcome,
            "signature was made with a key without a certificate, but the authenticator accepts only signatures with certificates"
        );
    }
}
