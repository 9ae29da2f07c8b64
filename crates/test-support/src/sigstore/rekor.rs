//! Transparency logs: Rekor v1 with promises, and v2 without.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pullgate::digest::hex;
use pullgate::trust::{Algorithm, PublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::log_key::LogKey;
use super::tree::{Inclusion, Tree};
use crate::signer::{Signer, key_file};

/// Rekor v1.
pub(super) struct Rekor {
    pub(super) key: LogKey,
    pub(super) origin: String,
    tree: Tree,
}

impl Rekor {
    pub(super) fn new(origin: &str) -> Self {
        Self { key: LogKey::new(), origin: origin.to_owned(), tree: Tree::new() }
    }

    /// An entry with this body, as a bundle has it: promise, and proof.
    pub(super) fn entry(&self, body: &Value, time: Timestamp) -> Value {
        let body = body.to_string();
        let kind: Value = serde_json::from_str(&body).unwrap();
        let inclusion = self.tree.add(body.as_bytes());
        let promise = self.promise(&body, time, inclusion.index);
        json!({
            "logIndex": inclusion.index.to_string(),
            "logId": { "keyId": STANDARD.encode(self.key.id()) },
            "kindVersion": { "kind": kind["kind"], "version": kind["apiVersion"] },
            "integratedTime": time.as_second().to_string(),
            "inclusionPromise": { "signedEntryTimestamp": promise },
            "inclusionProof": proof(&inclusion, &self.checkpoint(&inclusion)),
            "canonicalizedBody": STANDARD.encode(&body),
        })
    }

    /// The same as the log itself answers (`LogEntry` of its API).
    pub(super) fn answer(&self, body: &Value, time: Timestamp) -> Value {
        let body = body.to_string();
        let inclusion = self.tree.add(body.as_bytes());
        json!({
            "body": STANDARD.encode(&body),
            "integratedTime": time.as_second(),
            "logID": hex(&self.key.id()),
            "logIndex": inclusion.index,
            "verification": {
                "signedEntryTimestamp": self.promise(&body, time, inclusion.index),
                "inclusionProof": {
                    "checkpoint": self.checkpoint(&inclusion),
                    "hashes": inclusion.hashes.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
                    "logIndex": inclusion.index,
                    "rootHash": hex(&inclusion.root),
                    "treeSize": inclusion.size,
                },
            },
        })
    }

    fn promise(&self, body: &str, time: Timestamp, index: usize) -> String {
        // In the canonical form of RFC 8785: sorted, without white space.
        let signed = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{index}}}"#,
            STANDARD.encode(body),
            time.as_second(),
            hex(&self.key.id())
        );
        STANDARD.encode(self.key.sign(signed.as_bytes()))
    }

    fn checkpoint(&self, inclusion: &Inclusion) -> String {
        // Clients recognise Rekor v1 by the number of its tree behind the name.
        let origin = format!("{} - 1", self.origin);
        checkpoint(inclusion, (&origin, &self.origin), &self.key.id(), &|note| self.key.sign(note))
    }

    /// cosign's annotation of an entry.
    pub(super) fn annotation(&self, body: &Value, time: Timestamp) -> String {
        let body = body.to_string();
        let index = self.tree.add(body.as_bytes()).index;
        json!({
            "SignedEntryTimestamp": self.promise(&body, time, index),
            "Payload": {
                "body": STANDARD.encode(&body),
                "integratedTime": time.as_second(),
                "logIndex": index,
                "logID": hex(&self.key.id()),
            },
        })
        .to_string()
    }
}

/// Rekor v2, with the Ed25519 key of `tests/fixtures/keys`.
pub(super) struct RekorV2 {
    pub(super) origin: String,
    tree: Tree,
}

impl RekorV2 {
    pub(super) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), tree: Tree::new() }
    }

    pub(super) fn public() -> Vec<u8> {
        let pem = std::fs::read_to_string(key_file("ed25519", "pub")).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(PublicKey::from_pem(&pem, Algorithm::Ed25519, Default::default()).is_ok());
        STANDARD.decode(body).unwrap()
    }

    /// C2SP signed-note.
    pub(super) fn id(&self) -> [u8; 32] {
        let public = Self::public();
        let raw = &public[public.len() - 32..];
        Sha256::digest([self.origin.as_bytes(), b"\n\x01", raw].concat()).into()
    }

    /// An entry with this body: what the log answers, and what a bundle has.
    pub(super) fn entry(&self, body: &Value) -> Value {
        let body = body.to_string();
        let kind: Value = serde_json::from_str(&body).unwrap();
        let signer = Signer::of("ed25519", Algorithm::Ed25519);
        let inclusion = self.tree.add(body.as_bytes());
        let note =
            checkpoint(&inclusion, (&self.origin, &self.origin), &self.id(), &|note| signer.sign(note));
        json!({
            "logIndex": inclusion.index.to_string(),
            "logId": { "keyId": STANDARD.encode(self.id()) },
            "kindVersion": { "kind": kind["kind"], "version": kind["apiVersion"] },
            "inclusionProof": proof(&inclusion, &note),
            "canonicalizedBody": STANDARD.encode(&body),
        })
    }
}

/// A proof as a bundle has it.
fn proof(inclusion: &Inclusion, checkpoint: &str) -> Value {
    json!({
        "logIndex": inclusion.index.to_string(),
        "rootHash": STANDARD.encode(&inclusion.root),
        "treeSize": inclusion.size.to_string(),
        "hashes": inclusion.hashes.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>(),
        "checkpoint": { "envelope": checkpoint },
    })
}

/// The signed head of the tree (C2SP tlog-checkpoint), with its origin and the name of its signer.
fn checkpoint(
    inclusion: &Inclusion,
    (origin, name): (&str, &str),
    id: &[u8; 32],
    sign: &dyn Fn(&[u8]) -> Vec<u8>,
) -> String {
    let note = format!("{origin}\n{}\n{}\n", inclusion.size, STANDARD.encode(&inclusion.root));
    let signature = STANDARD.encode([&id[..4], &sign(note.as_bytes())].concat());
    format!("{note}\n\u{2014} {name} {signature}\n")
}
