//! Advice for registry errors during signing.

use super::SignError;
use pullgate_registry::{Class, RegistryError};

const BUSY: &str = "the request to the registry failed, so the state of the image is unknown: run the same command again; \
                    images that are already signed are not signed a second time";
const LOGIN: &str = "log in (--username, --password-stdin) as an account that may push to this repository, because \
                     signatures are stored beside the image";
const UNKNOWN: &str = "the registry has no such repository or image, or hides it from this account: check that the name is \
                       right and that the account may pull and push there";
const READ_ONLY: &str = "the registry does not accept writes: if it is a cache or a read-only copy, sign the image in the source registry";
const LARGE: &str = "the registry, or a proxy in front of it, refuses requests of this size: raise its limit (nginx: \
                     client_max_body_size)";
const IMMUTABLE: &str = "tags of this repository are immutable, but all signatures of a digest share one tag: exempt tags \
                         that begin with sha256- from immutability, or use --layout bundle if the registry supports the \
                         referrers API";
const QUOTA: &str =
    "the storage of the registry or the quota of this project is used up: free space or raise the quota";
const FORM: &str = "the registry does not accept manifests of this kind: try another --layout";
const CONTENDED: &str = "other signers keep writing signatures of the same image: try again";
const NOT_KEPT: &str = "the registry does not keep this tag: try another --layout, and check whether the registry rejects \
                        or rewrites tags that begin with sha256-";
const FULL: &str =
    "remove signatures that are no longer needed: verifiers ignore signatures above this limit";

impl SignError {
    /// What the user can do about it; `None` if the error says enough.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Registry(error) => advice(error),
            Self::NoImage { .. } => Some(UNKNOWN),
            Self::Full { .. } => Some(FULL),
            Self::Contended { .. } => Some(CONTENDED),
            Self::NotKept { .. } => Some(NOT_KEPT),
            _ => None,
        }
    }

    /// Whether a retry may succeed without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Registry(RegistryError::Status { status: 408 | 425 | 429 | 500..=506, .. }) => true,
            Self::Registry(RegistryError::Status { .. }) => false,
            Self::Registry(error) => error.class() == Class::Unanswered,
            Self::Contended { .. } => true,
            Self::Timestamp(error) => error.is_transient(),
            _ => false,
        }
    }
}

/// The texts are not standardized; these are distribution's, Harbor's, Quay's, ECR's and ACR's.
fn advice(error: &RegistryError) -> Option<&'static str> {
    let says = |reason: &str, words: &[&str]| {
        let reason = reason.to_ascii_lowercase();
        words.iter().any(|word| reason.contains(word))
    };
    let about = |reason: &str| {
        if says(reason, &["quota", "storage limit", "insufficient storage"]) {
            Some(QUOTA)
        } else if says(reason, &["immutable", "cannot be overwritten", "tag_invalid", "already exists"]) {
            Some(IMMUTABLE)
        } else {
            None
        }
    };
    match error {
        RegistryError::Unauthorized { reason, .. } => about(reason).or(Some(LOGIN)),
        RegistryError::Credentials(_) | RegistryError::RealmRefused { .. } => Some(LOGIN),
        RegistryError::NotFound { .. } => Some(UNKNOWN),
        RegistryError::Status { status, reason, .. } => about(reason).or(match status {
            405 | 501 => Some(READ_ONLY),
            409 | 412 => Some(IMMUTABLE),
            413 => Some(LARGE),
            507 => Some(QUOTA),
            400 | 406 | 415 | 422 => Some(FORM),
            408 | 425 | 429 | 500..=506 => Some(BUSY),
            _ => None,
        }),
        error if error.class() == Class::Unanswered => Some(BUSY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_advice() {
        let status = |status, reason: &str| RegistryError::Status {
            host: String::new(),
            what: String::new(),
            status,
            reason: reason.to_owned(),
        };
        let denied = |reason: &str| RegistryError::Unauthorized {
            host: String::new(),
            what: String::new(),
            reason: reason.to_owned(),
        };
        for (error, expected, transient) in [
            (denied(""), Some(LOGIN), false),
            (denied("DENIED: adding 1 MiB would exceed the project's quota"), Some(QUOTA), false),
            (status(400, "TAG_INVALID: the tag already exists and is immutable"), Some(IMMUTABLE), false),
            (status(412, "PRECONDITION: configured as immutable"), Some(IMMUTABLE), false),
            (status(409, ""), Some(IMMUTABLE), false),
            (status(405, "UNSUPPORTED"), Some(READ_ONLY), false),
            (status(413, ""), Some(LARGE), false),
            (status(507, ""), Some(QUOTA), false),
            (status(400, "MANIFEST_INVALID"), Some(FORM), false),
            (status(429, "TOOMANYREQUESTS"), Some(BUSY), true),
            (status(503, ""), Some(BUSY), true),
            (status(418, ""), None, false),
        ] {
            let error = SignError::Registry(error);
            assert_eq!(error.advice(), expected, "{error}");
            assert_eq!(error.is_transient(), transient, "{error}");
        }
    }
}
