//! Signatures by certificates of minutes: Sigstore bundles v0.1 to v0.3, and cosign's classic layout with a certificate.
//!
//! sigstore-verify checks the bundle: chain and certificate transparency log of the certificate at the signed time, log
//! entries, timestamps, and that all of them are about this signature (docs/design/keyless.md). Before, the sizes are
//! checked here; after, who signed what. A bundle is verified with one trusted root after the other, never with a
//! mixture of them.

pub(super) mod bounds;
pub(super) mod classic;
mod error;
mod managed;

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use sigstore_verify::types::{Artifact, ArtifactDigest, Bundle, HashAlgorithm};
use sigstore_verify::{Policy, VerificationPolicy, VerificationResult, Verifier};

use self::bounds::Material;
pub use self::classic::CertificateAnnotations;
pub use self::error::KeylessError;
pub(super) use self::managed::Logged;
use super::bundle::{MAX_ATTESTATION_BYTES, MAX_BUNDLE_BYTES};
use super::{Attachment, SignatureError, Signed, Subject, dsse, simple, statement};
use crate::digest::{Algorithm, Digest, bytes_of_hex};
use crate::trust::{KeylessSet, LogUse, SigningCertificate, TrustedRoot};

/// The signers of a keyless authenticator, and the time of the check.
#[derive(Clone, Copy)]
pub(super) struct ByCertificate<'a> {
    pub(super) set: &'a KeylessSet,
    pub(super) now: Timestamp,
}

pub(super) fn verify(
    attachment: &Attachment,
    by: ByCertificate<'_>,
    subject: &Subject<'_>,
) -> Result<Signed, SignatureError> {
    match attachment {
        Attachment::SimpleSigning { payload, signature, certificate, .. } => {
            simple::check_size(payload)?;
            let certificate = certificate.as_deref().ok_or(KeylessError::Key)?;
            let bundle = classic::bundle(signature, certificate, by.set.logs(), Material::Certificate)?;
            let (signed, _) = by.check(&bundle, &Artifact::Blob(payload))?;
            simple::check_claim(payload, subject)?;
            Ok(signed)
        }
        Attachment::Bundle { document, .. } => {
            let content = bounds::check(document, by.set.logs(), Material::Certificate, MAX_BUNDLE_BYTES)?;
            let (payload, _) = dsse::read(content.envelope)?;
            // Whatever digest the statement is about: that it is about the subject is checked below, with its own error.
            let artifact = Artifact::Digest(artifact_of(&statement::first_digest(&payload)?)?);
            let (signed, _) = by.check(content.text, &artifact)?;
            statement::check(&payload, subject)?;
            Ok(signed)
        }
        Attachment::Notation { .. }
        | Attachment::Attestation { .. }
        | Attachment::Gpg { .. }
        | Attachment::Grafeas { .. } => {
            Err(SignatureError::OtherKind { found: attachment.format(), kind: "keyless" })
        }
    }
}

/// Who signed the statement of a bundle, and when; `digest` is the first one of the statement.
pub(super) fn attested(
    by: ByCertificate<'_>,
    document: &[u8],
    digest: &Digest,
) -> Result<(Signed, Timestamp), SignatureError> {
    let content = bounds::check(document, by.set.logs(), Material::Certificate, MAX_ATTESTATION_BYTES)?;
    Ok(by.check(content.text, &Artifact::Digest(artifact_of(digest)?))?)
}

/// The same of an envelope, with the annotations beside it.
pub(super) fn envelope(
    by: ByCertificate<'_>,
    document: &[u8],
    certificate: &CertificateAnnotations,
    digest: &Digest,
) -> Result<(Signed, Timestamp), SignatureError> {
    let bundle = classic::envelope_bundle(document, certificate, by.set.logs(), Material::Certificate)?;
    Ok(by.check(&bundle, &Artifact::Digest(artifact_of(digest)?))?)
}

/// A digest as the library takes it.
fn artifact_of(digest: &Digest) -> Result<ArtifactDigest, SignatureError> {
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => HashAlgorithm::Sha2256,
        Algorithm::Sha512 => HashAlgorithm::Sha2512,
    };
    let bytes = bytes_of_hex(digest.hex()).unwrap_or_default();
    ArtifactDigest::new(algorithm, bytes).map_err(|_| KeylessError::Malformed.into())
}

