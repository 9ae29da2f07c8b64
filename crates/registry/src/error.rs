//! What can go wrong between us and a registry, in words that stay the same on every attempt.
//!
//! kubelet compares the messages of several attempts (facts: an aggregate of unequal messages loses its reason), so no
//! variant carries a time, a request id, a query string or a secret, and whatever a registry wrote is escaped and cut.

use std::time::Duration;

use pullgate_core::digest::Digest;

/// Why a registry's answer could not be had or is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No connection, or one that broke.
    #[error("registry {host} cannot be reached: {reason}")]
    Unavailable {
        /// Host and port that were asked.
        host: String,
        /// The last cause, for example `connection refused`.
        reason: String,
    },
    /// TLS could not be agreed on, or the certificate is not trusted.
    #[error("TLS with registry {host} failed: {reason}")]
    Tls {
        /// Host and port that were asked.
        host: String,
        /// What rustls said.
        reason: String,
    },
    /// A request did not end in time.
    #[error("registry {host} did not answer the {what} within {} s", limit.as_secs_f64())]
    Timeout {
        /// Host and port that were asked.
        host: String,
        /// What was asked for.
        what: String,
        /// How long it was waited.
        limit: Duration,
    },
    /// A connection could not be had in time.
    #[error("registry {host} did not take a connection within {} s", limit.as_secs_f64())]
    ConnectTimeout {
        /// Host and port that were asked.
        host: String,
        /// How long it was waited.
        limit: Duration,
    },
    /// Too many others are asking at the same time.
    #[error("too many concurrent requests to registry {host}: none completed within {} s", limit.as_secs_f64())]
    NoTurn {
        /// The registry, or the host of it.
        host: String,
        /// How long it was waited.
        limit: Duration,
    },
    /// More redirects than are followed.
    #[error("redirect of registry {host} refused: more than {limit} in a row")]
    TooManyRedirects {
        /// The host that was asked first.
        host: String,
        /// The bound.
        limit: usize,
    },
    /// pullgate lost the question: a bug, and never an answer.
    #[error("asking the registry failed inside pullgate; see its log")]
    Lost,
    /// An answer that is neither what was asked for nor a "no": 5xx, 429, and unexpected others.
    #[error("registry {host} answered {status} to the {what}{}", detail(reason))]
    Status {
        /// Host and port that were asked.
        host: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The registry's error code, if it gave one, escaped and cut.
        reason: String,
    },
    /// 401 or 403 after what credentials there are were offered.
    #[error("registry {host} does not permit the {what}{}", detail(reason))]
    Unauthorized {
        /// Host and port that were asked.
        host: String,
        /// What was asked for.
        what: String,
        /// The registry's error code, if it gave one, escaped and cut.
        reason: String,
    },
    /// The registry says that it has no such thing.
    #[error("registry {host} has no {what}")]
    NotFound {
        /// Host and port that were asked.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// No host may be asked, by the capabilities in hosts.toml.
    #[error("no host of {domain} has the capability to {capability}")]
    NoHost {
        /// The registry as the image's name has it.
        domain: String,
        /// What was to be done: resolve, pull or push.
        capability: &'static str,
    },
    /// The host configuration cannot be used, and containerd could not use it either.
    #[error("configuration of host {host} cannot be used: {reason}")]
    Configuration {
        /// The registry host.
        host: String,
        /// What is wrong with which file.
        reason: String,
    },
    /// The credentials of the request cannot be read (the same ones that containerd refuses).
    #[error("credentials cannot be read: {0}")]
    Credentials(&'static str),
    /// Bytes that do not hash to the digest they were asked for by.
    #[error("{what} has digest {found} where {expected} was asked for")]
    DigestMismatch {
        /// What was asked for.
        what: String,
        /// The digest that was asked for.
        expected: Digest,
        /// The SHA-256 of what came.
        found: Digest,
    },
    /// The header `Docker-Content-Digest` does not speak about the body it came with.
    #[error("{what} came with the header Docker-Content-Digest {header}, but its digest is {found}")]
    HeaderMismatch {
        /// What was asked for.
        what: String,
        /// What the header says, escaped and cut.
        header: String,
        /// The SHA-256 of the body.
        found: Digest,
    },
    /// A blob that is not as long as its descriptor says.
    #[error("{what} has {found} bytes where its descriptor says {expected}")]
    SizeMismatch {
        /// What was asked for.
        what: String,
        /// The descriptor's size.
        expected: u64,
        /// The number of bytes that came.
        found: u64,
    },
    /// A document that can be read as a manifest and as an index.
    #[error("{what} is ambiguous: it has the fields of a manifest and of an index")]
    Ambiguous {
        /// What was asked for.
        what: String,
    },
    /// An index from which the image for this node cannot be told.
    #[error("{what} {reason}")]
    Platform {
        /// The index.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A Docker schema 1 manifest.
    #[error("{what} is a Docker schema 1 manifest, which nothing can be verified of")]
    SchemaOne {
        /// What was asked for.
        what: String,
    },
    /// A media type that is none of the four of images.
    #[error("{what} has the unsupported media type {media_type}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// The type, escaped and cut; `(none)` when there is none.
        media_type: String,
    },
    /// Header and document disagree on what the document is.
    #[error("{what} came as {header} but calls itself {body}")]
    MediaTypeMismatch {
        /// What was asked for.
        what: String,
        /// The header Content-Type, escaped and cut.
        header: String,
        /// The field `mediaType`, escaped and cut.
        body: String,
    },
    /// A document that is not what it should be.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An answer in a content encoding, which was not asked for.
    #[error("{what} came in a content encoding, which was not asked for")]
    Encoded {
        /// What was asked for.
        what: String,
    },
    /// More bytes than are read.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// Which bound it is.
        bound: Bound,
        /// What was asked for.
        what: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// More things than are looked at.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Which bound it is.
        bound: Bound,
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A redirect that is not followed.
    #[error("redirect of registry {host} refused: {reason}")]
    RedirectRefused {
        /// The host that sent it.
        host: String,
        /// The rule that forbids it.
        reason: String,
    },
    /// A token service that is not asked.
    #[error("token service {realm} of registry {host} refused: {reason}")]
    RealmRefused {
        /// The host that named it.
        host: String,
        /// Scheme and host of the token service, escaped and cut.
        realm: String,
        /// The rule that forbids it.
        reason: &'static str,
    },
    /// A token service whose answer is of no use.
    #[error("token service of registry {host} gave no token: {reason}")]
    Token {
        /// The host that named it.
        host: String,
        /// What it answered.
        reason: String,
    },
}

/// A bound on what a registry sends, each with a name of its own: "too many signatures" is not "too many referrers".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// Bytes of a manifest or index.
    Manifest,
    /// Bytes of one payload or bundle.
    Signature,
    /// Bytes of all payloads and bundles together.
    Collected,
    /// Bytes of an answer's header.
    Headers,
    /// Bytes of a token service's answer.
    Token,
    /// The number of signatures.
    Signatures,
    /// The number of referrers.
    Referrers,
    /// The number of pages of referrers.
    Pages,
}

