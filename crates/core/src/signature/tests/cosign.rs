//! Signatures by the real cosign, as stored in a registry; `tests/fixtures/cosign/README.md` describes how they were
//! made.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::trust::{KeyError, PublicKey};

const NAME: &str = "127.0.0.1:5000/fixtures/app";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/cosign")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn key(path: &Path, algorithm: Algorithm) -> Result<PublicKey, KeyError> {
    PublicKey::from_pem(&String::from_utf8(read(path)).unwrap(), algorithm, PssSalt::default())
}

fn authenticator(path: &Path, algorithm: Algorithm) -> Authenticator {
    let public = key(path, algorithm).unwrap();
    let key =
        Key { public, not_before: None, not_after: None, origin: path.display().to_string(), remote: None };
    Authenticator::new("cosign".into(), vec![key]).unwrap()
}

/// Every layer of the signature manifest of a case.
fn attachments(case: &Path) -> Vec<Attachment> {
    let manifest: Value = serde_json::from_slice(&read(&case.join("signature-manifest.json"))).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter().enumerate();
    layers
        .map(|(number, layer)| {
            let place = format!("layer {number}");
            let blob = Bytes::from(read(&case.join(format!("blob-{number}"))));
            match layer["annotations"]["dev.cosignproject.cosign/signature"].as_str() {
                Some(signature) => Attachment::SimpleSigning {
                    place,
                    payload: blob,
                    signature: signature.to_owned(),
                    certificate: None,
                },
                None => Attachment::Bundle { place, document: blob },
            }
        })
        .collect()
}

fn check(attachment: &Attachment, by: &Authenticator, digest: &Digest, name: &str) -> String {
    outcome(&verified(attachment, by, (digest, name), Timestamp::UNIX_EPOCH))
}

/// Verifies that it names this digest and this repository.
pub(super) fn verified(
    attachment: &Attachment,
    by: &Authenticator,
    (digest, name): (&Digest, &str),
    now: Timestamp,
) -> Result<Proof, SignatureError> {
    let repositories = [name.to_owned()];
    let subject = Subject {
        digest,
        repositories: &repositories,
        content: ("", 0),
        annotations: &BTreeMap::new(),
        identity: RepositoryIdentity::default(),
    };
    verify(attachment, by, &subject, now)
}

fn image(case: &Path) -> Digest {
    Digest::of(&read(&case.join("image-manifest.json")))
}

#[test]
fn cosign_signs_what_is_verified_here() {
    for (case, algorithm, format) in [
        ("classic-p256", Algorithm::EcdsaSha256, Format::SimpleSigning),
        ("classic-annotated-p256", Algorithm::EcdsaSha256, Format::SimpleSigning),
        ("classic-p384", Algorithm::EcdsaSha384, Format::SimpleSigning),
        ("classic-p521", Algorithm::EcdsaSha512, Format::SimpleSigning),
        ("classic-rsa2048", Algorithm::RsaPkcs1Sha256, Format::SimpleSigning),
        ("classic-rsa3072", Algorithm::RsaPkcs1Sha256, Format::SimpleSigning),
        ("classic-rsa4096", Algorithm::RsaPkcs1Sha256, Format::SimpleSigning),
        ("classic-ed25519", Algorithm::Ed25519ph, Format::SimpleSigning),
        ("bundle-p256", Algorithm::EcdsaSha256, Format::Bundle),
        ("bundle-p384", Algorithm::EcdsaSha384, Format::Bundle),
        ("bundle-p521", Algorithm::EcdsaSha512, Format::Bundle),
        ("bundle-rsa2048", Algorithm::RsaPkcs1Sha256, Format::Bundle),
        ("bundle-rsa3072", Algorithm::RsaPkcs1Sha256, Format::Bundle),
        ("bundle-rsa4096", Algorithm::RsaPkcs1Sha256, Format::Bundle),
        ("bundle-ed25519", Algorithm::Ed25519ph, Format::Bundle),
    ] {
        let directory = directory().join(case);
        let pem = directory.join("public-key.pem");
        let attachments = attachments(&directory);
        let [attachment] = attachments.as_slice() else { panic!("{case}: {}", attachments.len()) };
        assert_eq!(attachment.format(), format, "{case}");

        let other = Digest::of(b"another image");
        let elsewhere = match format {
            Format::SimpleSigning => "OtherRepository",
            // A bundle has no repository.
            Format::Bundle | Format::Notation | Format::Attestation | Format::Gpg | Format::Grafeas => "ok",
        };
        let by = authenticator(&pem, algorithm);
        assert_eq!(check(attachment, &by, &image(&directory), NAME), "ok", "{case}");
        assert_eq!(check(attachment, &by, &other, NAME), "OtherDigest", "{case}");
        assert_eq!(
            check(attachment, &by, &image(&directory), "127.0.0.1:5000/fixtures/b"),
            elsewhere,
            "{case}"
        );

        // The same key with every other algorithm that fits it: only the pinned one verifies.
        for wrong in Algorithm::ALL.into_iter().filter(|wrong| *wrong != algorithm) {
            if key(&pem, wrong).is_ok() {
                let answer = check(attachment, &authenticator(&pem, wrong), &image(&directory), NAME);
                assert_eq!(answer, "Untrusted", "{case} by {wrong}");
            }
        }
    }
}

#[test]
fn two_keys_sign_in_one_manifest() {
    let case = directory().join("multi-p256");
    let attachments = attachments(&case);
    assert_eq!(attachments.len(), 2);
    for (number, attachment) in (1..).zip(&attachments) {
        for signer in 1..=2 {
            let by = authenticator(&case.join(format!("public-key-{signer}.pem")), Algorithm::EcdsaSha256);
            let expected = if number == signer { "ok" } else { "Untrusted" };
            assert_eq!(
                check(attachment, &by, &image(&case), NAME),
                expected,
                "layer {number} by key {signer}"
            );
        }
    }
}

#[test]
fn an_attestation_is_not_a_signature() {
    let case = directory().join("attestation-p256");
    let by = authenticator(&case.join("public-key.pem"), Algorithm::EcdsaSha256);
    let [attestation] = &attachments(&case)[..] else { panic!("not one") };
    assert_eq!(check(attestation, &by, &image(&case), NAME), "WrongPredicate");
}

#[test]
fn an_index_and_its_manifests_are_signed_one_by_one() {
    for case in ["recursive-classic-p256", "recursive-bundle-p256"] {
        let case = directory().join(case);
        let by = authenticator(&case.join("public-key.pem"), Algorithm::EcdsaSha256);
        for signed in ["index", "amd64", "arm64"] {
            let [signature] = &attachments(&case.join(signed))[..] else { panic!("not one") };
            for digest_of in ["index", "amd64", "arm64"] {
                let expected = if signed == digest_of { "ok" } else { "OtherDigest" };
                let answer = check(signature, &by, &image(&case.join(digest_of)), NAME);
                assert_eq!(answer, expected, "{}: {signed} for {digest_of}", case.display());
            }
        }
    }
}
