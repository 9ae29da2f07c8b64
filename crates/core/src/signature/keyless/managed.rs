//! Log entries of signatures by keys (managed keys, as Sigstore calls them), where the authenticator requires one.
//!
//! That the key made the signature, and what is signed, is verified before. Here sigstore-verify checks that the log entry
//! is by a log of the trusted root, and about this signature, this key and this content.

use jiff::Timestamp;
use sigstore_verify::types::{Artifact, Bundle, DerPublicKey};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationResult};

use super::bounds::{self, Material};
use super::{CertificateAnnotations, Content, KeylessError, artifact_of, check_past, classic};
use crate::digest::Digest;
use crate::signature::bundle::{MAX_ATTESTATION_BYTES, MAX_BUNDLE_BYTES};
use crate::signature::{SignatureError, dsse, statement};
use crate::trust::{LogUse, PublicKey, TrustedRoot};

/// The roots of which a log must have an entry, the key that signed, and the time of the check.
#[derive(Clone, Copy)]
pub(in crate::signature) struct Logged<'a> {
    pub(in crate::signature) roots: &'a [TrustedRoot],
    pub(in crate::signature) key: &'a PublicKey,
    pub(in crate::signature) now: Timestamp,
}

impl Logged<'_> {
    /// Checks the entries of a bundle.
    pub(in crate::signature) fn check_bundle(self, document: &[u8]) -> Result<(), SignatureError> {
        let content = bounds::check(document, LogUse::Required, Material::Key, MAX_BUNDLE_BYTES)?;
        let (payload, _) = dsse::read(content.envelope)?;
        let digest = statement::first_digest(&payload)?;
        Ok(self.check(content.text, &Artifact::Digest(artifact_of(&digest)?))?)
    }

    /// Checks the entries of a bundle with an attestation; `digest` is the first one of its statement.
    pub(in crate::signature) fn check_attested(
        self,
        document: &[u8],
        digest: &Digest,
    ) -> Result<(), SignatureError> {
        let content = bounds::check(document, LogUse::Required, Material::Key, MAX_ATTESTATION_BYTES)?;
        Ok(self.check(content.text, &Artifact::Digest(artifact_of(digest)?))?)
    }

    /// The same of an envelope, with the annotations beside it.
    pub(in crate::signature) fn check_envelope(
        self,
        document: &[u8],
        annotations: Option<&CertificateAnnotations>,
        digest: &Digest,
    ) -> Result<(), SignatureError> {
        let annotations = annotations.ok_or(KeylessError::NoLogEntry("an inclusion promise"))?;
        let bundle = classic::envelope_bundle(document, annotations, LogUse::Required, Material::Key)?;
        Ok(self.check(&bundle, &Artifact::Digest(artifact_of(digest)?))?)
    }

    /// Checks the entry in the annotations of a layer.
    pub(in crate::signature) fn check_classic(
        self,
        payload: &[u8],
        signature: &str,
        annotations: Option<&CertificateAnnotations>,
    ) -> Result<(), SignatureError> {
        let annotations = annotations.ok_or(KeylessError::NoLogEntry("an inclusion promise"))?;
        let bundle = classic::bundle(signature, annotations, LogUse::Required, Material::Key)?;
        Ok(self.check(&bundle, &Artifact::Blob(payload))?)
    }

    pub(super) fn check(self, bundle: &str, artifact: &Artifact<'_>) -> Result<(), KeylessError> {
        let bundle = Bundle::from_json(bundle).map_err(|_| KeylessError::Malformed)?;
        let key = DerPublicKey::from_pem(&self.key.pem()).map_err(|_| KeylessError::Malformed)?;
        let policy = PublicKeyVerificationPolicy::new(key);
        let evidence = |result: &VerificationResult| {
            // The library calls a bundle without entries verified, too; `bounds` has refused those.
            if !result.tlog_verified() {
                return Err(KeylessError::Malformed);
            }
            check_past(result.verified_timestamps(), self.now)
        };
        let checked =
            Content { bundle: &bundle, artifact, now: self.now }.check(self.roots, &policy, &evidence);
        checked.map(drop).map_err(|error| match (error, latest(&bundle)) {
            // There is no certificate: the time of an entry can only be one that has not come.
            (KeylessError::OutsideCertificate, Some(time)) => KeylessError::Future { time },
            (error, _) => error,
        })
    }
}

/// The latest time that an entry of the bundle states.
fn latest(bundle: &Bundle) -> Option<Timestamp> {
    bundle.verification_material.tlog_entries.iter().filter_map(|entry| entry.integrated_time).max()
}
