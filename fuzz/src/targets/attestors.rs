//! Attestations of attestors, and the lists in which Grafeas has them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate_core::digest::Digest;
use pullgate_core::signature::{Attachment, GrafeasListing, MAX_TOKEN_BYTES};
use pullgate_core::trust::openpgp::read_keyring;
use pullgate_core::trust::{AttestorSet, Authenticator, GpgSet, KeySet, Signers};
use serde_json::{Value, json};

use super::signatures::{BY_KEY, IMAGE, KEY, OTHER_IMAGE, REPOSITORY, verify, verify_for};
use crate::Target;
use crate::seeds::files;

/// Of the key of the other targets, and of the key of gpg.
static ATTESTOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let keys = KeySet::new("fuzz".to_owned(), BY_KEY.keys().to_vec()).unwrap();
    let keyring = files(&["tests/fixtures/gpg/cli/ed25519.keyring.gpg"]).concat();
    let openpgp = GpgSet::new(vec![read_keyring(&keyring).unwrap()], Vec::new()).unwrap();
    let set = AttestorSet::new(Some(keys), Some(openpgp)).unwrap();
    Authenticator::of("fuzz".to_owned(), Signers::Attestor(Box::new(set)))
});

fn payload() -> Vec<u8> {
    let critical = json!({
        "identity": { "docker-reference": REPOSITORY },
        "image": { "docker-manifest-digest": IMAGE },
        "type": "Google cloud binauthz container signature",
    });
    // What may be changed without a consequence.
    let optional = json!({ "creator": "pullgate-fuzz", "comment": "any text" });
    json!({ "critical": critical, "optional": optional }).to_string().into_bytes()
}

fn occurrence(payload: &[u8], signature: &[u8]) -> Value {
    json!({
        "resourceUri": format!("https://{REPOSITORY}@{IMAGE}"),
        "attestation": {
            "serializedPayload": STANDARD.encode(payload),
            "signatures": [{ "publicKeyId": "key", "signature": STANDARD.encode(signature) }],
        },
    })
}

fn signed(payload: &[u8]) -> Value {
    occurrence(payload, &KEY.sign(payload).unwrap())
}

fn attachment(document: &[u8]) -> Attachment {
    Attachment::Grafeas { place: String::new(), document: document.to_vec().into() }
}

/// The changed payload is signed again.
pub(super) const PAYLOAD: Target = Target {
    name: "payload of an attestor",
    seeds: || vec![payload()],
    parse: |input| verify(&attachment(signed(input).to_string().as_bytes()), &ATTESTOR).is_ok(),
};

pub(super) const OCCURRENCE: Target = Target {
    name: "signed: attestation of Grafeas",
    seeds: || vec![signed(&payload()).to_string().into_bytes()],
    parse: |input| verify(&attachment(input), &ATTESTOR).is_ok(),
};

/// The armor and the message in it; what is around them is not changed.
pub(super) const ARMOR: Target = Target {
    name: "signed: armored OpenPGP message",
    seeds: || files(&["tests/fixtures/gpg/cli/armored.signature"]),
    parse: |input| {
        let signatures = json!([{ "signature": STANDARD.encode(input) }]);
        let document = json!({ "attestation": { "signatures": signatures } }).to_string();
        verify_for(&OTHER_IMAGE.0, OTHER_IMAGE.1, &attachment(document.as_bytes()), &ATTESTOR).is_ok()
    },
};

pub(super) const LISTING: Target = Target {
    name: "list of Grafeas",
    seeds: || {
        let page = json!({ "occurrences": [signed(&payload())], "nextPageToken": "next" });
        vec![page.to_string().into_bytes()]
    },
    parse: |input| {
        let read = GrafeasListing::read(input, &Digest::parse(IMAGE).unwrap());
        read.is_ok_and(|page| {
            assert!(page.next.is_none_or(|token| token.len() <= MAX_TOKEN_BYTES));
            true
        })
    },
};
