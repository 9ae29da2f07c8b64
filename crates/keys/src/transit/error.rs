use pullgate_net::service::ServiceError;

/// Why a request to the transit engine failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitError {
    /// No response.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// No address is configured.
    #[error("no address of Vault is given; add `?address=https://…` to the key or set VAULT_ADDR (BAO_ADDR)")]
    NoAddress,
    /// No token.
    #[error("no token for Vault: {reason}")]
    NoToken { reason: String },
    /// The service refused the request.
    #[error("Vault answered {status}{}", detail(*status, reason))]
    Refused {
        status: u16,
        /// Its first error, on one line.
        reason: String,
    },
    /// The key has no such version.
    #[error("the key has no version {version}, or this version is archived")]
    NoVersion { version: u32 },
    /// The key only encrypts.
    #[error("the key has a type that cannot sign")]
    NotForSigning,
    /// The engine does not support the algorithm.
    #[error("the transit engine signs with pure Ed25519 only, not with ED25519PH")]
    Algorithm,
    /// An unexpected response.
    #[error("the response of Vault {reason}")]
    Malformed { reason: &'static str },
    /// The deadline has passed.
    #[error("Vault did not answer in time")]
    Deadline,
}

impl TransitError {
    pub(super) const NO_DATA: Self = Self::Malformed { reason: "contains no data" };

    /// Whether the engine answers that the key, or its version, must not be used any more: it was deleted, or its
    /// `min_decryption_version` was raised (`keysutil.ErrTooOld`, `path_sign_verify.go`).
    pub(crate) fn is_withdrawn(&self) -> bool {
        let Self::Refused { status: 400 | 404, reason } = self else {
            return matches!(self, Self::NoVersion { .. });
        };
        ["too old", "key not found"].iter().any(|text| reason.contains(text))
    }

    pub(super) fn is_refused_token(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// Whether a retry may succeed: the service is busy, starting or without a leader.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 412 | 429 | 500 | 502 | 503 | 504),
            Self::Service(error) => error.is_transient(),
            _ => false,
        }
    }
}

fn detail(status: u16, reason: &str) -> String {
    let hint = match status {
        403 => ": the token is invalid, or its policy does not allow the request",
        404 => ": this key or mount does not exist",
        503 => ": Vault is sealed or in maintenance",
        _ => "",
    };
    if reason.is_empty() { hint.to_owned() } else { format!("{hint} ({reason})") }
}
