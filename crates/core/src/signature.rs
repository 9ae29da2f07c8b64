//! Verifies signatures: from bytes found in a registry to a proof that a signer signed this digest.
//!
//! Every format is checked in the same order: limits, then the signature over the exact bytes, and only then the
//! content, strictly. Unsigned data chooses nothing: hints, media types of layers and named algorithms are ignored. No
//! I/O; the time is an argument. No error is ever a success, and one broken attachment does not affect the next.

mod annotations;
pub mod attestation;
mod attestor;
mod bundle;
mod certified;
mod dsse;
mod error;
mod fault;
mod fields;
pub mod fuzzing;
mod gpg;
mod keyless;
mod notation;
mod payload;
mod pki;
mod repository;
mod simple;
mod statement;
mod timestamp;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

pub use self::attestor::{
    Attempts, AttestorError, ENVELOPE_PAYLOAD_TYPE, Listing as GrafeasListing, MAX_GRAFEAS_BYTES,
    MAX_TOKEN_BYTES, is_envelope,
};
pub use self::bundle::{MAX_BUNDLE_BYTES, MEDIA_TYPE as BUNDLE_MEDIA_TYPE};
pub use self::certified::CertifiedError;
pub use self::dsse::{PAYLOAD_TYPE as STATEMENT_MEDIA_TYPE, pre_authentication_encoding};
pub use self::error::SignatureError;
pub use self::fault::{Fault, SignatureKind};
pub use self::fields::FieldError;
use self::keyless::{ByCertificate, Logged};
pub use self::keyless::{CertificateAnnotations, KeylessError};
use self::notation::Signer as NotationSigner;
pub use self::notation::{
    ARTIFACT_TYPE as NOTATION_ARTIFACT_TYPE, EnvelopeType, MAX_ENVELOPE_BYTES as MAX_NOTATION_BYTES,
    MEDIA_TYPES as NOTATION_MEDIA_TYPES, NotationError, OwnSignature as OwnNotationSignature,
    UnsignedEnvelope, own_signature as own_notation_signature,
};
pub use self::payload::{names_in_payload, simple_payload, usual_payloads};
pub use self::repository::{REPOSITORY_ANNOTATION, RepositoryIdentity};
pub use self::simple::MAX_PAYLOAD_BYTES;
pub use self::statement::{MAX_SUBJECTS, PREDICATE_TYPE, STATEMENT_TYPE};
pub use self::timestamp::{
    Stamp, StampError, TimestampError, TimestampRequest, check_response as check_timestamp_response,
};
use crate::digest::Digest;
use crate::trust::x509::FetchedCrls;
use crate::trust::{
    Authenticator, Identity, Key, KeySet, MAX_SIGNATURE_BYTES, PublicKey, RemoteCheck, Signers, TrustError,
    Valid,
};

/// Something found beside an image that may be a signature of it.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// A layer of cosign's legacy layout: a simple-signing payload, and a signature in the layer's annotation.
    SimpleSigning {
        /// Where it was found, for messages.
        place: String,
        /// The bytes of the layer.
        payload: Bytes,
        /// The value of the annotation `dev.cosignproject.cosign/signature`.
        signature: String,
        /// The annotations beside it, if they have a certificate or a log entry.
        certificate: Option<Arc<CertificateAnnotations>>,
    },
    /// A Sigstore bundle, as a referrer carries it.
    Bundle {
        /// Where it was found, for messages.
        place: String,
        /// The bytes of the layer.
        document: Bytes,
    },
    /// An envelope of the Notary Project, as a referrer carries it.
    Notation {
        /// Where it was found, for messages.
        place: String,
        /// The bytes of the layer.
        document: Bytes,
    },
    /// A DSSE envelope under cosign's `.att` tag: never a signature of the image, see [`attestation`].
    Attestation {
        /// Where it was found, for messages.
        place: String,
        /// The bytes of the layer.
        document: Bytes,
        /// The annotations beside it, if they have a certificate.
        certificate: Option<Arc<CertificateAnnotations>>,
    },
    /// A signed OpenPGP message with a simple-signing payload, as a lookaside server has it.
    Gpg {
        /// Where it was found, for messages.
        place: String,
        /// The bytes of the file.
        document: Bytes,
    },
    /// An attestation of Binary Authorization or kritis: an occurrence of Grafeas, or a DSSE envelope with a simple-signing
    /// payload.
    Grafeas {
        /// Where it was found, for messages.
        place: String,
        /// The bytes of the file, or of the layer.
        document: Bytes,
    },
}