impl ByCertificate<'_> {
    /// Verifies a bundle about `artifact` with each trusted root, and returns who signed, and the first signed time of that.
    fn check(self, bundle: &str, artifact: &Artifact<'_>) -> Result<(Signed, Timestamp), KeylessError> {
        let bundle = Bundle::from_json(bundle).map_err(|_| KeylessError::Malformed)?;
        let der = bundle.signing_certificate().ok_or(KeylessError::Key)?;
        let policy = match self.set.logs() {
            LogUse::Required => VerificationPolicy::any_identity(),
            // The root has no logs, which was checked when it was loaded.
            LogUse::None => VerificationPolicy::any_identity().skip_sct().skip_tlog_unsafe(),
        };
        let evidence = |result: &VerificationResult| self.check_evidence(result);
        let signed = Content { bundle: &bundle, artifact, now: self.now };
        let time = signed.check(self.set.roots(), &policy, &evidence)?.ok_or(KeylessError::Malformed)?;
        let certificate = SigningCertificate::from_der(der.as_bytes())?;
        let identity = self.set.rule().identify(&certificate).map_err(KeylessError::Identity)?;
        // Not always a key of minutes: `cosign sign --key --issue-certificate` has a certificate for a key that is kept.
        let keys = vec![certificate.key().to_owned()];
        Ok((Signed { identity, keys, demand: None, until: None }, time))
    }

    /// That the library checked what the policy demands, and with signed times that have come; the first of them.
    fn check_evidence(self, result: &VerificationResult) -> Result<Option<Timestamp>, KeylessError> {
        let logs = self.set.logs() == LogUse::None || (result.sct_verified() && result.tlog_verified());
        let times = result.verified_timestamps();
        if !result.certificate_verified() || !logs {
            return Err(KeylessError::Malformed);
        }
        check_past(times, self.now)?.ok_or(KeylessError::Malformed).map(Some)
    }
}

/// Checks that signed times have come, and returns the first.
fn check_past(times: &[Timestamp], now: Timestamp) -> Result<Option<Timestamp>, KeylessError> {
    match times.iter().find(|time| **time > now) {
        Some(time) => Err(KeylessError::Future { time: *time }),
        None => Ok(times.iter().min().copied()),
    }
}

/// A bundle, and what it is about.
#[derive(Clone, Copy)]
struct Content<'a> {
    bundle: &'a Bundle,
    artifact: &'a Artifact<'a>,
    now: Timestamp,
}

impl Content<'_> {
    /// Verifies it with one trusted root after the other, until one suffices for `evidence` too. Returns the first signed
    /// time.
    fn check(
        self,
        roots: &[TrustedRoot],
        policy: &dyn Policy,
        evidence: &dyn Fn(&VerificationResult) -> Result<Option<Timestamp>, KeylessError>,
    ) -> Result<Option<Timestamp>, KeylessError> {
        let mut furthest = KeylessError::Malformed;
        for root in roots {
            let checked = self.check_with(root.verifier(), policy).and_then(|result| {
                let time = evidence(&result)?;
                self.check_logs(root, policy, result.verified_timestamps())?;
                Ok(time)
            });
            let error = match checked {
                Ok(time) => return Ok(time),
                Err(error) => self.in_time(root, policy, error),
            };
            if error.fault() >= furthest.fault() {
                furthest = error;
            }
        }
        Err(furthest)
    }

    fn check_with(
        self,
        verifier: &Verifier,
        policy: &dyn Policy,
    ) -> Result<VerificationResult, KeylessError> {
        // A panic of the library refuses this signature, and does not keep others from being checked.
        let verify = AssertUnwindSafe(|| verifier.verify(self.artifact.clone(), self.bundle, policy));
        Ok(catch_unwind(verify).map_err(|_| KeylessError::Malformed)??)
    }

    /// Checks that each log was valid at a signed time, or is now: the library applies the end of a log to the times that
    /// the log itself signed, which an entry with an inclusion proof alone, or of Rekor v2, does not have
    /// (sigstore-crypto `Keyring::keys_by_hint`).
    fn check_logs(
        self,
        root: &TrustedRoot,
        policy: &dyn Policy,
        signed: &[Timestamp],
    ) -> Result<(), KeylessError> {
        let times = [signed, &[self.now]].concat();
        let Some(verifier) = root.with_logs_of(&times) else { return Ok(()) };
        let verifier = verifier.map_err(|_| KeylessError::RootOutside)?;
        self.check_with(&verifier, policy).map(drop).map_err(|_| KeylessError::RootOutside)
    }

    /// The error, or that the root was not valid at the time if nothing else is wrong. It decides about the reason alone.
    fn in_time(self, root: &TrustedRoot, policy: &dyn Policy, error: KeylessError) -> KeylessError {
        match root.timeless() {
            Some(timeless) if error.can_be_of_time() && self.check_with(timeless, policy).is_ok() => {
                KeylessError::RootOutside
            }
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests;
