//! Signatures in every format. A signature that was changed must not count, so where the whole document is changed, hardly
//! any input is accepted; for what is signed, the changed content is signed again, to reach what is behind the signature.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pullgate_core::digest::Digest;
use pullgate_core::signature::{
    self, Attachment, RepositoryIdentity, STATEMENT_MEDIA_TYPE, SignatureError, Subject,
    pre_authentication_encoding,
};
use pullgate_core::trust::openpgp::read_keyring;
use pullgate_core::trust::x509::Store;
use pullgate_core::trust::{
    Algorithm, Authenticator, GpgSet, Key, NotationSet, PrivateKey, PssSalt, Signers,
};
use serde_json::json;

use super::text;
use crate::Target;
use crate::seeds::files;

pub(super) const IMAGE: &str = "sha256:8f43f8b9d4e5a1c5ff0f1b7b8a1b1d4a4b7a4b0c3e5d6f708192a3b4c5d6e7f8";
pub(super) const REPOSITORY: &str = "registry.example:5000/payments/app";

/// The image that notation and gpg signed, and its size.
pub(super) static OTHER_IMAGE: LazyLock<(Digest, usize)> = LazyLock::new(|| {
    let image = files(&["tests/fixtures/notation/cli/manifest.json"]).concat();
    (Digest::of(&image), image.len())
});

/// When the fixtures are verified.
pub(super) static NOW: LazyLock<Timestamp> = LazyLock::new(|| "2026-12-01T00:00:00Z".parse().unwrap());

pub(super) static KEY: LazyLock<PrivateKey> = LazyLock::new(|| {
    let pem = files(&["tests/fixtures/keys/throw-away-ed25519.key.pem"]).concat();
    PrivateKey::from_pem(&text(&pem), Algorithm::Ed25519, PssSalt::default()).unwrap()
});

pub(super) static BY_KEY: LazyLock<Authenticator> = LazyLock::new(|| {
    let public = KEY.public();
    let key = Key { public, not_before: None, not_after: None, origin: "fuzz".to_owned(), remote: None };
    Authenticator::new("fuzz".to_owned(), vec![key]).unwrap()
});

static NOTATION: LazyLock<Authenticator> = LazyLock::new(|| {
    let mut ca = Store::default();
    ca.add(&files(&["tests/fixtures/notation/cli/p256.root.pem"]).concat()).unwrap();
    let set = NotationSet::below(ca);
    Authenticator::of("fuzz".to_owned(), Signers::Notation(Box::new(set)))
});

static BY_GPG: LazyLock<Authenticator> = LazyLock::new(|| {
    let keyring = files(&["tests/fixtures/gpg/cli/ed25519.keyring.gpg"]).concat();
    let set = GpgSet::new(vec![read_keyring(&keyring).unwrap()], Vec::new()).unwrap();
    Authenticator::of("fuzz".to_owned(), Signers::Gpg(Box::new(set)))
});

pub(super) fn verify(attachment: &Attachment, authenticator: &Authenticator) -> Result<(), SignatureError> {
    verify_for(&Digest::parse(IMAGE).unwrap(), 0, attachment, authenticator)
}

pub(super) fn verify_for(
    digest: &Digest,
    size: usize,
    attachment: &Attachment,
    authenticator: &Authenticator,
) -> Result<(), SignatureError> {
    let subject = Subject {
        digest,
        content: ("application/vnd.oci.image.manifest.v1+json", size),
        repositories: &[REPOSITORY.to_owned(), "registry.example/team/app".to_owned()],
        annotations: &BTreeMap::new(),
        identity: RepositoryIdentity::Optional,
    };
    let outcome = signature::verify(attachment, authenticator, &subject, *NOW).map(drop);
    if let Err(error) = &outcome {
        let message = error.to_string();
        // Every message becomes part of one line.
        assert!(!message.contains(char::is_control), "{message:?}");
    }
    outcome
}

fn simple(payload: &[u8], signature: &[u8]) -> Attachment {
    Attachment::SimpleSigning {
        place: String::new(),
        payload: payload.to_vec().into(),
        signature: STANDARD.encode(signature),
        certificate: None,
    }
}

