//! What signatures by certificates of a CA have in common, whatever their format: the time at which the certificates must
//! be valid, and why they do not count.

use jiff::Timestamp;

use super::Fault;
use super::timestamp::{self, TimestampError};
use crate::trust::TimestampCheck;
use crate::trust::x509::{Chain, CrlSource, RevocationCheck, RevocationError, Store, X509Error};
use crate::untrusted::Quoted;

/// When the certificates of a signature must be valid: now, or at the time of a timestamp.
#[derive(Clone, Copy)]
pub(super) struct TimeRule<'a> {
    /// Roots of timestamp authorities. Without them timestamps are not looked at.
    pub(super) tsa: &'a Store,
    pub(super) timestamps: TimestampCheck,
    pub(super) revocation: RevocationCheck<'a>,
}

impl TimeRule<'_> {
    /// Checks a chain, whose signature is `signature`, with the timestamps of it that came with it. Returns the last instant
    /// at which the result is the same.
    pub(super) fn check(
        self,
        chain: &Chain,
        signature: &[u8],
        stamps: &[Vec<u8>],
    ) -> Result<Option<Timestamp>, CertifiedError> {
        let now = self.revocation.now;
        let at_expiry = self.timestamps == TimestampCheck::AfterExpiry && chain.expires() >= now;
        if self.tsa.is_empty() || at_expiry {
            chain.check_validity(now, now).map_err(CertifiedError::NotValidNow)?;
            return Ok(Some(chain.expires()));
        }
        let mut failed = CertifiedError::NoTimestamp;
        for token in stamps {
            match self.check_at(token, chain, signature) {
                Ok(until) => return Ok(until),
                Err(error) => failed = failed.or(error),
            }
        }
        Err(match self.timestamps {
            TimestampCheck::Always => failed,
            TimestampCheck::AfterExpiry => failed.after_expiry(chain, now),
        })
    }

    /// Checks a chain at the time of one timestamp.
    fn check_at(
        self,
        token: &[u8],
        chain: &Chain,
        signature: &[u8],
    ) -> Result<Option<Timestamp>, CertifiedError> {
        let stamped = timestamp::verify(token, signature, self.tsa, self.revocation)?;
        chain.check_validity(stamped.from, stamped.until).map_err(CertifiedError::Time)?;
        Ok(stamped.known_until)
    }
}

/// Why a signature by a certificate does not count. Text of the certificate appears only as [`Quoted`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum CertifiedError {
    #[error("certificate chain of the signature is not valid")]
    Chain(#[source] X509Error),
    /// A certificate was not valid when the signature was made.
    #[error(transparent)]
    Time(X509Error),
    /// A certificate is not valid now, and nothing shows when the signature was made.
    #[error(transparent)]
    NotValidNow(X509Error),
    /// The same, where timestamps count only then.
    #[error("{expired}")]
    Expired {
        expired: X509Error,
        #[source]
        timestamps: Box<Self>,
    },
    #[error("signature does not verify with the key of the signer's certificate {subject}")]
    Signature { subject: Quoted },
    #[error("certificate chain of {subject} contains no certificate of `{store}` of the authenticator")]
    Untrusted { subject: Quoted, store: &'static str },
    #[error(
        "certificate {subject} is trusted, but its name is not in `identities` or `names` of the authenticator"
    )]
    Identity { subject: Quoted },
    /// A certificate is revoked, or whether it is could not be found out.
    #[error(transparent)]
    Revoked(#[from] RevocationError),
    #[error("signature has no timestamp, but `tsa` and `timestamps` of the authenticator require one")]
    NoTimestamp,
    #[error("timestamp of the signature is not valid")]
    Timestamp(#[from] TimestampError),
}

impl CertifiedError {
    /// The error of several timestamps: lists to fetch before what is unknown, this before all that is certain, of which the
    /// last counts.
    fn or(self, later: Self) -> Self {
        use TimestampError::Revoked;
        match (self, later) {
            (
                Self::Timestamp(Revoked(RevocationError::NotFetched { mut sources })),
                Self::Timestamp(Revoked(RevocationError::NotFetched { sources: others })),
            ) => {
                sources.extend(others);
                Self::Timestamp(Revoked(RevocationError::NotFetched { sources }))
            }
            (earlier, later) if earlier.openness() > later.openness() => earlier,
            (_, later) => later,
        }
    }

    /// The error of the timestamps, where only those of certificates count that are expired: the clock may be fast. What is
    /// not known yet stays.
    fn after_expiry(self, chain: &Chain, now: Timestamp) -> Self {
        match chain.check_validity(now, now) {
            Err(expired) if self.openness() == 0 => Self::Expired { expired, timestamps: Box::new(self) },
            _ => self,
        }
    }

    /// How far another attempt may give another result.
    fn openness(&self) -> u8 {
        match self {
            Self::Timestamp(TimestampError::Revoked(RevocationError::NotFetched { .. })) => 2,
            Self::Timestamp(TimestampError::Revoked(RevocationError::Unknown { .. })) => 1,
            _ => 0,
        }
    }

    /// What of it has a reason code.
    pub(super) fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::Chain(_) | Self::Signature { .. } => return None,
            Self::Time(_) => Fault::CertificateExpired,
            Self::NotValidNow(_) | Self::Expired { .. } => Fault::CertificateNotValidNow,
            Self::Untrusted { .. } => Fault::UntrustedCertificate,
            Self::Identity { .. } => Fault::WrongIdentity,
            Self::Revoked(error) | Self::Timestamp(TimestampError::Revoked(error)) => {
                Fault::of_revocation(error)
            }
            Self::NoTimestamp => Fault::NoSigningTime,
            Self::Timestamp(_) => Fault::UntrustedTimestamp,
        })
    }

    /// As [`super::SignatureError::crls_to_fetch`].
    pub(super) fn crls_to_fetch(&self) -> &[CrlSource] {
        match self {
            Self::Revoked(RevocationError::NotFetched { sources })
            | Self::Timestamp(TimestampError::Revoked(RevocationError::NotFetched { sources })) => sources,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests;
