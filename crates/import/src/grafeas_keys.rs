//! The public keys of an authority or attestor, as kritis and Binary Authorization write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::draft::{Draft, OpenPgpKeys};
use super::{Effect, ImportError, shape};
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey};

/// The beginning of a key in PEM.
pub(super) const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----";
const OPENPGP_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Keys that pullgate can verify with.
#[derive(Clone, Default)]
pub(super) struct AuthorityKeys {
    pub(super) pkix: Vec<PublicKey>,
    pub(super) openpgp: OpenPgpKeys,
}

impl AuthorityKeys {
    pub(super) fn is_empty(&self) -> bool {
        self.pkix.is_empty() && self.openpgp.fingerprints.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublicKeyEntry {
    key_type: Option<String>,
    pkix_public_key: Option<Pkix>,
    /// For kritis in base64.
    ascii_armored_pgp_public_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pkix {
    public_key_pem: String,
    signature_algorithm: String,
}

/// Adds the keys that can count; others are noted.
pub(super) fn add(
    keys: &mut AuthorityKeys,
    entries: &[PublicKeyEntry],
    subject: &str,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    for entry in entries {
        match (&entry.pkix_public_key, &entry.ascii_armored_pgp_public_key) {
            (Some(pkix), _) => keys.pkix.extend(read(pkix, subject, draft)?),
            (None, Some(armored)) => add_openpgp(&mut keys.openpgp, armored, subject, draft),
            (None, None) => {
                let kind = entry.key_type.as_deref().unwrap_or("unknown");
                let text =
                    format!("a key of type {kind} is left out: pullgate verifies only PKIX and PGP keys");
                draft.note(Effect::Stricter, subject, text);
            }
        }
    }
    Ok(())
}

/// Adds an OpenPGP key that can count; another one is noted.
pub(super) fn add_openpgp(keys: &mut OpenPgpKeys, data: &str, subject: &str, draft: &mut Draft) {
    let added = match text(data, OPENPGP_KEY) {
        Some(armored) => keys.add(armored.as_bytes()).map_err(|error| error.to_string()),
        None => Err("it is not an armored public key".to_owned()),
    };
    if let Err(why) = added {
        draft.note(Effect::Stricter, subject, format!("a key of type PGP is left out: {why}"));
    }
}

fn read(pkix: &Pkix, subject: &str, draft: &mut Draft) -> Result<Option<PublicKey>, ImportError> {
    let Some(algorithm) = algorithm(&pkix.signature_algorithm) else {
        let name = &pkix.signature_algorithm;
        let text = format!("a key with algorithm {name:?} is left out: pullgate does not verify it");
        draft.note(Effect::Stricter, subject, text);
        return Ok(None);
    };
    let pem = text(&pkix.public_key_pem, PUBLIC_KEY)
        .ok_or_else(|| shape(subject, "publicKeyPem is not a PEM public key"))?;
    let key = PublicKey::from_pem(&pem, algorithm, PssSalt::default());
    key.map(Some).map_err(|error| ImportError::Key { subject: subject.to_owned(), error })
}

/// The text that begins like this, which may be encoded in base64.
pub(super) fn text(text: &str, begin: &str) -> Option<String> {
    if text.trim_start().starts_with(begin) {
        return Some(text.to_owned());
    }
    let joined: String = text.split_whitespace().collect();
    let decoded = String::from_utf8(STANDARD.decode(joined).ok()?).ok()?;
    decoded.trim_start().starts_with(begin).then_some(decoded)
}

/// The algorithm. Sources: `pkg/attestlib/signature_algorithm.go` of kritis, and one more spelling that only its documentation
/// has; `SignatureAlgorithm` of Binary Authorization, in upper case, with two names for most.
fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name.to_ascii_lowercase().replace('_', "-").as_str() {
        "rsa-pss-2048-sha256"
        | "rsa-pss-3072-sha256"
        | "rsa-pss-4096-sha256"
        | "rsa-pss-4096s-ha256"
        | "rsa-sign-pss-2048-sha256"
        | "rsa-sign-pss-3072-sha256"
        | "rsa-sign-pss-4096-sha256" => Algorithm::RsaPssSha256,
        "rsa-pss-4096-sha512" | "rsa-sign-pss-4096-sha512" => Algorithm::RsaPssSha512,
        "rsa-sign-pkcs1-2048-sha256" | "rsa-sign-pkcs1-3072-sha256" | "rsa-sign-pkcs1-4096-sha256" => {
            Algorithm::RsaPkcs1Sha256
        }
        "rsa-sign-pkcs1-4096-sha512" => Algorithm::RsaPkcs1Sha512,
        "ecdsa-p256-sha256" | "ec-sign-p256-sha256" => Algorithm::EcdsaSha256,
        "ecdsa-p384-sha384" | "ec-sign-p384-sha384" => Algorithm::EcdsaSha384,
        "ecdsa-p521-sha512" | "ec-sign-p521-sha512" => Algorithm::EcdsaSha512,
        _ => return None,
    })
}