pub(super) fn bundle(statement: &[u8]) -> Vec<u8> {
    let signature = KEY.sign(&pre_authentication_encoding(STATEMENT_MEDIA_TYPE, statement)).unwrap();
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "any" } },
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement),
            "payloadType": STATEMENT_MEDIA_TYPE,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    });
    bundle.to_string().into_bytes()
}

pub(super) fn document(input: &[u8]) -> Attachment {
    Attachment::Bundle { place: String::new(), document: input.to_vec().into() }
}

fn payloads() -> Vec<Vec<u8>> {
    let critical = json!({
        "identity": { "docker-reference": REPOSITORY },
        "image": { "docker-manifest-digest": IMAGE },
        "type": "cosign container image signature",
    });
    vec![json!({ "critical": critical, "optional": { "creator": "fuzz" } }).to_string().into_bytes()]
}

fn statements() -> Vec<Vec<u8>> {
    let hex = IMAGE.trim_start_matches("sha256:");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "a", "digest": { "sha256": hex }, "annotations": {} }],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    });
    vec![statement.to_string().into_bytes()]
}

pub(super) const PAYLOAD: Target = Target {
    name: "payload of a classic signature",
    seeds: payloads,
    parse: |input| verify(&simple(input, &KEY.sign(input).unwrap()), &BY_KEY).is_ok(),
};

pub(super) const STATEMENT: Target = Target {
    name: "statement of a bundle",
    seeds: statements,
    parse: |input| verify(&document(&bundle(input)), &BY_KEY).is_ok(),
};

/// The signature, one byte for its length before it.
pub(super) const SIMPLE_SIGNING: Target = Target {
    name: "signed: classic signature",
    seeds: || {
        let signed = |payload: &Vec<u8>| {
            let signature = KEY.sign(payload).unwrap();
            [&[u8::try_from(signature.len()).unwrap()], &signature[..], payload].concat()
        };
        payloads().iter().map(signed).collect()
    },
    parse: |input| {
        let (length, rest) = input.split_first().unwrap_or((&0, &[]));
        let (signature, payload) = rest.split_at(usize::from(*length).min(rest.len()));
        verify(&simple(payload, signature), &BY_KEY).is_ok()
    },
};

pub(super) const BUNDLE: Target = Target {
    name: "bundle by a key",
    seeds: || statements().iter().map(|statement| bundle(statement)).collect(),
    parse: |input| verify(&document(input), &BY_KEY).is_ok(),
};

fn is_notation(input: &[u8]) -> bool {
    let attachment = Attachment::Notation { place: String::new(), document: input.to_vec().into() };
    verify_for(&OTHER_IMAGE.0, OTHER_IMAGE.1, &attachment, &NOTATION).is_ok()
}

pub(super) const JWS: Target = Target {
    name: "signed: Notation in JWS",
    seeds: || files(&["tests/fixtures/notation/cli/p256.jws"]),
    parse: is_notation,
};

pub(super) const COSE: Target = Target {
    name: "signed: Notation in COSE",
    seeds: || files(&["tests/fixtures/notation/cli/p256.cose"]),
    parse: is_notation,
};

/// The signed data decides what the image is, so only the message is changed.
pub(super) const GPG: Target = Target {
    name: "signed: GPG message",
    seeds: || files(&["tests/fixtures/gpg/cli/ed25519.signature"]),
    parse: |input| {
        let attachment = Attachment::Gpg { place: String::new(), document: input.to_vec().into() };
        verify_for(&OTHER_IMAGE.0, OTHER_IMAGE.1, &attachment, &BY_GPG).is_ok()
    },
};

/// What an authority signed is read after its signature was verified, so this only reads.
pub(super) const TIMESTAMP: Target = Target {
    name: "RFC 3161 timestamp",
    seeds: || {
        files(&[
            "tests/fixtures/notation/upstream/tspclient-go/testdata/TimeStampToken.p7s",
            "tests/fixtures/notation/upstream/tspclient-go/testdata/TimeStampTokenNoRoot.p7s",
        ])
    },
    parse: signature::fuzzing::timestamp,
};
