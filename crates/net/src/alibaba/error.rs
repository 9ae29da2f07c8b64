//! What can go wrong between us and a service of Alibaba Cloud.

use std::time::Duration;

use crate::service::ServiceError;

/// Why a service of Alibaba Cloud did not do what it was asked. No text of the service but its error code is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlibabaError {
    /// There was no answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// There is no access key, or it cannot be read.
    #[error("there is no access key of Alibaba Cloud: {reason}")]
    NoKey {
        /// Why.
        reason: String,
    },
    /// The answer is not what was asked for.
    #[error("the answer of {who} {reason}")]
    Malformed {
        /// Which service.
        who: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// It said no.
    #[error("{who} answered {status}{}", detail(code))]
    Refused {
        /// Which service.
        who: &'static str,
        /// The status.
        status: u16,
        /// Its error code; empty when there is none that can be shown.
        code: String,
    },
    /// It was busy for as long as there was time.
    #[error("{who} was busy until the time was over{}", detail(code))]
    Busy {
        /// Which service.
        who: &'static str,
        /// Its last error code.
        code: String,
    },
    /// There was no answer until the time was over.
    #[error("{who} did not answer in time ({limit:?})")]
    Late {
        /// Which service.
        who: &'static str,
        /// The time it had.
        limit: Duration,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl AlibabaError {
    /// Whether the service said that it has too much to do.
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                matches!(status, 429 | 500 | 502 | 503 | 504)
                    || code.starts_with("Throttling")
                    || matches!(
                        code.as_str(),
                        "Rejected.Throttling" | "ServiceUnavailable" | "ServiceUnavailableTemporary"
                    )
                    // Two requests with one nonce: ours are random, so the first was lost on its way back.
                    || code == "SignatureNonceUsed"
            }
            Self::Service(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the service no longer takes the access key, which a fresh one may change.
    #[must_use]
    pub fn is_expired_key(&self) -> bool {
        let Self::Refused { code, .. } = self else { return false };
        code.starts_with("InvalidSecurityToken")
            || code.starts_with("SecurityTokenExpired")
            || matches!(code.as_str(), "InvalidAccessKeyId.NotFound" | "InvalidAccessKeyId.Inactive")
    }

    /// The service's error code, if it said no.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::Busy { code, .. } => Some(code),
            _ => None,
        }
    }
}

fn detail(code: &str) -> String {
    if code.is_empty() {
        return String::new();
    }
    let clock = if code.starts_with("InvalidTimeStamp") { ": is this node's clock right?" } else { "" };
    format!(" ({code}{clock})")
}
