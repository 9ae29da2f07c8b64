//! The test data of sigstore-verify 0.15.1 and sigstore-bundle 0.15.1, without an exception: what they accept is accepted,
//! what they refuse is refused. Origin and licence: tests/fixtures/sigstore/README.md.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::public_suites;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const LOGIN: &str = "https://github.com/login/oauth";
const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";

/// Bundle, root, issuer and subject.
const ACCEPTED: &[(&str, &str, &str, &str)] = &[
    // v0.1, Rekor v1.
    ("dsse.sigstore.json", "production", LOGIN, "brian@dehamer.com"),
    ("happy-path.json", "production", GITHUB, BEACON),
    (
        "sigstore.js@2.0.0-provenance.sigstore.json",
        "public-good",
        GITHUB,
        "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
    ),
    ("invalid-ct-key.sigstore.json", "public-good", GITHUB, BEACON),
    // v0.2, Rekor v1.
    (
        "bundle_v3_github.whl.sigstore",
        "production",
        GITHUB,
        "https://github.com/trailofbits/rfc8785.py/.github/workflows/release.yml@refs/tags/v0.1.2",
    ),
    // v0.3, Rekor v1, the last but one with a timestamp too.
    ("bundle_v3.json", "staging", LOGIN, "william@yossarian.net"),
    (
        "conda-attestation.sigstore.json",
        "production",
        GITHUB,
        "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main",
    ),
    ("cosign-v3-blob.sigstore.json", "production", LOGIN, "w.vollprecht@gmail.com"),
    ("othername.sigstore.json", "scaffolding", "http://oidc.local:8080", "foo!oidc.local"),
    // v0.3, Rekor v2, with timestamps.
    ("a.dsse.staging-rekor-v2.txt.sigstore.json", "staging", GITHUB, BEACON),
    ("conda-attestation-rekor2.sigstore.json", "staging", LOGIN, "jku@goto.fi"),
    ("staging-rekor-v2.txt.sigstore.json", "staging", LOGIN, "jku@goto.fi"),
    ("timestamp-valid.sigstore.json", "timestamp-valid", GITHUB, BEACON),
    (
        "sct-multi-intermediate.sigstore.json",
        "sct-multi-intermediate",
        GITHUB,
        "https://github.com/sigstore/root-signing-staging/.github/workflows/custom-test.yml@refs/heads/main",
    ),
];

/// Bundle, root, and why it is refused.
const REJECTED: &[(&str, &str, &str)] = &[
    (
        "bundle_cve_2022_36056.txt.sigstore",
        "staging",
        "transparency log entry belongs to another signature, certificate or image",
    ),
    (
        "bundle_invalid_version.txt.sigstore",
        "production",
        "bundle has type \"this is completely wrong\", which is not a signature of an image",
    ),
    ("bundle_no_cert_v1.txt.sigstore", "production", "bundle must have 1 to 10 certificates, but has 0"),
    (
        "bundle_no_checkpoint.txt.sigstore",
        "production",
        "signature has no transparency log entry with a checkpoint",
    ),
    (
        "bundle_no_log_entry.txt.sigstore",
        "production",
        "signature has no transparency log entry with a promise or proof",
    ),
    (
        "bundle_v3_no_signed_time.txt.sigstore.json",
        "staging",
        "signing time is not known: the signature has neither a timestamp nor a signed log entry with a time",
    ),
    ("dsse-2sigs.sigstore.json", "production", "DSSE envelope must have exactly one signature, but has 2"),
    (
        "managed-key.sigstore.json",
        "production",
        "signature was made with a key without a certificate, but the authenticator accepts only signatures with certificates",
    ),
    // Their certificates are of GitHub's releases, without an issuer: valid, and by nobody whom a policy can name.
    ("bundle_v3_jdx_communique.json", "github", "certificate does not name an OpenID issuer"),
    ("github-private-attestation.sigstore.json", "github", "certificate does not name an OpenID issuer"),
];

/// Verifies a bundle as an attachment is, but whatever it signs.
fn outcome(bundle: &str, set: &KeylessSet, flip: bool) -> String {
    let document = fixture(&format!("bundles/{bundle}"));
    let by = ByCertificate { set, now: now() };
    let content = bounds::check(&document, set.logs(), Material::Certificate, MAX_BUNDLE_BYTES);
    let digest = match content {
        Ok(content) => dsse::read(content.envelope)
            .and_then(|(payload, _)| artifact_of(&statement::first_digest(&payload)?)),
        Err(SignatureError::Unsupported { .. }) => Ok(message_digest(&document)),
        Err(error) => Err(error),
    };
    let checked = digest.and_then(|digest| {
        let mut bytes = digest.as_bytes().to_vec();
        bytes[0] ^= u8::from(flip);
        let artifact = Artifact::Digest(ArtifactDigest::new(digest.algorithm(), bytes).unwrap());
        Ok(by.check(std::str::from_utf8(&document).unwrap(), &artifact)?.0)
    });
    checked.map_or_else(|error| error.to_string(), |signed| format!("by {}", signed.identity))
}

/// The digest of a signed message, which is not an image.
pub(super) fn message_digest(document: &[u8]) -> ArtifactDigest {
    let bundle: serde_json::Value = serde_json::from_slice(document).unwrap();
    let digest = bundle["messageSignature"]["messageDigest"]["digest"].as_str().unwrap();
    ArtifactDigest::new(HashAlgorithm::Sha2256, STANDARD.decode(digest).unwrap()).unwrap()
}

fn logs(root: &str) -> LogUse {
    if root == "github" { LogUse::None } else { LogUse::Required }
}

