//! Errors of registry requests, with messages that are the same on every attempt.
//!
//! kubelet compares the messages of several attempts (an aggregate of different messages loses its reason), so no variant
//! carries a time, a request id, a query string or a secret, and text from a registry is escaped and cut.

use std::time::Duration;

use pullgate_core::digest::Digest;
use pullgate_net::memory::MemoryError;

/// Why a request to a registry failed or its response is refused.
///
/// `host` is a host with its port, `what` names the requested object, `limit` is the limit that was exceeded, `reason`
/// names the cause; text from a registry is escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No connection, or one that broke.
    #[error("registry {host} cannot be reached: {reason}")]
    Unavailable {
        host: String,
        /// For example `connection refused`.
        reason: String,
    },
    /// The TLS handshake failed, or the certificate is not trusted.
    #[error("TLS with registry {host} failed: {reason}")]
    Tls { host: String, reason: String },
    /// A request did not end in time.
    #[error("registry {host} did not answer the request for {what} within {} s", limit.as_secs_f64())]
    Timeout { host: String, what: String, limit: Duration },
    /// A connection was not established in time.
    #[error("registry {host} did not accept a connection within {} s", limit.as_secs_f64())]
    ConnectTimeout { host: String, limit: Duration },
    /// Too many concurrent requests.
    #[error("too many concurrent requests to registry {host}: none completed within {} s", limit.as_secs_f64())]
    QueueTimeout {
        /// The registry, or a host of it.
        host: String,
        limit: Duration,
    },
    /// More redirects than the limit.
    #[error("redirect of registry {host} refused: more than {limit} redirects in a row")]
    TooManyRedirects {
        /// The first host.
        host: String,
        limit: usize,
    },
    /// The memory for documents is in use.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The task of the request was lost: a bug in pullgate.
    #[error("internal error of pullgate during a request to the registry; see its log")]
    Lost,
    /// A status that is neither success nor a refusal: 5xx, 429 and unexpected ones.
    #[error("registry {host} answered {status} to the request for {what}{}", detail(reason))]
    Status {
        host: String,
        what: String,
        status: u16,
        /// The registry's error code, if any.
        reason: String,
    },
    /// 401 or 403 with all available credentials.
    #[error("registry {host} denied the request for {what}{}", detail(reason))]
    Unauthorized {
        host: String,
        what: String,
        /// The registry's error code, if any.
        reason: String,
    },
    /// The registry answers that it does not have this.
    #[error("registry {host} has no {what}")]
    NotFound { host: String, what: String },
    /// `hosts.toml` gives no host the capability.
    #[error("no host of registry {domain} in hosts.toml has the capability `{capability}`")]
    NoHost {
        /// The registry as in the image's name.
        domain: String,
        /// `resolve`, `pull` or `push`.
        capability: &'static str,
    },
    /// The host configuration cannot be used, by containerd neither.
    #[error("configuration of registry {host} cannot be used: {reason}")]
    Configuration { host: String, reason: String },
    /// The credentials of the request cannot be read (containerd refuses the same ones).
    #[error("credentials for the registry cannot be used: {0}")]
    Credentials(&'static str),
    /// Bytes whose digest is not the requested one.
    #[error("{what} has digest {found} instead of {expected}")]
    DigestMismatch {
        what: String,
        expected: Digest,
        /// The SHA-256 of the bytes.
        found: Digest,
    },
    /// The header `Docker-Content-Digest` does not match the body.
    #[error("{what} came with Docker-Content-Digest {header} in the header, but its digest is {found}")]
    HeaderMismatch {
        what: String,
        /// The value of the header.
        header: String,
        /// The SHA-256 of the body.
        found: Digest,
    },
    /// A blob whose length differs from its descriptor.
    #[error("{what} has {found} bytes, but its descriptor says {expected}")]
    SizeMismatch {
        what: String,
        /// The descriptor's size in bytes.
        expected: u64,
        /// The number of bytes received.
        found: u64,
    },
    /// A document that can be read as a manifest and as an index.
    #[error("{what} is ambiguous: it has the fields of a manifest and of an index")]
    Ambiguous { what: String },
    /// An index that does not say which image is for this node.
    #[error("{what} {reason}")]
    Platform { what: String, reason: String },
    /// A Docker schema 1 manifest.
    #[error("{what} is a Docker schema 1 manifest, which cannot be verified")]
    SchemaOne { what: String },
    /// A media type other than the four of images.
    #[error("{what} has the unsupported media type {media_type}")]
    Unsupported {
        what: String,
        /// `(none)` when it is missing.
        media_type: String,
    },
    /// Header and document have different media types.
    #[error("{what} came with Content-Type {header}, but its mediaType is {body}")]
    MediaTypeMismatch {
        what: String,
        /// The header Content-Type.
        header: String,
        /// The field `mediaType`.
        body: String,
    },
    /// A document of the wrong form.
    #[error("{what} is malformed: {reason}")]
    Malformed { what: String, reason: String },
    /// A response in a content encoding, which was not requested.
    #[error("{what} came with a Content-Encoding, which pullgate did not request")]
    Encoded { what: String },
    /// More bytes than the limit.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        bound: Bound,
        what: String,
        /// In bytes.
        limit: u64,
    },
    /// More items than the limit.
    #[error("more than {limit} {what}")]
    TooMany {
        bound: Bound,
        /// The items, in the plural.
        what: &'static str,
        limit: usize,
    },
    /// A redirect that is not followed.
    #[error("redirect of registry {host} refused: {reason}")]
    RedirectRefused {
        host: String,
        /// The rule that forbids it.
        reason: String,
    },
    /// A token service that must not be used.
    #[error("token service {realm} of registry {host} refused: {reason}")]
    RealmRefused {
        host: String,
        /// Scheme and host of the token service.
        realm: String,
        /// The rule that forbids it.
        reason: &'static str,
    },
    /// A token service that gives no token.
    #[error("token service of registry {host} returned no token: {reason}")]
    Token { host: String, reason: String },
}

