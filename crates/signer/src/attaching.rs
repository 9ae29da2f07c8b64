//! What signatures have beside their layout, as rules and the command line say it: certificates and timestamps.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use pullgate_core::signature::EnvelopeType;
use pullgate_core::trust::x509::{Store, X509Error};
use pullgate_net::service::{self, ServiceError, ServiceSettings};
use pullgate_sign::{CertificateChain, CertificateChainError, NotationOptions, TimestampAuthority};

/// What signatures have beside their layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attaching {
    /// The encoding of Notation signatures.
    pub envelope: EnvelopeType,
    /// After this time Notation signatures expire.
    pub expires_in: Option<Duration>,
    pub timestamp: Option<TimestampSettings>,
}

/// A timestamp authority.
#[derive(Clone, PartialEq, Eq)]
pub struct TimestampSettings {
    /// The query may have a token.
    pub url: String,
    /// Files with its roots.
    pub roots: Vec<PathBuf>,
}

impl TimestampSettings {
    /// The URL without its query, for messages and as the name of the authority.
    #[must_use]
    pub fn shown(&self) -> &str {
        service::without_query(&self.url)
    }
}

impl fmt::Debug for TimestampSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { roots, .. } = self;
        f.debug_struct("TimestampSettings").field("url", &self.shown()).field("roots", roots).finish()
    }
}

impl Attaching {
    /// Reads the chain of a key for Notation signatures. Its certificates may have ended.
    ///
    /// # Errors
    /// When the file cannot be read or is not a chain, or when signatures would expire after the last time that there is.
    pub fn notation(&self, chain: &Path) -> Result<NotationOptions, AttachingError> {
        let wrong = |error| AttachingError::Chain { path: chain.to_owned(), error };
        let certificates = CertificateChain::parse(&read(chain)?).map_err(wrong)?;
        let expires_in = self.expires_in.map(|after| {
            let after = SignedDuration::try_from(after).ok();
            after.filter(|after| Timestamp::now().checked_add(*after).is_ok()).ok_or(AttachingError::Expiry)
        });
        Ok(NotationOptions { certificates, envelope: self.envelope, expires_in: expires_in.transpose()? })
    }

    /// The same with a chain that is valid now.
    ///
    /// # Errors
    /// As [`Self::notation`], and when a certificate is not valid now.
    pub fn valid_notation(&self, chain: &Path) -> Result<NotationOptions, AttachingError> {
        let wrong = |error| AttachingError::Chain { path: chain.to_owned(), error };
        let options = self.notation(chain)?;
        options.certificates.check_validity(Timestamp::now()).map_err(wrong)?;
        Ok(options)
    }

    /// Reads the roots of the timestamp authority, if there is one.
    ///
    /// # Errors
    /// When a file cannot be read, or has anything but self-signed roots.
    pub fn timestamps(&self) -> Result<Option<TimestampAuthority>, AttachingError> {
        let Some(TimestampSettings { url, roots: files }) = &self.timestamp else { return Ok(None) };
        let mut roots = Store::default();
        for path in files {
            let wrong = |error| AttachingError::Root { path: path.clone(), error };
            roots.add(&read(path)?).map_err(wrong)?;
            roots.check_roots().map_err(wrong)?;
        }
        let authority = TimestampAuthority::new(url, roots, ServiceSettings::default());
        authority.map(Some).map_err(AttachingError::Address)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AttachingError> {
    let limit = CertificateChain::MAX_BYTES;
    let unreadable = |error| AttachingError::File { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(unreadable(io::Error::other(format!("it has more than {limit} bytes"))));
    }
    Ok(bytes)
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AttachingError {
    #[error("{path} cannot be read")]
    File {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{path} cannot be used as the certificate chain of a key")]
    Chain {
        path: PathBuf,
        #[source]
        error: CertificateChainError,
    },
    #[error("the signatures expire after the year 9999; use a shorter time")]
    Expiry,
    #[error("{path} cannot be used as the root of a timestamp authority")]
    Root {
        path: PathBuf,
        #[source]
        error: X509Error,
    },
    #[error("the address of the timestamp authority is not valid")]
    Address(#[source] ServiceError),
}
