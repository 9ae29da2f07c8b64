//! Every bound on what comes from outside, in one table.

use std::time::Duration;

use pullgate_config::bound::{Bound, KIB, MIB, SECOND, Unit, read_bound};
use pullgate_config::document::{Document, Value};

const MANIFEST_BYTES: Bound = Bound {
    key: "manifest-bytes",
    unit: Unit::Bytes,
    default: 4 * MIB,
    minimum: 64 * KIB,
    maximum: 16 * MIB,
    about: "the largest manifest or index that is read; registries must take 4 MiB",
};
const SIGNATURE_BYTES: Bound = Bound {
    key: "signature-bytes",
    unit: Unit::Bytes,
    default: MIB,
    minimum: 16 * KIB,
    // What `signature` reads at the most (`MAX_BUNDLE_BYTES`).
    maximum: MIB,
    about: "the largest signature document (payload or bundle) that is read",
};
const SIGNATURES: Bound = Bound {
    key: "signatures",
    unit: Unit::Count,
    default: 64,
    minimum: 1,
    maximum: 1024,
    about: "how many signatures of one image are read",
};
const REFERRERS: Bound = Bound {
    key: "referrers",
    unit: Unit::Count,
    default: 256,
    minimum: 1,
    maximum: 4096,
    about: "how many referrers of one image are listed, of whatever type",
};
const PULL_TIMEOUT: Bound = Bound {
    key: "pull-timeout",
    unit: Unit::Time,
    default: 120 * SECOND,
    minimum: SECOND,
    maximum: 600 * SECOND,
    about: "how long verifying one image may take, before it is handed to containerd",
};
const STEP_TIMEOUT: Bound = Bound {
    key: "step-timeout",
    unit: Unit::Time,
    default: 15 * SECOND,
    minimum: 100,
    maximum: 120 * SECOND,
    about: "how long one request to a registry may take",
};
const TAG_RECORD_TIMEOUT: Bound = Bound {
    key: "tag-record-timeout",
    unit: Unit::Time,
    default: 5 * SECOND,
    minimum: 100,
    maximum: 60 * SECOND,
    about: "how long to wait until the runtime knows the image by its tag",
};
const CONCURRENT_PULLS: Bound = Bound {
    key: "concurrent-pulls",
    unit: Unit::Count,
    default: 64,
    minimum: 1,
    maximum: 1024,
    about: "how many pulls are verified at once; more wait",
};

const COLLECTED_BYTES: Bound = Bound {
    key: "signatures-bytes",
    unit: Unit::Bytes,
    default: 8 * MIB,
    minimum: 64 * KIB,
    maximum: 64 * MIB,
    about: "the most bytes of all signature documents of one image together",
};
const REFERRER_PAGES: Bound = Bound {
    key: "referrer-pages",
    unit: Unit::Count,
    default: 8,
    minimum: 1,
    maximum: 64,
    about: "how many pages of referrers of one image are asked for",
};
const REDIRECTS: Bound = Bound {
    key: "redirects",
    unit: Unit::Count,
    default: 3,
    minimum: 0,
    maximum: 10,
    about: "how many redirects one request may follow",
};
const HEADER_BYTES: Bound = Bound {
    key: "header-bytes",
    unit: Unit::Bytes,
    default: 64 * KIB,
    minimum: 8 * KIB,
    maximum: 256 * KIB,
    about: "the largest header of an answer",
};
const TOKEN_BYTES: Bound = Bound {
    key: "token-bytes",
    unit: Unit::Bytes,
    default: 64 * KIB,
    minimum: 4 * KIB,
    maximum: MIB,
    about: "the largest answer of a token service",
};
const CONNECT_TIMEOUT: Bound = Bound {
    key: "connect-timeout",
    unit: Unit::Time,
    default: 5 * SECOND,
    minimum: 100,
    maximum: 60 * SECOND,
    about: "how long a connection to a registry may take, TLS included",
};
const RETRIES: Bound = Bound {
    key: "retries",
    unit: Unit::Count,
    default: 3,
    minimum: 0,
    maximum: 10,
    about: "how often a request is made again when the registry is busy or a connection breaks",
};
const RETRY_WAIT: Bound = Bound {
    key: "retry-wait",
    unit: Unit::Time,
    default: 10 * SECOND,
    minimum: 0,
    maximum: 120 * SECOND,
    about: "how long each question of a pull waits for a busy registry, all its requests together",
};
const NO_SIGNATURE_MEMORY: Bound = Bound {
    key: "no-signature-memory",
    unit: Unit::Time,
    default: 5 * SECOND,
    minimum: 0,
    maximum: 60 * SECOND,
    about: "how long it is believed that an image has no signature",
};
const REGISTRY_REQUESTS: Bound = Bound {
    key: "registry-requests",
    unit: Unit::Count,
    default: 32,
    minimum: 1,
    maximum: 256,
    about: "how many requests to one registry host are under way at once",
};

const TURN_TIMEOUT: Bound = Bound {
    key: "turn-timeout",
    unit: Unit::Time,
    default: 60 * SECOND,
    minimum: 100,
    maximum: 600 * SECOND,
    about: "how long to wait for a turn when too much is asked of a registry at once",
};

const COOL_DOWN: Bound = Bound {
    key: "cool-down",
    unit: Unit::Time,
    default: 60 * SECOND,
    minimum: 0,
    maximum: 600 * SECOND,
    about: "the longest that a host is left alone by all pulls because it asked for that (Retry-After)",
};