impl Bound {
    fn code(self) -> &'static str {
        match self {
            Self::Manifest => "registry-manifest-too-large",
            Self::Signature => "registry-signature-too-large",
            Self::Collected => "registry-signatures-too-large",
            Self::Headers => "registry-headers-too-large",
            Self::Token => "registry-token-too-large",
            Self::Signatures => "registry-too-many-signatures",
            Self::Referrers => "registry-too-many-referrers",
            Self::Pages => "registry-too-many-pages",
        }
    }
}

/// What an error means for the question that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The registry could not be asked, or not to the end. It may know better later: this is never "there is none".
    Unanswered,
    /// The registry does not let us in with these credentials.
    Unauthorized,
    /// The registry says there is none.
    NotFound,
    /// There is more of it than is read.
    Limit,
    /// What came is not taken: malformed, not what its digest says, or against a rule.
    Refused,
}

impl RegistryError {
    /// What the error means for the question that was asked.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unavailable { .. } | Self::Tls { .. } | Self::Timeout { .. } | Self::Status { .. } => {
                Class::Unanswered
            }
            Self::Token { .. } | Self::Configuration { .. } | Self::NoHost { .. } => Class::Unanswered,
            Self::ConnectTimeout { .. } | Self::NoTurn { .. } | Self::Lost => Class::Unanswered,
            Self::Unauthorized { .. } | Self::Credentials(_) | Self::RealmRefused { .. } => {
                Class::Unauthorized
            }
            Self::NotFound { .. } => Class::NotFound,
            Self::TooLarge { .. } | Self::TooMany { .. } | Self::TooManyRedirects { .. } => Class::Limit,
            _ => Class::Refused,
        }
    }

    /// Whether the same request may be answered in a moment: the registry is busy, or a connection broke.
    #[must_use]
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Unavailable { .. } => true,
            _ => false,
        }
    }

    /// A name for the kind of error that never changes, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "registry-unavailable",
            Self::Tls { .. } => "registry-tls",
            Self::Timeout { .. } => "registry-timeout",
            Self::Status { .. } => "registry-status",
            Self::Unauthorized { .. } => "registry-unauthorized",
            Self::NotFound { .. } => "registry-not-found",
            Self::NoHost { .. } => "registry-no-host",
            Self::Configuration { .. } => "registry-configuration",
            Self::Credentials(_) => "registry-credentials",
            Self::DigestMismatch { .. } => "registry-digest-mismatch",
            Self::HeaderMismatch { .. } => "registry-header-mismatch",
            Self::SizeMismatch { .. } => "registry-size-mismatch",
            Self::Ambiguous { .. } => "registry-ambiguous",
            Self::Platform { .. } => "registry-platform",
            Self::SchemaOne { .. } => "registry-schema-1",
            Self::Unsupported { .. } => "registry-media-type",
            Self::MediaTypeMismatch { .. } => "registry-media-type-mismatch",
            Self::Malformed { .. } => "registry-malformed",
            Self::Encoded { .. } => "registry-encoded",
            Self::ConnectTimeout { .. } => "registry-connect-timeout",
            Self::NoTurn { .. } => "registry-no-turn",
            Self::TooManyRedirects { .. } => "registry-too-many-redirects",
            Self::Lost => "registry-internal",
            Self::TooLarge { bound, .. } | Self::TooMany { bound, .. } => bound.code(),
            Self::RedirectRefused { .. } => "registry-redirect",
            Self::RealmRefused { .. } => "registry-realm",
            Self::Token { .. } => "registry-token",
        }
    }
}

fn detail(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unanswered_is_never_not_found() {
        let host = || "r".to_owned();
        let what = || "m".to_owned();
        for error in [
            RegistryError::Unavailable { host: host(), reason: what() },
            RegistryError::Timeout { host: host(), what: what(), limit: Duration::from_secs(1) },
            RegistryError::Status { host: host(), what: what(), status: 503, reason: String::new() },
            RegistryError::Status { host: host(), what: what(), status: 429, reason: String::new() },
        ] {
            assert_eq!(error.class(), Class::Unanswered, "{error}");
        }
        assert_eq!(RegistryError::NotFound { host: host(), what: what() }.class(), Class::NotFound);
        assert_eq!(
            RegistryError::TooMany { bound: Bound::Signatures, what: "signatures", limit: 64 }.class(),
            Class::Limit
        );
    }
}