impl Attachment {
    /// Where it was found, for messages.
    pub fn place(&self) -> &str {
        match self {
            Self::SimpleSigning { place, .. }
            | Self::Bundle { place, .. }
            | Self::Notation { place, .. }
            | Self::Attestation { place, .. }
            | Self::Gpg { place, .. }
            | Self::Grafeas { place, .. } => place,
        }
    }

    /// Its format, not verified.
    pub fn format(&self) -> Format {
        match self {
            Self::SimpleSigning { .. } => Format::SimpleSigning,
            Self::Bundle { .. } => Format::Bundle,
            Self::Notation { .. } => Format::Notation,
            Self::Attestation { .. } => Format::Attestation,
            Self::Gpg { .. } => Format::Gpg,
            Self::Grafeas { .. } => Format::Grafeas,
        }
    }
}

/// A signature format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Simple signing: signs a digest and a repository.
    SimpleSigning,
    /// A Sigstore bundle with a DSSE envelope: signs a digest only, as cosign writes it.
    Bundle,
    /// An envelope of the Notary Project: signs a digest only.
    Notation,
    /// A DSSE envelope with an attestation, which is not a signature.
    Attestation,
    /// Simple signing by GPG: signs a digest and a repository.
    Gpg,
    /// An attestation of Binary Authorization or kritis: signs a digest and a repository.
    Grafeas,
}

impl Format {
    /// All formats of signatures.
    pub const ALL: [Self; 5] = [Self::SimpleSigning, Self::Bundle, Self::Notation, Self::Gpg, Self::Grafeas];

    /// The layout in which a registry keeps it: the word in the policy.
    #[must_use]
    pub fn layout(self) -> &'static str {
        match self {
            Self::SimpleSigning => "classic",
            Self::Bundle => "bundle",
            Self::Notation => "notation",
            Self::Attestation => "attestation",
            Self::Gpg => "lookaside",
            Self::Grafeas => "grafeas",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SimpleSigning => "simple signing",
            Self::Bundle => "sigstore bundle",
            Self::Notation => "Notation signature",
            Self::Attestation => "attestation",
            Self::Gpg => "GPG signature",
            Self::Grafeas => "Grafeas attestation",
        })
    }
}

/// What a signature must be for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The digest of the manifest or index.
    pub digest: &'a Digest,
    /// Its media type as the registry reported it, and its size in bytes: what a Notation signature names too.
    pub content: (&'a str, usize),
    /// The repositories that a simple-signing payload may contain, canonical (`docker.io/library/nginx`): that of the
    /// image, and the aliases of the policy.
    pub repositories: &'a [String],
    /// The annotations that must be signed with it, with exactly these values.
    pub annotations: &'a BTreeMap<String, String>,
    /// Whether a bundle or a Notation signature must name one of the repositories.
    pub identity: RepositoryIdentity,
}

/// What is known when a signature is verified.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The time.
    pub now: Timestamp,
    /// The lists of revoked certificates that were fetched.
    pub crls: &'a FetchedCrls,
    /// What verifying the attestations of attestors may still cost.
    pub attempts: &'a Attempts,
}

/// Proof that a signer of an authenticator signed the subject, or an attestation of it that meets a condition; only [`verify`]
/// and [`attestation::StatementTerms::judge`] make one. If it has a remote check, it
/// counts only after the service of the key has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Proof {
    authenticator: String,
    identity: Identity,
    keys: Vec<String>,
    format: Format,
    demand: Option<Arc<RemoteCheck>>,
    until: Option<Timestamp>,
    condition: Option<String>,
}

