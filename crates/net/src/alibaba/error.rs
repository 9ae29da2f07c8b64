//! Errors of requests to Alibaba Cloud.

use std::time::Duration;

use crate::service::ServiceError;

/// Why a request to Alibaba Cloud failed. Of the service's texts, only the error code is included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlibabaError {
    /// The service sent no answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The access key is missing or cannot be read.
    #[error("cannot get an access key for Alibaba Cloud: {reason}")]
    NoKey { reason: String },
    /// The answer does not have the expected content.
    #[error("the response of {service} {reason}")]
    Malformed { service: &'static str, reason: &'static str },
    /// The service refused the request.
    #[error("{service} answered {status}{}", detail(code))]
    Refused {
        service: &'static str,
        status: u16,
        /// Its error code; empty if it sent none that can be shown.
        code: String,
    },
    /// The service was throttling until the deadline.
    #[error("{service} was busy at every attempt until the deadline{}", detail(code))]
    Busy { service: &'static str, code: String },
    /// The service sent no answer before the deadline.
    #[error("{service} did not answer within {limit:?}")]
    Late {
        service: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes")]
    Random,
}

impl AlibabaError {
    /// Whether the service is throttling requests.
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
                    // Reused nonce: ours are random, so the service has answered this request already and the answer
                    // was lost.
                    || code == "SignatureNonceUsed"
            }
            Self::Service(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the service refused the access key as expired, so that a new key may help.
    #[must_use]
    pub fn is_expired_key(&self) -> bool {
        let Self::Refused { code, .. } = self else { return false };
        code.starts_with("InvalidSecurityToken")
            || code.starts_with("SecurityTokenExpired")
            || matches!(code.as_str(), "InvalidAccessKeyId.NotFound" | "InvalidAccessKeyId.Inactive")
    }

    /// The error code of the service, if it sent one.
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
    let clock = if code.starts_with("InvalidTimeStamp") { ": check the clock of this node" } else { "" };
    format!(" ({code}{clock})")
}