fn set(root_name: &str, issuer: &str, subject: &str) -> KeylessSet {
    KeylessSet::new(vec![root(root_name)], rule(issuer, Some(subject), &[]), logs(root_name)).unwrap()
}

#[test]
fn the_suite_of_sigstore_verify_passes() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sigstore/bundles");
    let files =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> =
        files.filter(|name| name.contains(".json") || name.ends_with(".sigstore")).collect();
    let cases = ACCEPTED.iter().map(|case| case.0).chain(REJECTED.iter().map(|case| case.0));
    assert_eq!(files, cases.map(str::to_owned).collect(), "no file is left out");
    for &(bundle, root_name, issuer, subject) in ACCEPTED {
        let accepted = format!("by {subject} by {issuer}");
        assert_eq!(outcome(bundle, &set(root_name, issuer, subject), false), accepted, "{bundle}");
    }
    for &(bundle, root_name, why) in REJECTED {
        assert_eq!(outcome(bundle, &set(root_name, GITHUB, BEACON), false), why, "{bundle}");
    }
    public_suites::report("sigstore-verify and sigstore-bundle: bundles", ACCEPTED.len(), REJECTED.len());
}

#[test]
fn the_trusted_roots_of_the_libraries_are_read() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sigstore/roots");
    let (mut accepted, mut refused) = (0, Vec::new());
    for file in std::fs::read_dir(directory).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        match TrustedRoot::parse(name.clone(), &text(&format!("roots/{name}"))) {
            Ok(_) => accepted += 1,
            Err(error) => refused.push(format!("{name}: {error}")),
        }
    }
    // It has timestamp authorities alone: nobody's certificate would count.
    assert_eq!(refused, ["github-timestamps.json: it has no certificate authority"]);
    public_suites::report("sigstore-verify and sigstore-trust-root: trusted roots", accepted, refused.len());
}

#[test]
fn t81_a_valid_bundle_by_somebody_else_is_refused() {
    for &(bundle, root_name, issuer, subject) in ACCEPTED {
        for (other_issuer, other_subject, part) in [
            ("https://issuer.example", subject, "issuer"),
            (&format!("{issuer}.evil.example"), subject, "issuer"),
            (&issuer[..issuer.len() - 1], subject, "issuer"),
            (issuer, "nobody@issuer.example", "subject"),
            (issuer, &format!("{subject}x"), "subject"),
            (issuer, &subject[1..], "subject"),
        ] {
            let refused = outcome(bundle, &set(root_name, other_issuer, other_subject), false);
            let expected = format!(
                "signature is valid, but made by an identity that the authenticator does not accept: its {part} is "
            );
            assert!(refused.starts_with(&expected), "{bundle} {other_issuer} {other_subject}: {refused}");
        }
    }
}

#[test]
fn a_valid_bundle_about_another_digest_is_refused() {
    for &(bundle, root_name, issuer, subject) in ACCEPTED {
        let refused = outcome(bundle, &set(root_name, issuer, subject), true);
        assert_eq!(
            refused, "transparency log entry belongs to another signature, certificate or image",
            "{bundle}"
        );
    }
}

/// Which root a bundle needs: with another it is refused, and with both it is accepted in either order.
#[test]
fn a_bundle_of_another_instance_is_refused() {
    let same = |one: &str, other: &str| {
        let instances =
            [&["production", "public-good"][..], &["staging", "sct-multi-intermediate", "timestamp-valid"]];
        instances.iter().any(|roots| roots.contains(&one) && roots.contains(&other))
    };
    for &(bundle, root_name, issuer, subject) in ACCEPTED {
        for other in ["production", "staging", "scaffolding", "github"] {
            if same(root_name, other) || root_name == other {
                continue;
            }
            let refused = outcome(bundle, &set(other, issuer, subject), false);
            let expected = [
                "timestamp was not issued by a timestamp authority of the trusted root, or is not for this signature",
                "log entry is not signed by a transparency log of the trusted root",
            ];
            assert!(expected.contains(&refused.as_str()), "{bundle} {other}: {refused}");
            if other != "github" {
                for roots in [[root_name, other], [other, root_name]] {
                    let roots = roots.map(root).to_vec();
                    let both =
                        KeylessSet::new(roots, rule(issuer, Some(subject), &[]), LogUse::Required).unwrap();
                    assert_eq!(
                        outcome(bundle, &both, false),
                        format!("by {subject} by {issuer}"),
                        "{bundle} {other}"
                    );
                }
            }
        }
    }
}

#[test]
fn t89_an_unknown_certificate_transparency_log_is_refused() {
    let refused = outcome("invalid-ct-key.sigstore.json", &set("invalid-ct-key", GITHUB, BEACON), false);
    assert_eq!(refused, "signer's certificate is not in a certificate transparency log of the trusted root");
}

#[test]
fn t86_a_signature_of_the_future_is_refused() {
    for &(bundle, root_name, issuer, subject) in ACCEPTED {
        let set = set(root_name, issuer, subject);
        let document = text(&format!("bundles/{bundle}"));
        let content =
            bounds::check(document.as_bytes(), LogUse::Required, Material::Certificate, MAX_BUNDLE_BYTES);
        let digest = match content {
            Ok(content) => {
                let (payload, _) = dsse::read(content.envelope).unwrap();
                artifact_of(&statement::first_digest(&payload).unwrap()).unwrap()
            }
            Err(_) => message_digest(document.as_bytes()),
        };
        let by = ByCertificate { set: &set, now: "2020-01-01T00:00:00Z".parse().unwrap() };
        let refused = by.check(&document, &Artifact::Digest(digest)).unwrap_err();
        assert!(matches!(refused, KeylessError::Future { .. }), "{bundle}: {refused}");
    }
}
