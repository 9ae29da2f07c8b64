use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::trust::{Algorithm, Authenticator, Key, PrivateKey, PssSalt};

mod annotations;
mod arbitrary;
mod attestations;
mod bundles;
mod containers_image;
mod cosign;
mod payloads;

/// The test keys of the integration tests.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/keys/", $name))
    };
}

const DIGEST: &str = "sha256:8f43f8b9d4e5a1c5ff0f1b7b8a1b1d4a4b7a4b0c3e5d6f708192a3b4c5d6e7f8";
const OTHER: &str = "sha256:0f43f8b9d4e5a1c5ff0f1b7b8a1b1d4a4b7a4b0c3e5d6f708192a3b4c5d6e7f8";
const REPOSITORY: &str = "registry.example:5000/payments/app";

/// A signing key, and the authenticator that trusts it.
struct Party {
    key: PrivateKey,
    authenticator: Authenticator,
}

impl Party {
    fn new(pem: &str, algorithm: Algorithm) -> Self {
        Self::within(pem, algorithm, None, None)
    }

    fn within(
        pem: &str,
        algorithm: Algorithm,
        not_before: Option<Timestamp>,
        not_after: Option<Timestamp>,
    ) -> Self {
        let key = PrivateKey::from_pem(pem, algorithm, PssSalt::default()).unwrap();
        let trusted =
            Key { public: key.public(), not_before, not_after, origin: "release.pem".into(), remote: None };
        let authenticator = Authenticator::new("release".into(), vec![trusted]).unwrap();
        Self { key, authenticator }
    }

    /// The party that most tests trust.
    fn release() -> Self {
        Self::new(fixture!("throw-away-p256.key.pem"), Algorithm::EcdsaSha256)
    }

    fn untrusted() -> Self {
        Self::new(fixture!("throw-away-ed25519.key.pem"), Algorithm::Ed25519)
    }

    /// An attachment with a valid signature over `payload`.
    fn simple(&self, payload: &str) -> Attachment {
        let signature = STANDARD.encode(self.key.sign(payload.as_bytes()).unwrap());
        Attachment::SimpleSigning {
            place: "layer 0".into(),
            payload: payload.to_owned().into(),
            signature,
            certificate: None,
        }
    }

    /// A bundle with a valid signature over `statement`.
    fn bundle(&self, statement: &str) -> Value {
        let signature = self.key.sign(&dsse::tests::encoding(statement.as_bytes())).unwrap();
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "any" } },
            "dsseEnvelope": {
                "payload": STANDARD.encode(statement),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{ "sig": STANDARD.encode(signature) }],
            },
        })
    }

    fn verify(&self, attachment: &Attachment) -> Result<Proof, SignatureError> {
        self.verify_at(attachment, Timestamp::UNIX_EPOCH)
    }

    fn verify_at(&self, attachment: &Attachment, now: Timestamp) -> Result<Proof, SignatureError> {
        self.verify_with(attachment, now, &[], RepositoryIdentity::Optional)
    }

    fn verify_with(
        &self,
        attachment: &Attachment,
        now: Timestamp,
        annotations: &[(&str, &str)],
        identity: RepositoryIdentity,
    ) -> Result<Proof, SignatureError> {
        let digest = Digest::parse(DIGEST).unwrap();
        let repositories = ["docker.io/library/other".to_owned(), REPOSITORY.to_owned()];
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let annotations = annotations.collect();
        let subject = Subject {
            digest: &digest,
            repositories: &repositories,
            content: ("", 0),
            annotations: &annotations,
            identity,
        };
        verify(attachment, &self.authenticator, &subject, now)
    }
}

fn document(text: impl Into<String>) -> Attachment {
    Attachment::Bundle { place: "referrer".into(), document: text.into().into() }
}

/// A payload as cosign writes it.
fn payload() -> String {
    claim(REPOSITORY, DIGEST, "cosign container image signature")
}

fn claim(reference: &str, digest: &str, kind: &str) -> String {
    let critical = json!({
        "identity": { "docker-reference": reference },
        "image": { "docker-manifest-digest": digest },
        "type": kind,
    });
    json!({ "critical": critical, "optional": null }).to_string()
}

/// A statement as cosign writes it.
fn statement() -> Value {
    let digest = Digest::parse(DIGEST).unwrap();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { "sha256": digest.hex() }, "annotations": {} }],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
}

/// The name of the error's variant, or "ok".
fn outcome(answer: &Result<Proof, SignatureError>) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
            for message in causes.map(ToString::to_string) {
                let one_line = crate::untrusted::sanitize(&message) == message;
                assert!(message.len() < 400 && one_line, "{message:?}");
            }
            let debug = format!("{error:?}");
            debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

#[test]
fn every_algorithm_signs_every_format() {
    let rsa = fixture!("throw-away-rsa-2048.key.pem");
    let ed25519 = fixture!("throw-away-ed25519.key.pem");
    let parties = [
        (rsa, Algorithm::RsaPssSha256),
        (rsa, Algorithm::RsaPkcs1Sha256),
        (rsa, Algorithm::RsaPkcs1Sha512),
        (fixture!("throw-away-p256.key.pem"), Algorithm::EcdsaSha256),
        (fixture!("throw-away-p384.key.pem"), Algorithm::EcdsaSha384),
        (fixture!("throw-away-p384.key.pem"), Algorithm::EcdsaP384Sha256),
        (fixture!("throw-away-p521.key.pem"), Algorithm::EcdsaSha512),
        (ed25519, Algorithm::Ed25519),
        (ed25519, Algorithm::Ed25519ph),
    ]
    .map(|(pem, algorithm)| Party::new(pem, algorithm));
    for signer in &parties {
        let bundle = document(signer.bundle(&statement().to_string()).to_string());
        for attachment in [signer.simple(&payload()), bundle] {
            for verifier in &parties {
                let answer = verifier.verify(&attachment);
                let same = std::ptr::eq(signer, verifier);
                assert_eq!(outcome(&answer), if same { "ok" } else { "Untrusted" });
                if let Ok(proof) = answer {
                    assert_eq!(proof.authenticator(), "release");
                    assert_eq!(proof.identity().as_str(), signer.key.public().fingerprint());
                    assert_eq!(proof.format(), attachment.format());
                }
            }
        }
    }
}

#[test]
fn a_key_outside_its_validity_period_is_distinct_from_an_unknown_key() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let p256 = fixture!("throw-away-p256.key.pem");
    let party = Party::within(p256, Algorithm::EcdsaSha256, Some(at(100)), Some(at(200)));
    for (signer, second, expected) in [
        (&party, 99, "OutsideWindow"),
        (&party, 100, "ok"),
        (&party, 199, "ok"),
        (&party, 200, "OutsideWindow"),
        (&Party::untrusted(), 150, "Untrusted"),
        (&Party::untrusted(), 200, "NoKeyNow"),
    ] {
        let bundle = document(signer.bundle(&statement().to_string()).to_string());
        for attachment in [signer.simple(&payload()), bundle] {
            assert_eq!(outcome(&party.verify_at(&attachment, at(second))), expected, "{second}");
        }
    }
}
