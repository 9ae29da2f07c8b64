//! What a bundle may have, checked before the library reads it.

use serde_json::Value;

use super::KeylessError;
use crate::signature::SignatureError;
use crate::signature::bundle::{self, ALL_MEDIA_TYPES};
use crate::signature::fields::{FieldError, Fields, array, object};
use crate::trust::LogUse;

/// Maximum number of log entries and of timestamps, each (sigstore-go `pkg/verify`): every one is verified.
const MAX_EVIDENCE: usize = 32;
/// Maximum number of certificates in a chain.
const MAX_CERTIFICATES: usize = 10;
/// Maximum number of hashes in an inclusion proof: more than the logarithm of any tree.
const MAX_HASHES: usize = 64;

const BUNDLE: &str = "bundle";

/// Who made a bundle's signature, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::signature) enum Material {
    /// Somebody with a certificate.
    Certificate,
    /// The holder of a key.
    Key,
}

/// A bundle within the bounds: its text, its envelope, and what came with that.
pub(in crate::signature) struct Bounded<'a> {
    pub(in crate::signature) text: &'a str,
    pub(in crate::signature) envelope: Fields,
    /// Leaf first.
    pub(in crate::signature) certificates: Vec<Value>,
    pub(in crate::signature) timestamps: Vec<Value>,
}

/// Checks the numbers and sizes of a bundle of at most `limit` bytes, and that each log entry has something that is signed.
pub(in crate::signature) fn check(
    document: &[u8],
    logs: LogUse,
    signer: Material,
    limit: usize,
) -> Result<Bounded<'_>, SignatureError> {
    let (bundle, material) = bundle::read(document, limit, &ALL_MEDIA_TYPES)?;
    let text = std::str::from_utf8(document).map_err(|_| KeylessError::Malformed)?;
    let (certificates, timestamps) = check_material(material, logs, signer)?;
    let envelope = bundle::signed_statement(bundle)?;
    Ok(Bounded { text, envelope, certificates, timestamps })
}

/// Returns the certificates and the timestamps.
fn check_material(
    mut material: Fields,
    logs: LogUse,
    signer: Material,
) -> Result<(Vec<Value>, Vec<Value>), SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: BUNDLE, cause };
    let only = material.optional("certificate");
    let certificates = match (material.optional("x509CertificateChain"), only) {
        (Some(chain), _) => {
            let mut chain = object(chain, "x509CertificateChain").map_err(malformed)?;
            let certificates = chain.array("certificates").map_err(malformed)?;
            let found = certificates.len();
            if !(1..=MAX_CERTIFICATES).contains(&found) {
                return Err(SignatureError::Count { what: "bundle must have 1 to 10 certificates", found });
            }
            certificates
        }
        (None, Some(only)) => vec![only],
        (None, None) if signer == Material::Key => Vec::new(),
        (None, None) => return Err(KeylessError::Key.into()),
    };
    let entries = list(&mut material, "tlogEntries").map_err(malformed)?;
    at_most("bundle must have at most 32 log entries", entries.len(), MAX_EVIDENCE)?;
    if entries.is_empty() && logs == LogUse::Required {
        return Err(KeylessError::NoLogEntry("a promise or proof").into());
    }
    for entry in entries {
        let mut entry = object(entry, "tlogEntries").map_err(malformed)?;
        let proof = entry.optional("inclusionProof");
        if proof.is_none() && entry.optional("inclusionPromise").is_none() {
            return Err(KeylessError::NoLogEntry("a promise or proof").into());
        }
        if let Some(proof) = proof {
            let mut proof = object(proof, "inclusionProof").map_err(malformed)?;
            let hashes = list(&mut proof, "hashes").map_err(malformed)?;
            at_most("inclusion proof must have at most 64 hashes", hashes.len(), MAX_HASHES)?;
        }
    }
    let mut timestamps = Vec::new();
    if let Some(stamps) = material.optional("timestampVerificationData") {
        let mut stamps = object(stamps, "timestampVerificationData").map_err(malformed)?;
        timestamps = list(&mut stamps, "rfc3161Timestamps").map_err(malformed)?;
        at_most("bundle must have at most 32 timestamps", timestamps.len(), MAX_EVIDENCE)?;
    }
    Ok((certificates, timestamps))
}

fn list(fields: &mut Fields, name: &'static str) -> Result<Vec<Value>, FieldError> {
    fields.optional(name).map_or(Ok(Vec::new()), |value| array(value, name))
}

fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), SignatureError> {
    if found > limit { Err(SignatureError::Count { what, found }) } else { Ok(()) }
}
