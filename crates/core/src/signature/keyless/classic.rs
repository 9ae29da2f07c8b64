//! cosign's classic layout with a certificate or a log entry: the annotations of a layer, made into a bundle in memory.
//!
//! Sources: sigstore/cosign `pkg/oci/static/signature.go` (annotations) and `pkg/cosign/bundle/rekor.go` (the log entry).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::KeylessError;
use super::bounds::Material;
use crate::digest::bytes_of_hex;
use crate::signature::fields::{FieldError, object, parse};
use crate::signature::{SignatureError, decode_base64, decode_signature, too_large};
use crate::trust::{LogUse, pem};

/// Maximum size of one of the annotations: 64 KiB; a log entry has about 4 KiB.
const MAX_ANNOTATION_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 16;
/// Maximum number of certificates with the leaf.
const MAX_CERTIFICATES: usize = 10;

const ENTRY: &str = "log entry of the annotation";

/// The annotations of a layer beside its signature; empty ones are missing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateAnnotations {
    /// `dev.sigstore.cosign/certificate`: the certificate, as PEM; `None` for a signature by a key.
    pub certificate: Option<String>,
    /// `dev.sigstore.cosign/chain`: certificates of its authorities, as PEM.
    pub chain: Option<String>,
    /// `dev.sigstore.cosign/bundle`: an entry of Rekor v1 with its promise.
    pub bundle: Option<String>,
    /// `dev.sigstore.cosign/rfc3161timestamp`: a timestamp of the signature.
    pub timestamp: Option<String>,
}

impl CertificateAnnotations {
    /// The names of the annotations: certificate, chain, log entry, timestamp.
    pub const NAMES: [&str; 4] = [
        "dev.sigstore.cosign/certificate",
        "dev.sigstore.cosign/chain",
        "dev.sigstore.cosign/bundle",
        "dev.sigstore.cosign/rfc3161timestamp",
    ];

    /// The annotations of a layer that has a certificate or a log entry.
    pub fn of<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let [certificate, chain, bundle, timestamp] =
            Self::NAMES.map(|name| annotation(name).filter(|text| !text.is_empty()).map(str::to_owned));
        (certificate.is_some() || bundle.is_some()).then_some(Self { certificate, chain, bundle, timestamp })
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.parts().map(str::len).sum()
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        let all = [&self.certificate, &self.chain, &self.bundle, &self.timestamp];
        all.into_iter().flatten().map(String::as_str)
    }
}

/// The bundle of a signature and its annotations.
pub(super) fn bundle(
    signature: &str,
    annotations: &CertificateAnnotations,
    logs: LogUse,
    signer: Material,
) -> Result<String, SignatureError> {
    // Checked as that of a key is.
    decode_signature("signature annotation", signature)?;
    bundle_of(("messageSignature", json!({ "signature": signature })), annotations, logs, signer)
}

/// The bundle of an envelope and the annotations beside it.
pub(super) fn envelope_bundle(
    envelope: &[u8],
    annotations: &CertificateAnnotations,
    logs: LogUse,
    signer: Material,
) -> Result<String, SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: "DSSE envelope", cause };
    bundle_of(("dsseEnvelope", parse(envelope, MAX_DEPTH).map_err(malformed)?), annotations, logs, signer)
}

/// A bundle v0.1, which a promise of inclusion suffices for; v0.2 without one, where no log is required.
fn bundle_of(
    (name, content): (&str, Value),
    annotations: &CertificateAnnotations,
    logs: LogUse,
    signer: Material,
) -> Result<String, SignatureError> {
    check_sizes(annotations)?;
    let entry = annotations.bundle.as_deref().map(log_entry).transpose()?;
    let version = match (&entry, logs) {
        (Some(_), _) => "0.1",
        (None, LogUse::None) => "0.2",
        (None, LogUse::Required) => return Err(KeylessError::NoLogEntry("an inclusion promise").into()),
    };
    let stamp = timestamp_of(annotations)?;
    let stamps: Vec<Value> = stamp.into_iter().map(|stamp| json!({ "signedTimestamp": stamp })).collect();
    let (field, signer) = match signer {
        Material::Certificate => {
            let encoded = |der: &Vec<u8>| json!({ "rawBytes": STANDARD.encode(der) });
            let certificates: Vec<Value> = chain_of(annotations)?.iter().map(encoded).collect();
            ("x509CertificateChain", json!({ "certificates": certificates }))
        }
        Material::Key => ("publicKey", json!({ "hint": "" })),
    };
    Ok(json!({
        "mediaType": format!("application/vnd.dev.sigstore.bundle+json;version={version}"),
        "verificationMaterial": {
            field: signer,
            "tlogEntries": entry.into_iter().collect::<Vec<_>>(),
            "timestampVerificationData": { "rfc3161Timestamps": stamps },
        },
        name: content,
    })
    .to_string())
}

