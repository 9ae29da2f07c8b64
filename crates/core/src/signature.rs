//! Verifies signatures: from bytes found in a registry to a proof that a key signed this digest.
//!
//! Every format is checked in the same order: bounds, then the signature over the exact bytes, and only then the
//! content, strictly. Nothing unsigned chooses anything: hints, media types of layers and named algorithms are ignored.
//! No I/O; the time is an argument. An error of any kind is never a success, and one broken attachment does not
//! affect the next.

mod bundle;
mod dsse;
mod fields;
mod simple;
mod statement;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

pub use self::bundle::{MAX_BUNDLE_BYTES, MEDIA_TYPE as BUNDLE_MEDIA_TYPE};
pub use self::dsse::{PAYLOAD_TYPE as STATEMENT_MEDIA_TYPE, pre_authentication_encoding};
pub use self::fields::FieldError;
pub use self::simple::MAX_PAYLOAD_BYTES;
pub use self::statement::{MAX_SUBJECTS, PREDICATE_TYPE, STATEMENT_TYPE};
use crate::digest::Digest;
use crate::trust::{Authenticator, Key, MAX_SIGNATURE_BYTES, PublicKey, RemoteCheck, TrustError, Valid};
use crate::untrusted::Quoted;

/// Something found beside an image that may be a signature of it.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// A layer of cosign's classic layout: a simple-signing payload, and a signature in the layer's annotation.
    SimpleSigning {
        /// Where it was found, for people.
        place: String,
        /// The bytes of the layer.
        payload: Bytes,
        /// The annotation `dev.cosignproject.cosign/signature` as found.
        signature: String,
    },
    /// A Sigstore bundle, as a referrer carries it.
    Bundle {
        /// Where it was found, for people.
        place: String,
        /// The bytes of the layer.
        document: Bytes,
    },
}

impl Attachment {
    /// Where it was found, for people.
    pub fn place(&self) -> &str {
        match self {
            Self::SimpleSigning { place, .. } | Self::Bundle { place, .. } => place,
        }
    }

    /// The format it claims to have.
    pub fn format(&self) -> Format {
        match self {
            Self::SimpleSigning { .. } => Format::SimpleSigning,
            Self::Bundle { .. } => Format::Bundle,
        }
    }
}

/// A signature format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Simple signing: binds a digest and a repository.
    SimpleSigning,
    /// A Sigstore bundle with a DSSE envelope: binds a digest alone, as cosign writes it.
    Bundle,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SimpleSigning => "simple signing",
            Self::Bundle => "sigstore bundle",
        })
    }
}

/// What a signature must be about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The digest of the manifest or index.
    pub digest: &'a Digest,
    /// The repositories a simple-signing payload may name, canonical (`docker.io/library/nginx`): the image's own, and
    /// those a policy accepts in its stead.
    pub repositories: &'a [String],
}

/// Proof that a key of an authenticator signed the subject: only [`verify`] makes one. Where it carries a demand it counts
/// only once the service of the key has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Proof {
    authenticator: String,
    fingerprint: String,
    format: Format,
    demand: Option<Arc<RemoteCheck>>,
}

impl Proof {
    /// The name of the authenticator.
    pub fn authenticator(&self) -> &str {
        &self.authenticator
    }

    /// The fingerprint of the key: what to count when several must have signed.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The format of the signature.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the service of the key has to confirm before the proof counts; nothing, for most keys.
    pub fn demand(&self) -> Option<&Arc<RemoteCheck>> {
        self.demand.as_ref()
    }
}