impl Proof {
    /// The name of the authenticator that recognises the signer.
    pub fn authenticator(&self) -> &str {
        &self.authenticator
    }

    /// Who signed: a quorum counts distinct identities.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The fingerprints of the keys that show the holder of the identity, as [`PublicKey::fingerprint`] writes them: two
    /// identities with one key count once.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The format of the signature.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The remote check that must succeed before the proof counts; `None` for most keys.
    pub fn demand(&self) -> Option<&Arc<RemoteCheck>> {
        self.demand.as_ref()
    }

    /// The condition of the policy that an attestation meets; `None` for a signature of the image.
    pub fn condition(&self) -> Option<&str> {
        self.condition.as_deref()
    }

    /// The last instant at which it is right, if that does not follow from the authenticator: the signature expires, or a
    /// certificate that came with it, or the attestation becomes too old.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

/// Verifies that `attachment` is a signature of `subject` that counts for `authenticator` at `now`.
///
/// # Errors
/// In all other cases. The kinds of errors are stable; see [`SignatureError`].
pub fn verify(
    attachment: &Attachment,
    authenticator: &Authenticator,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Result<Proof, SignatureError> {
    let known = Known { now, crls: &FetchedCrls::default(), attempts: &Attempts::default() };
    verify_knowing(attachment, authenticator, subject, known)
}

/// As [`verify`], where lists of revoked certificates were fetched. Those that were missing are in
/// [`SignatureError::crls_to_fetch`].
///
/// # Errors
/// As [`verify`].
pub fn verify_knowing(
    attachment: &Attachment,
    authenticator: &Authenticator,
    subject: &Subject<'_>,
    known: Known<'_>,
) -> Result<Proof, SignatureError> {
    let now = known.now;
    let signed: Signed = match authenticator.signers() {
        Signers::Keys(keys) => by_key(attachment, By { keys, now }, subject)?.into(),
        Signers::Keyless(set) => keyless::verify(attachment, ByCertificate { set, now }, subject)?,
        Signers::Pki(set) => pki::verify(attachment, set, subject, known)?,
        Signers::Notation(set) => match attachment {
            Attachment::Notation { document, .. } => notation::verify(document, set, subject, known)?.into(),
            other => return Err(SignatureError::OtherKind { found: other.format(), kind: "notation" }),
        },
        Signers::Gpg(set) => match attachment {
            Attachment::Gpg { document, .. } => gpg::verify(document, set, subject, now)?,
            other => return Err(SignatureError::OtherKind { found: other.format(), kind: "gpg" }),
        },
        Signers::Attestor(set) => match attachment {
            Attachment::Grafeas { document, .. } => attestor::verify(document, set, subject, known)?,
            other => return Err(SignatureError::OtherKind { found: other.format(), kind: "attestor" }),
        },
    };
    Ok(Proof {
        authenticator: authenticator.name().to_owned(),
        identity: signed.identity,
        keys: signed.keys,
        format: attachment.format(),
        demand: signed.demand,
        until: signed.until,
        condition: None,
    })
}

/// Whether signatures of this format can count for these signers.
#[must_use]
pub fn reads(signers: &Signers, format: Format) -> bool {
    match signers {
        Signers::Keys(_) | Signers::Keyless(_) | Signers::Pki(_) => {
            matches!(format, Format::SimpleSigning | Format::Bundle)
        }
        Signers::Notation(_) => format == Format::Notation,
        Signers::Gpg(_) => format == Format::Gpg,
        Signers::Attestor(_) => format == Format::Grafeas,
    }
}

/// Whether attestations by these signers can be verified.
#[must_use]
pub fn reads_attestations(signers: &Signers) -> bool {
    matches!(signers, Signers::Keys(_) | Signers::Keyless(_) | Signers::Pki(_))
}

/// What each kind of authenticator returns for a signature that counts.
#[derive(Debug)]
struct Signed {
    identity: Identity,
    /// As of [`Proof::keys`].
    keys: Vec<String>,
    demand: Option<Arc<RemoteCheck>>,
    /// As of [`Proof::until`].
    until: Option<Timestamp>,
}

impl From<Valid> for Signed {
    fn from(valid: Valid) -> Self {
        let key = valid.fingerprint();
        Self {
            identity: Identity::key(key),
            keys: vec![key.to_owned()],
            demand: valid.demand().cloned(),
            until: None,
        }
    }
}

impl From<NotationSigner> for Signed {
    fn from(signer: NotationSigner) -> Self {
        let (identity, keys) = (signer.identity().clone(), vec![signer.key().to_owned()]);
        Self { identity, keys, demand: None, until: signer.valid_until() }
    }
}

fn by_key(attachment: &Attachment, by: By<'_>, subject: &Subject<'_>) -> Result<Valid, SignatureError> {
    match attachment {
        Attachment::SimpleSigning { payload, signature, certificate, .. } => {
            let verified = simple::verify(payload, signature, by, subject);
            let has_certificate = certificate.as_ref().is_some_and(|it| it.certificate.is_some());
            let valid = verified.map_err(|error| match error {
                SignatureError::Untrusted(_) if has_certificate => {
                    SignatureError::ByCertificate { what: "signature has a certificate (keyless signing)" }
                }
                error => error,
            })?;
            let check = |log: Logged<'_>| log.check_classic(payload, signature, certificate.as_deref());
            by.check_log(valid, check)
        }
        Attachment::Bundle { document, .. } => {
            let valid = bundle::verify(document, by, subject)?;
            by.check_log(valid, |log| log.check_bundle(document))
        }
        Attachment::Notation { .. }
        | Attachment::Attestation { .. }
        | Attachment::Gpg { .. }
        | Attachment::Grafeas { .. } => {
            Err(SignatureError::OtherKind { found: attachment.format(), kind: "key" })
        }
    }
}

/// Verifies that a Sigstore bundle is a signature of `digest` by `key`, and returns the annotations that it signs. For
/// a signer, which must not sign the same image twice.
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
    let keys = KeySet::new("signer".to_owned(), vec![key]).map_err(SignatureError::Untrusted)?;
    bundle::annotations(document, By { keys: &keys, now }, digest)
}

/// The keys of which one must have signed, and the time of the check.
#[derive(Clone, Copy)]
struct By<'a> {
    keys: &'a KeySet,
    now: Timestamp,
}