/// A limit on what a registry sends, each with its own code: "too many signatures" is not "too many referrers".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Bytes of a manifest or an index.
    Manifest,
    /// Bytes of one payload or bundle.
    Signature,
    /// Bytes of one attestation.
    Attestation,
    /// Bytes of all payloads and bundles together.
    Collected,
    /// Bytes of a response header.
    Headers,
    /// Bytes of a token service's response.
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
            Self::Attestation => "registry-attestation-too-large",
            Self::Collected => "registry-signatures-too-large",
            Self::Headers => "registry-headers-too-large",
            Self::Token => "registry-token-too-large",
            Self::Signatures => "registry-too-many-signatures",
            Self::Referrers => "registry-too-many-referrers",
            Self::Pages => "registry-too-many-pages",
        }
    }
}

/// What an error says about the requested object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Not known: the registry did not answer, or not completely. A retry may succeed; this is never "not found".
    Unanswered,
    /// The registry refuses these credentials.
    Unauthorized,
    /// The registry answers that it does not exist.
    NotFound,
    /// There is more than the limit.
    Limit,
    /// The content is refused: malformed, not matching its digest, or against a rule.
    Refused,
}

impl Class {
    /// All, in the order of the type.
    pub const ALL: [Self; 5] =
        [Self::Unanswered, Self::Unauthorized, Self::NotFound, Self::Limit, Self::Refused];

    /// The word for it in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not-found",
            Self::Limit => "limit",
            Self::Refused => "refused",
        }
    }
}

impl RegistryError {
    #[must_use]
    pub fn class(&self) -> Class {
        self.properties().0
    }

    /// A stable code for the kind of error, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.properties().1
    }

    /// The error, where the registry may deny a request only because there were no credentials for a reason. A registry that
    /// hides private repositories says that it does not have them, which must not count as an answer.
    pub(super) fn because(self, no_credentials: Option<&str>) -> Self {
        match (self, no_credentials) {
            (Self::Unauthorized { host, what, reason }, Some(why)) => {
                let reason = if reason.is_empty() { why.to_owned() } else { format!("{reason}; {why}") };
                Self::Unauthorized { host, what, reason }
            }
            (Self::NotFound { host, what }, Some(why)) => {
                Self::Unauthorized { host, what, reason: why.to_owned() }
            }
            (error, _) => error,
        }
    }

    /// Whether a retry may succeed soon: the registry is busy, or a connection broke.
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Status { status: 408 | 429 | 500 | 502 | 503 | 504, .. }
        )
    }

    fn properties(&self) -> (Class, &'static str) {
        match self {
            Self::Unavailable { .. } => (Class::Unanswered, "registry-unavailable"),
            Self::Tls { .. } => (Class::Unanswered, "registry-tls"),
            Self::Timeout { .. } => (Class::Unanswered, "registry-timeout"),
            Self::ConnectTimeout { .. } => (Class::Unanswered, "registry-connect-timeout"),
            Self::QueueTimeout { .. } => (Class::Unanswered, "registry-queue-timeout"),
            Self::Status { .. } => (Class::Unanswered, "registry-status"),
            Self::Token { .. } => (Class::Unanswered, "registry-token"),
            Self::NoHost { .. } => (Class::Unanswered, "registry-no-host"),
            Self::Configuration { .. } => (Class::Unanswered, "registry-configuration"),
            Self::Lost => (Class::Unanswered, "registry-internal"),
            Self::Memory(_) => (Class::Unanswered, "registry-memory"),
            Self::Unauthorized { .. } => (Class::Unauthorized, "registry-unauthorized"),
            Self::Credentials(_) => (Class::Unauthorized, "registry-credentials"),
            Self::RealmRefused { .. } => (Class::Unauthorized, "registry-realm"),
            Self::NotFound { .. } => (Class::NotFound, "registry-not-found"),
            Self::TooLarge { bound, .. } | Self::TooMany { bound, .. } => (Class::Limit, bound.code()),
            Self::TooManyRedirects { .. } => (Class::Limit, "registry-too-many-redirects"),
            Self::DigestMismatch { .. } => (Class::Refused, "registry-digest-mismatch"),
            Self::HeaderMismatch { .. } => (Class::Refused, "registry-header-mismatch"),
            Self::SizeMismatch { .. } => (Class::Refused, "registry-size-mismatch"),
            Self::Ambiguous { .. } => (Class::Refused, "registry-ambiguous"),
            Self::Platform { .. } => (Class::Refused, "registry-platform"),
            Self::SchemaOne { .. } => (Class::Refused, "registry-schema-1"),
            Self::Unsupported { .. } => (Class::Refused, "registry-media-type"),
            Self::MediaTypeMismatch { .. } => (Class::Refused, "registry-media-type-mismatch"),
            Self::Malformed { .. } => (Class::Refused, "registry-malformed"),
            Self::Encoded { .. } => (Class::Refused, "registry-encoded"),
            Self::RedirectRefused { .. } => (Class::Refused, "registry-redirect"),
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
    fn without_credentials_for_a_reason_nothing_is_known_to_be_missing() {
        let missing = || RegistryError::NotFound { host: "r".to_owned(), what: "m".to_owned() };
        assert_eq!(missing().because(None).class(), Class::NotFound);
        let denied = missing().because(Some("credential program p failed"));
        assert_eq!(denied.class(), Class::Unauthorized);
        assert!(denied.to_string().contains("credential program p failed"), "{denied}");
    }

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
