//! Transparency logs: Rekor v1 with promises, and v2 without.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pullgate::digest::hex;
use pullgate::trust::{Algorithm, PublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::log_key::LogKey;
use crate::signer::{Signer, key_file};

const ORIGIN: &str = "rekor.test.example";
const ORIGIN_V2: &str = "rekor2.test.example";

/// Rekor v1.
pub(super) struct Rekor {
    pub(super) key: LogKey,
}

impl Rekor {
    pub(super) fn new() -> Self {
        Self { key: LogKey::new() }
    }

    /// An entry with this body: promise, and a proof in a tree of two.
    pub(super) fn entry(&self, body: &Value, time: Timestamp) -> Value {
        let body = body.to_string();
        let kind: Value = serde_json::from_str(&body).unwrap();
        let proof = proof(body.as_bytes(), ORIGIN, &self.key.id(), &|note| self.key.sign(note));
        json!({
            "logIndex": "1",
            "logId": { "keyId": STANDARD.encode(self.key.id()) },
            "kindVersion": { "kind": kind["kind"], "version": kind["apiVersion"] },
            "integratedTime": time.as_second().to_string(),
            "inclusionPromise": { "signedEntryTimestamp": self.promise(&body, time) },
            "inclusionProof": proof,
            "canonicalizedBody": STANDARD.encode(&body),
        })
    }

    /// The promise for the entry at index 1.
    fn promise(&self, body: &str, time: Timestamp) -> String {
        // In the canonical form of RFC 8785: sorted, without white space.
        let signed = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":1}}"#,
            STANDARD.encode(body),
            time.as_second(),
            hex(&self.key.id())
        );
        STANDARD.encode(self.key.sign(signed.as_bytes()))
    }

    /// cosign's annotation of an entry.
    pub(super) fn annotation(&self, body: &Value, time: Timestamp) -> String {
        let body = body.to_string();
        json!({
            "SignedEntryTimestamp": self.promise(&body, time),
            "Payload": {
                "body": STANDARD.encode(&body),
                "integratedTime": time.as_second(),
                "logIndex": 1,
                "logID": hex(&self.key.id()),
            },
        })
        .to_string()
    }
}

/// Rekor v2, with the Ed25519 key of `tests/fixtures/keys`.
pub(super) struct RekorV2;

impl RekorV2 {
    pub(super) fn public() -> Vec<u8> {
        let pem = std::fs::read_to_string(key_file("ed25519", "pub")).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(PublicKey::from_pem(&pem, Algorithm::Ed25519, Default::default()).is_ok());
        STANDARD.decode(body).unwrap()
    }

    /// C2SP signed-note.
    pub(super) fn id() -> [u8; 32] {
        let public = Self::public();
        let raw = &public[public.len() - 32..];
        Sha256::digest([ORIGIN_V2.as_bytes(), b"\n\x01", raw].concat()).into()
    }

    pub(super) fn entry(body: &Value) -> Value {
        let body = body.to_string();
        let signer = Signer::of("ed25519", Algorithm::Ed25519);
        let proof = proof(body.as_bytes(), ORIGIN_V2, &Self::id(), &|note| signer.sign(note));
        json!({
            "logIndex": "1",
            "logId": { "keyId": STANDARD.encode(Self::id()) },
            "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
            "inclusionProof": proof,
            "canonicalizedBody": STANDARD.encode(&body),
        })
    }
}

/// The proof that `body` is the second of two leaves (RFC 6962 section 2.1).
fn proof(body: &[u8], origin: &str, id: &[u8; 32], sign: &dyn Fn(&[u8]) -> Vec<u8>) -> Value {
    let leaf = |body: &[u8]| Sha256::digest([&[0][..], body].concat()).to_vec();
    let first = leaf(b"another entry");
    let root = Sha256::digest([&[1][..], &first, &leaf(body)].concat()).to_vec();
    let note = format!("{origin}\n2\n{}\n", STANDARD.encode(&root));
    let signature = STANDARD.encode([&id[..4], &sign(note.as_bytes())].concat());
    json!({
        "logIndex": "1",
        "rootHash": STANDARD.encode(&root),
        "treeSize": "2",
        "hashes": [STANDARD.encode(&first)],
        "checkpoint": { "envelope": format!("{note}\n\u{2014} {origin} {signature}\n") },
    })
}
