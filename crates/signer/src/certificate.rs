//! The certificates of rules, which end.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use pullgate_core::untrusted::error_chain;
use pullgate_sign::CertificateChain;

/// How long before its end a certificate is reported: 30 days.
const NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The certificate chain of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// When the first of its certificates ends.
    pub ends: String,
    /// Whether that is in less than 30 days.
    pub ends_soon: bool,
    /// Why the rule signs nothing: a certificate is not valid now.
    pub error: Option<String>,
}

impl CertificateStatus {
    pub(super) fn of(chain: &CertificateChain, now: Timestamp) -> Self {
        let ends = chain.expires();
        let ends_soon = ends.duration_since(now) < NOTICE;
        let error = chain.check_validity(now).err();
        Self { ends: ends.to_string(), ends_soon, error: error.map(|error| error_chain(&error)) }
    }
}