/// Checks that `attachment` is a signature of `subject` by a key of `authenticator` that is valid at `now`.
///
/// # Errors
/// Whatever else it is. The kind of error has a meaning that stays; see [`SignatureError`].
pub fn verify(
    attachment: &Attachment,
    authenticator: &Authenticator,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Result<Proof, SignatureError> {
    let by = By { authenticator, now };
    let valid = match attachment {
        Attachment::SimpleSigning { payload, signature, .. } => {
            simple::verify(payload, signature, by, subject)?
        }
        Attachment::Bundle { document, .. } => bundle::verify(document, by, subject.digest)?,
    };
    Ok(Proof {
        authenticator: authenticator.name().to_owned(),
        fingerprint: valid.fingerprint().to_owned(),
        format: attachment.format(),
        demand: valid.demand().cloned(),
    })
}

/// Checks that a Sigstore bundle is a signature of `digest` by `key`, and gives the annotations that it signs with it: for
/// whoever is about to sign, and must not do it twice.
///
/// # Errors
/// As [`verify`].
pub fn bundle_annotations(
    document: &[u8],
    key: &PublicKey,
    digest: &Digest,
) -> Result<Map<String, Value>, SignatureError> {
    let now = Timestamp::UNIX_EPOCH;
    let origin = "signer".to_owned();
    let key = Key { public: key.clone(), not_before: None, not_after: None, origin, remote: None };
    let authenticator =
        Authenticator::new("signer".to_owned(), vec![key]).map_err(SignatureError::Untrusted)?;
    bundle::annotations(document, By { authenticator: &authenticator, now }, digest)
}

/// Who must have signed, and when that is asked.
#[derive(Clone, Copy)]
struct By<'a> {
    authenticator: &'a Authenticator,
    now: Timestamp,
}

impl By<'_> {
    fn verify(self, message: &[u8], signature: &[u8]) -> Result<Valid, SignatureError> {
        self.authenticator.verify(message, signature, self.now).map_err(|error| match error {
            TrustError::OutsideWindow { .. } => SignatureError::OutsideWindow(error),
            TrustError::NoKeyNow { .. } => SignatureError::NoKeyNow(error),
            _ => SignatureError::Untrusted(error),
        })
    }
}

/// The bytes of a signature, of which the text may hold no other spelling: standard alphabet, padded, no white space
/// (RFC 4648 section 4, unused bits zero).
fn decode_signature(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    let limit = MAX_SIGNATURE_BYTES.div_ceil(3) * 4;
    if text.len() > limit {
        return Err(SignatureError::TooLarge { what, found: text.len(), limit });
    }
    decode_base64(what, text)
}

fn decode_base64(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    STANDARD.decode(text).map_err(|_| SignatureError::Base64 { what })
}

/// Why an attachment is not a valid signature of the subject.
///
/// Text of the attachment appears only as [`Quoted`], so that every message is one short line.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A part is longer than its bound.
    #[error("{what} has {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// Its bound in bytes.
        limit: usize,
    },
    /// A part is not base64 in the one form that is read.
    #[error("{what} is not base64 (standard alphabet, padded, no white space)")]
    Base64 {
        /// Which part.
        what: &'static str,
    },
    /// A part is not the JSON it must be.
    #[error("{what} is malformed")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        cause: FieldError,
    },
    /// No key of the authenticator verifies the signature.
    #[error(transparent)]
    Untrusted(TrustError),
    /// A key verifies the signature, but is not valid now.
    #[error(transparent)]
    OutsideWindow(TrustError),
    /// The authenticator has no key that is valid now.
    #[error(transparent)]
    NoKeyNow(TrustError),
    /// A trusted key signed something else.
    #[error("signature is for another digest, {found}")]
    OtherDigest {
        /// The digest it names.
        found: Quoted,
    },
    /// A trusted key signed this digest under another name.
    #[error("signature is for another repository, {found}")]
    OtherRepository {
        /// The reference it names.
        found: Quoted,
    },
    /// A part declares another format.
    #[error("{what} has type {found}, which is not a signature of an image")]
    WrongType {
        /// Which part.
        what: &'static str,
        /// The type it names.
        found: Quoted,
    },
    /// A trusted key attested something else about the digest.
    #[error("statement has predicate type {found}: an attestation is not a signature")]
    WrongPredicate {
        /// The predicate type it names.
        found: Quoted,
    },
    /// There are more or fewer of something than a signature has.
    #[error("{what}: {found} found")]
    Count {
        /// Of what, and how many there must be.
        what: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A well-known form that is not verified with a key.
    #[error("{what}, which a key does not verify")]
    Unsupported {
        /// What was found.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;
