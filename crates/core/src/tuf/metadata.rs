//! Signed metadata of any role.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::content::Content;
use super::role::Root;
use super::{MAX_METADATA_BYTES, MAX_TIMESTAMP_BYTES, Role, TufError, canonical};
use crate::digest::bytes_of_hex;
use crate::json::{self, Bounds, Keys};

const BOUNDS: Bounds = Bounds { depth: 16, values: 1 << 14, keys: Keys::Exact };
/// Maximum number of signatures: each costs a public-key operation.
const MAX_SIGNATURES: usize = 64;

/// Metadata with signatures, which are not verified yet.
#[derive(Clone, Debug)]
pub(super) struct Metadata<T> {
    pub(super) version: u64,
    pub(super) expires: Timestamp,
    pub(super) signed: T,
    signatures: Vec<Signature>,
    /// What the signatures cover.
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, Deserialize)]
struct Signature {
    keyid: String,
    /// Hexadecimal; empty for a signer who has not signed yet.
    sig: String,
}

#[derive(Deserialize)]
struct Envelope {
    signatures: Vec<Signature>,
    signed: Value,
}

/// What all roles have.
#[derive(Deserialize)]
struct Common {
    #[serde(rename = "_type")]
    role: String,
    spec_version: String,
    version: u64,
    expires: String,
}

impl<T: Content> Metadata<T> {
    /// Parses metadata of this role.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TufError> {
        let limit = if T::ROLE == Role::Timestamp { MAX_TIMESTAMP_BYTES } else { MAX_METADATA_BYTES };
        if bytes.len() > limit {
            return Err(TufError::TooLarge { what: T::ROLE, found: bytes.len(), limit });
        }
        let malformed = |why| move |_| TufError::Malformed { why };
        let document = json::parse(bytes, BOUNDS)?;
        let envelope: Envelope =
            serde_json::from_value(document).map_err(malformed("`signed` or `signatures` is missing"))?;
        if envelope.signatures.len() > MAX_SIGNATURES {
            return Err(TufError::Malformed { why: "more than 64 signatures" });
        }
        let common = Common::deserialize(&envelope.signed)
            .map_err(malformed("a field of `signed` is missing or has the wrong type"))?;
        if common.role != T::ROLE.name() {
            return Err(TufError::OtherRole { expected: T::ROLE });
        }
        if common.spec_version.split('.').next() != Some("1") {
            return Err(TufError::Malformed { why: "`spec_version` is not 1" });
        }
        if common.version == 0 {
            return Err(TufError::Malformed { why: "`version` is 0" });
        }
        let expires = common.expires.parse();
        let expires = expires.map_err(|_| TufError::Malformed { why: "`expires` is not a time" })?;
        let mut signed = Vec::with_capacity(bytes.len());
        canonical::write(&envelope.signed, &mut signed)?;
        Ok(Self {
            version: common.version,
            expires,
            signed: serde_json::from_value(envelope.signed)
                .map_err(malformed("a field of the role is missing or has the wrong type"))?,
            signatures: envelope.signatures,
            bytes: signed,
        })
    }

    /// Parses metadata of this role that enough of its keys in `root` have signed.
    pub(super) fn verified(bytes: &[u8], root: &Root) -> Result<Self, TufError> {
        let metadata = Self::parse(bytes)?;
        metadata.check_signed_by(root)?;
        Ok(metadata)
    }

    /// The bytes that are signed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks that enough keys of the role in `root` have signed. A key that has two identifiers counts once.
    pub(super) fn check_signed_by(&self, root: &Root) -> Result<(), TufError> {
        let role = T::ROLE;
        let (keyids, threshold) = root.signers_of(role)?;
        let mut found = BTreeSet::new();
        for signature in self.signatures.iter().filter(|signature| keyids.contains(&signature.keyid)) {
            let key = root.keys.get(&signature.keyid).and_then(super::key::Key::public);
            let Some((key, bytes)) = key.zip(bytes_of_hex(&signature.sig)) else { continue };
            if let Ok(valid) = key.verify(&self.bytes, &bytes) {
                found.insert(valid.fingerprint().to_owned());
            }
        }
        let found = found.len();
        if found < threshold { Err(TufError::Threshold { role, found, threshold }) } else { Ok(()) }
    }

    /// Checks that it has not expired.
    pub(super) fn check_time(&self, role: Role, now: Timestamp) -> Result<(), TufError> {
        if self.expires <= now { Err(TufError::Expired { role, expires: self.expires }) } else { Ok(()) }
    }
}