impl By<'_> {
    /// Checks the log entry of a valid signature, if the authenticator requires one.
    fn check_log(
        self,
        valid: Valid,
        check: impl FnOnce(Logged<'_>) -> Result<(), SignatureError>,
    ) -> Result<Valid, SignatureError> {
        let roots = self.keys.log_roots();
        if roots.is_empty() {
            return Ok(valid);
        }
        let key = self.keys.keys().iter().find(|key| key.public.fingerprint() == valid.fingerprint());
        let key = &key.ok_or(KeylessError::Malformed)?.public;
        check(Logged { roots, key, now: self.now })?;
        Ok(valid)
    }

    fn verify(self, message: &[u8], signature: &[u8]) -> Result<Valid, SignatureError> {
        self.keys.verify(message, signature, self.now).map_err(|error| match error {
            TrustError::OutsideWindow { .. } => SignatureError::OutsideWindow(error),
            TrustError::NoKeyNow { .. } => SignatureError::NoKeyNow(error),
            _ => SignatureError::Untrusted(error),
        })
    }
}

/// Decodes the base64 of a signature, accepting one encoding only: standard alphabet, padded, no white space (RFC 4648
/// section 4, unused bits zero).
fn decode_signature(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    let limit = MAX_SIGNATURE_BYTES.div_ceil(3) * 4;
    if text.len() > limit {
        return Err(SignatureError::TooLarge { what, found: text.len(), limit });
    }
    decode_base64(what, text)
}

fn too_large(what: &'static str, found: usize, limit: usize) -> SignatureError {
    SignatureError::TooLarge { what, found, limit }
}

fn decode_base64(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    STANDARD.decode(text).map_err(|_| SignatureError::Base64 { what })
}

#[cfg(test)]
mod tests;