/// All bounds, in the order of the documentation.
pub const BOUNDS: [Bound; 20] = [
    MANIFEST_BYTES,
    SIGNATURE_BYTES,
    SIGNATURES,
    REFERRERS,
    PULL_TIMEOUT,
    STEP_TIMEOUT,
    TAG_RECORD_TIMEOUT,
    CONCURRENT_PULLS,
    COLLECTED_BYTES,
    REFERRER_PAGES,
    REDIRECTS,
    HEADER_BYTES,
    TOKEN_BYTES,
    CONNECT_TIMEOUT,
    RETRIES,
    RETRY_WAIT,
    NO_SIGNATURE_MEMORY,
    REGISTRY_REQUESTS,
    TURN_TIMEOUT,
    COOL_DOWN,
];

/// `[limits]`: each within its [`Bound`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest manifest or index, in bytes.
    pub manifest_bytes: usize,
    /// The largest signature document, in bytes.
    pub signature_bytes: usize,
    /// Signatures of one image.
    pub signatures: usize,
    /// Referrers of one image.
    pub referrers: usize,
    /// For verifying one image.
    pub pull_timeout: Duration,
    /// For one request.
    pub step_timeout: Duration,
    /// For the runtime to know the tag.
    pub tag_record_timeout: Duration,
    /// Pulls at once.
    pub concurrent_pulls: usize,
    /// All signature documents of one image, in bytes.
    pub signatures_bytes: usize,
    /// Pages of referrers.
    pub referrer_pages: usize,
    /// Redirects of one request.
    pub redirects: usize,
    /// An answer's header, in bytes.
    pub header_bytes: usize,
    /// A token service's answer, in bytes.
    pub token_bytes: usize,
    /// For a connection.
    pub connect_timeout: Duration,
    /// Further attempts of one request.
    pub retries: usize,
    /// For waiting until a registry is less busy.
    pub retry_wait: Duration,
    /// For believing that there is no signature.
    pub no_signature_memory: Duration,
    /// Requests to one host at once.
    pub registry_requests: usize,
    /// For a turn at a registry.
    pub turn_timeout: Duration,
    /// For leaving a host alone that asked for it.
    pub cool_down: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(|bound| bound.default)
    }
}

impl Limits {
    /// Reads `[limits]`; what is not there has its default.
    pub(super) fn read(document: &mut Document<'_>, value: Value<'_>) -> Self {
        let keys = BOUNDS.map(|bound| bound.key);
        let Some(mut table) = document.table(value, "[limits]", &keys) else { return Self::default() };
        let span = table.span.clone();
        let limits = Self::from(|bound| read_bound(document, &mut table, bound).unwrap_or(bound.default));
        if limits.step_timeout > limits.pull_timeout {
            let hint = "a pull is several requests; raise the one or lower the other";
            document.problem(span, "`step-timeout` is longer than `pull-timeout`", hint);
        }
        limits
    }

    fn from(mut number: impl FnMut(&Bound) -> u64) -> Self {
        let mut count = |bound| usize::try_from(number(bound)).unwrap_or(usize::MAX);
        let (manifest_bytes, signature_bytes) = (count(&MANIFEST_BYTES), count(&SIGNATURE_BYTES));
        let (signatures, referrers) = (count(&SIGNATURES), count(&REFERRERS));
        let concurrent_pulls = count(&CONCURRENT_PULLS);
        let (signatures_bytes, referrer_pages) = (count(&COLLECTED_BYTES), count(&REFERRER_PAGES));
        let (redirects, retries) = (count(&REDIRECTS), count(&RETRIES));
        let (header_bytes, token_bytes) = (count(&HEADER_BYTES), count(&TOKEN_BYTES));
        let registry_requests = count(&REGISTRY_REQUESTS);
        let mut time = |bound| Duration::from_millis(number(bound));
        Self {
            manifest_bytes,
            signature_bytes,
            signatures,
            referrers,
            pull_timeout: time(&PULL_TIMEOUT),
            step_timeout: time(&STEP_TIMEOUT),
            tag_record_timeout: time(&TAG_RECORD_TIMEOUT),
            concurrent_pulls,
            signatures_bytes,
            referrer_pages,
            redirects,
            header_bytes,
            token_bytes,
            connect_timeout: time(&CONNECT_TIMEOUT),
            retries,
            retry_wait: time(&RETRY_WAIT),
            no_signature_memory: time(&NO_SIGNATURE_MEMORY),
            registry_requests,
            turn_timeout: time(&TURN_TIMEOUT),
            cool_down: time(&COOL_DOWN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_bounds_and_is_in_the_limits() {
        for bound in BOUNDS {
            assert!(bound.minimum <= bound.default && bound.default <= bound.maximum, "{}", bound.key);
        }
        let limits = Limits::default();
        assert_eq!(limits.manifest_bytes, 4 * 1024 * 1024);
        assert_eq!(limits.signature_bytes, 1024 * 1024);
        assert_eq!((limits.signatures, limits.referrers, limits.concurrent_pulls), (64, 256, 64));
        assert_eq!(limits.pull_timeout, Duration::from_secs(120));
        assert_eq!(limits.step_timeout, Duration::from_secs(15));
        assert_eq!(limits.tag_record_timeout, Duration::from_secs(5));
    }
}