fn check_sizes(annotations: &CertificateAnnotations) -> Result<(), SignatureError> {
    match annotations.parts().find(|part| part.len() > MAX_ANNOTATION_BYTES) {
        Some(part) => Err(too_large("annotation of a layer", part.len(), MAX_ANNOTATION_BYTES)),
        None => Ok(()),
    }
}

/// The certificates in DER, leaf first, after the sizes of all annotations were checked.
pub(in crate::signature) fn chain_of(
    annotations: &CertificateAnnotations,
) -> Result<Vec<Vec<u8>>, SignatureError> {
    check_sizes(annotations)?;
    let leaf = annotations.certificate.as_deref().ok_or(KeylessError::Key)?;
    let leaf = pem::read_all(leaf).map_err(|_| KeylessError::Malformed)?;
    let chain =
        annotations.chain.as_deref().map(pem::read_all).transpose().map_err(|_| KeylessError::Malformed)?;
    if leaf.len() != 1 {
        return Err(SignatureError::Count {
            what: "annotation must have exactly one certificate",
            found: leaf.len(),
        });
    }
    let all: Vec<_> = leaf.into_iter().chain(chain.into_iter().flatten()).collect();
    if all.len() > MAX_CERTIFICATES {
        return Err(SignatureError::Count { what: "layer must have 1 to 10 certificates", found: all.len() });
    }
    if all.iter().any(|block| block.label != "CERTIFICATE") {
        return Err(KeylessError::Malformed.into());
    }
    Ok(all.iter().map(|block| block.der.to_vec()).collect())
}

/// The response of a timestamp authority, in base64.
pub(in crate::signature) fn timestamp_of(
    annotations: &CertificateAnnotations,
) -> Result<Option<String>, SignatureError> {
    annotations.timestamp.as_deref().map(timestamp).transpose()
}

/// The entry as a bundle has it. Its kind is that of its body.
fn log_entry(text: &str) -> Result<Value, SignatureError> {
    let malformed = |cause: FieldError| SignatureError::Malformed { what: ENTRY, cause };
    let document = parse(text.as_bytes(), MAX_DEPTH).and_then(|value| object(value, ENTRY));
    let mut document = document.map_err(malformed)?;
    let promise = document.string("SignedEntryTimestamp").map_err(malformed)?;
    let mut payload = document.object("Payload").map_err(malformed)?;
    let body = payload.string("body").map_err(malformed)?;
    let log = payload.string("logID").map_err(malformed)?;
    let log = bytes_of_hex(&log).ok_or(KeylessError::Malformed)?;
    let mut number = |field| payload.required(field).map_err(malformed).map(|value| value.to_string());
    let (time, index) = (number("integratedTime")?, number("logIndex")?);
    let entry = parse(&decode_base64("log entry", &body)?, MAX_DEPTH).and_then(|value| object(value, ENTRY));
    let mut entry = entry.map_err(malformed)?;
    Ok(json!({
        "logIndex": index,
        "logId": { "keyId": STANDARD.encode(log) },
        "kindVersion": {
            "kind": entry.string("kind").map_err(malformed)?,
            "version": entry.string("apiVersion").map_err(malformed)?,
        },
        "integratedTime": time,
        "inclusionPromise": { "signedEntryTimestamp": promise },
        "canonicalizedBody": body,
    }))
}

fn timestamp(text: &str) -> Result<String, SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: "timestamp of the annotation", cause };
    let document = parse(text.as_bytes(), MAX_DEPTH).and_then(|value| object(value, "timestamp"));
    document.and_then(|mut document| document.string("SignedRFC3161Timestamp")).map_err(malformed)
}
