//! Why the transit engine did not do what it was asked.

use pullgate_net::service::ServiceError;

/// Why the transit engine did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitError {
    /// There was no answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Nothing says where it is.
    #[error("no address of Vault is given; add `?address=https://…` to the key or set VAULT_ADDR (BAO_ADDR)")]
    NoAddress,
    /// There is no token.
    #[error("there is no token of Vault: {reason}")]
    NoToken {
        /// Why.
        reason: String,
    },
    /// The service said no.
    #[error("Vault answered {status}{}", detail(*status, reason))]
    Refused {
        /// The status.
        status: u16,
        /// Its first error, made fit for one line.
        reason: String,
    },
    /// The key has no such version.
    #[error("the key has no version {version}, or it is archived")]
    NoVersion {
        /// The version.
        version: u32,
    },
    /// The key encrypts only.
    #[error("the key is of a type that does not sign")]
    NotForSigning,
    /// The engine does not have the algorithm.
    #[error("the transit engine signs with pure Ed25519, not with ED25519PH")]
    Algorithm,
    /// The answer is not what was asked for.
    #[error("the answer of Vault {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// The time was over.
    #[error("Vault did not answer in time")]
    Deadline,
}

impl TransitError {
    pub(super) const NO_DATA: Self = Self::Malformed { reason: "holds no data" };

    /// Whether the engine says that the key, or its version, is not to be used any more: that it was deleted, or that its
    /// `min_decryption_version` was raised (`keysutil.ErrTooOld`, `path_sign_verify.go`).
    pub(crate) fn is_withdrawn(&self) -> bool {
        let Self::Refused { status: 400 | 404, reason } = self else {
            return matches!(self, Self::NoVersion { .. });
        };
        ["too old", "key not found"].iter().any(|said| reason.contains(said))
    }

    pub(super) fn is_refused_token(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// Whether the same question may be answered later: a busy service, one without a leader, or one that starts.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 412 | 429 | 500 | 502 | 503 | 504),
            Self::Service(error) => error.may_pass(),
            _ => false,
        }
    }
}

fn detail(status: u16, reason: &str) -> String {
    let hint = match status {
        403 => ": the token is refused, or its policy does not allow it",
        404 => ": there is no such key or mount",
        503 => ": it is sealed or in maintenance",
        _ => "",
    };
    if reason.is_empty() { hint.to_owned() } else { format!("{hint} ({reason})") }
}
