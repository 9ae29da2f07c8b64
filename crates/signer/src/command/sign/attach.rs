//! The arguments of `pullgate-signer sign` for certificates and timestamps.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pullgate_config::duration::parse_duration;
use pullgate_core::signature::EnvelopeType;
use pullgate_sign::{Layout, NotationOptions, TimestampAuthority};
use pullgate_signer::{Attaching, AttachingError, TimestampSettings};

/// Certificates and timestamps.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Certificates and timestamps")]
pub(super) struct AttachOptions {
    /// With --layout notation: the certificate of the key and those of its CAs, in PEM
    #[arg(long, value_name = "FILE")]
    certificate_chain: Option<PathBuf>,
    /// With --layout notation: jws or cose
    #[arg(long, value_name = "TYPE", value_parser = envelope, default_value = EnvelopeType::Jws.name())]
    envelope: EnvelopeType,
    /// With --layout notation: when the signature expires, such as 90d
    #[arg(long, value_name = "TIME", value_parser = expires_in)]
    expires_in: Option<Duration>,
    /// Add a timestamp (RFC 3161) of this authority to bundles and Notation signatures
    #[arg(long, value_name = "URL", requires = "timestamp_ca")]
    timestamp: Option<String>,
    /// Root certificates of the timestamp authority, in PEM
    #[arg(long, value_name = "FILE", requires = "timestamp")]
    timestamp_ca: Vec<PathBuf>,
}

impl AttachOptions {
    /// Reads the files that the layout needs.
    pub(super) fn read(
        &self,
        layout: Layout,
    ) -> Result<(Option<NotationOptions>, Option<Arc<TimestampAuthority>>), AttachError> {
        let timestamp = self.timestamp.clone();
        let attaching = Attaching {
            envelope: self.envelope,
            expires_in: self.expires_in,
            timestamp: timestamp.map(|url| TimestampSettings { url, roots: self.timestamp_ca.clone() }),
        };
        if self.timestamp.is_some() && !layout.is_referrer() {
            return Err(AttachError::Classic);
        }
        let notation = match &self.certificate_chain {
            Some(chain) if layout == Layout::Notation => Some(attaching.valid_notation(chain)?),
            None if layout == Layout::Notation => return Err(AttachError::NoChain),
            Some(_) => return Err(AttachError::OtherLayout { option: "--certificate-chain" }),
            None if self.expires_in.is_some() => {
                return Err(AttachError::OtherLayout { option: "--expires-in" });
            }
            None => None,
        };
        Ok((notation, attaching.timestamps()?.map(Arc::new)))
    }
}

fn envelope(text: &str) -> Result<EnvelopeType, &'static str> {
    EnvelopeType::ALL.into_iter().find(|kind| kind.name() == text).ok_or("write jws or cose")
}

fn expires_in(text: &str) -> Result<Duration, &'static str> {
    let time = parse_duration(text).filter(|time| !time.is_zero());
    time.ok_or("write a time such as 720m or 90d")
}

/// Why certificates and timestamps cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachError {
    #[error("--layout notation needs --certificate-chain")]
    NoChain,
    #[error("{option} is for --layout notation only")]
    OtherLayout { option: &'static str },
    #[error("classic signatures have no timestamps; use another --layout")]
    Classic,
    #[error("cannot use the certificates")]
    Files(#[from] AttachingError),
}
