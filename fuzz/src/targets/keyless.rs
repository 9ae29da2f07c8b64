//! Signatures by certificates of Sigstore. The seeds are signatures that real instances vouched for, none of an image here: they
//! count as accepted if everything before the claim was verified.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate_core::digest::hex;
use pullgate_core::signature::{Attachment, CertificateAnnotations, KeylessError, SignatureError};
use pullgate_core::trust::{
    Authenticator, KeylessSet, LogUse, Pattern, SignerRule, Signers, SigningCertificate, TrustedRoot, pem,
};
use serde_json::{Value, json};
use sigstore_verify::crypto::parse_certificate_info;
use sigstore_verify::types::DerCertificate;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SignedCertificateTimestampList;

use super::signatures::{document, verify};
use super::text;
use crate::Target;
use crate::seeds::files;

/// Bundles with statements, in all versions: by Rekor v1 without and with a timestamp, and by Rekor v2.
const BUNDLES: [&str; 3] = [
    "tests/fixtures/sigstore/bundles/sigstore.js@2.0.0-provenance.sigstore.json",
    "tests/fixtures/sigstore/bundles/conda-attestation.sigstore.json",
    STAMPED,
];
const STAMPED: &str = "tests/fixtures/sigstore/bundles/a.dsse.staging-rekor-v2.txt.sigstore.json";
/// A bundle that signs a text, which has the same evidence as a classic signature.
const MESSAGE: &str = "tests/fixtures/sigstore/bundles/cosign-v3-blob.sigstore.json";

static WORKFLOWS: LazyLock<Authenticator> =
    LazyLock::new(|| by("https://token.actions.githubusercontent.com", "https://github.com/sigstore/**"));

static PERSON: LazyLock<Authenticator> =
    LazyLock::new(|| by("https://github.com/login/oauth", "w.vollprecht@gmail.com"));

fn by(issuer: &str, subject: &str) -> Authenticator {
    let roots = ["production", "staging"].map(|name| {
        let root = files(&[&format!("tests/fixtures/sigstore/roots/{name}.json")]).concat();
        TrustedRoot::parse(format!("{name}.json"), &text(&root)).unwrap()
    });
    let rule = SignerRule::new(issuer.to_owned(), Some(Pattern::parse(subject).unwrap()), Vec::new());
    let set = KeylessSet::new(roots.to_vec(), rule.unwrap(), LogUse::Required).unwrap();
    Authenticator::of("fuzz".to_owned(), Signers::Keyless(set))
}

fn json_of(path: &str) -> Value {
    serde_json::from_slice(&files(&[path]).concat()).unwrap()
}

/// The bytes at a place of a bundle.
fn bytes_at(bundle: &Value, pointer: &str) -> Option<Vec<u8>> {
    Some(STANDARD.decode(bundle.pointer(pointer)?.as_str()?).unwrap())
}

fn certificate_of(bundle: &Value) -> Vec<u8> {
    let chain = "/verificationMaterial/x509CertificateChain/certificates/0/rawBytes";
    let certificate = bytes_at(bundle, "/verificationMaterial/certificate/rawBytes");
    certificate.or_else(|| bytes_at(bundle, chain)).unwrap()
}

/// It was verified who signed it, which is somebody else or about something else.
fn is_verified(bundle: &[u8]) -> bool {
    matches!(
        verify(&document(bundle), &WORKFLOWS),
        Err(SignatureError::Keyless(KeylessError::Identity(_))
            | SignatureError::WrongPredicate { .. }
            | SignatureError::OtherDigest { .. })
    )
}

pub(super) const BUNDLE: Target =
    Target { name: "signed: keyless bundle", seeds: || files(&BUNDLES), parse: is_verified };

static WITH_TIMESTAMP: LazyLock<Value> = LazyLock::new(|| json_of(STAMPED));

const TIMESTAMP: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";

pub(super) const BUNDLE_TIMESTAMP: Target = Target {
    name: "signed: timestamp of a keyless bundle",
    seeds: || vec![bytes_at(&WITH_TIMESTAMP, TIMESTAMP).unwrap()],
    parse: |input| {
        let mut bundle = WITH_TIMESTAMP.clone();
        *bundle.pointer_mut(TIMESTAMP).unwrap() = STANDARD.encode(input).into();
        is_verified(bundle.to_string().as_bytes())
    },
};

/// Certificate, chain, log entry and timestamp, with a zero byte between them.
pub(super) const ANNOTATIONS: Target = Target {
    name: "signed: annotations of a classic signature",
    seeds: || {
        let bundle = json_of(MESSAGE);
        let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
        let number = |name: &str| entry[name].as_str().unwrap().parse::<u64>().unwrap();
        let promise = &entry["inclusionPromise"]["signedEntryTimestamp"];
        let log = hex(&bytes_at(entry, "/logId/keyId").unwrap());
        let payload = json!({
            "body": entry["canonicalizedBody"],
            "integratedTime": number("integratedTime"),
            "logIndex": number("logIndex"),
            "logID": log,
        });
        let entry = json!({ "SignedEntryTimestamp": promise, "Payload": payload }).to_string();
        let certificate = pem::write("CERTIFICATE", &certificate_of(&bundle));
        let stamp =
            bundle.pointer(TIMESTAMP).map(|stamp| json!({ "SignedRFC3161Timestamp": stamp }).to_string());
        vec![[certificate, String::new(), entry, stamp.unwrap_or_default()].join("\0").into_bytes()]
    },
    parse: |input| {
        let input = text(input);
        let mut parts = input.split('\0').map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()));
        let mut next = || parts.next().flatten();
        let (certificate, chain, bundle, timestamp) = (next(), next(), next(), next());
        let annotations = CertificateAnnotations { certificate, chain, bundle, timestamp };
        let attachment = Attachment::SimpleSigning {
            place: String::new(),
            payload: SIGNED.0.clone().into(),
            signature: SIGNED.1.clone(),
            certificate: Some(Arc::new(annotations)),
        };
        // What was signed is a text.
        matches!(verify(&attachment, &PERSON), Err(SignatureError::Malformed { what: "payload", .. }))
    },
};

/// The text that the bundle signs, and its signature.
static SIGNED: LazyLock<(Vec<u8>, String)> = LazyLock::new(|| {
    let signature = &json_of(MESSAGE)["messageSignature"]["signature"];
    let text = files(&["tests/fixtures/sigstore/bundles/cosign-v3-blob.txt"]).concat();
    (text, signature.as_str().unwrap().to_owned())
});

/// Who signed, and the timestamps of certificate transparency. All of it is read after the authority's signature was verified,
/// so this only reads.
pub(super) const CERTIFICATE: Target = Target {
    name: "certificate of Fulcio",
    seeds: || BUNDLES.iter().map(|path| certificate_of(&json_of(path))).collect(),
    parse: |input| {
        let known = parse_certificate_info(&DerCertificate::from_bytes(input)).is_ok();
        let ours = SigningCertificate::from_der(input).is_ok();
        known && ours && has_timestamps(input)
    },
};

/// As sigstore-verify reads them (`verify_impl/sct.rs`, `extract_sct`).
fn has_timestamps(der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    let list = certificate.tbs_certificate.get::<SignedCertificateTimestampList>();
    let Ok(Some((_, list))) = list else { return false };
    let Ok(timestamps) = list.parse_timestamps() else { return false };
    !timestamps.is_empty() && timestamps.iter().all(|timestamp| timestamp.parse_timestamp().is_ok())
}
