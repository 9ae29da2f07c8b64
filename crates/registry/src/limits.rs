//! Limits on what a registry can send and cause.

use std::time::Duration;

use pullgate_config::bound::{KIB, MIB, SECOND};
use pullgate_config::bounded_options;

/// Bytes of a simple-signing payload.
pub const PAYLOAD: u64 = 64 << 10;
/// Bytes of an error response that are read, for the registry's error code.
pub const ERROR_BODY: u64 = 8 << 10;
/// Fields in the header of an HTTP/1.1 response.
pub const HEADER_FIELDS: usize = 100;
/// Concurrent requests for one image's signatures.
pub const CONCURRENCY: usize = 8;
/// How long a writer waits for other writers of the same tag in this process.
pub const WRITERS: Duration = Duration::from_secs(600);
/// Cached tokens.
pub const TOKENS: usize = 1024;
/// The longest that a token is cached, whatever the token service says.
pub const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// Bytes of a referrer's manifest. A bundle has a single layer; cosign's manifest is below 1 KiB.
pub const REFERRER_MANIFEST: u64 = 128 << 10;
/// Bytes of memory that are reserved first for a response of unknown length; then as many again each time.
pub const FIRST_BYTES: usize = 16 << 10;

bounded_options! {
    /// The configurable limits of a registry client.
    pub struct Limits {
        manifest_bytes: bytes = "manifest-bytes", default 4 * MIB, from 64 * KIB, to 16 * MIB,
            "the largest manifest or index that is read; registries must take 4 MiB";
        signature_max_size: bytes = "signature-max-size", default MIB, from 16 * KIB, to MIB,
            "the largest signature document (payload or bundle) that is read";
        signatures: count = "signatures", default 64, from 1, to 1024,
            "how many signatures of one image are read";
        referrers: count = "referrers", default 256, from 1, to 4096,
            "how many referrers of one image are listed, of any type";
        request_timeout: time = "request-timeout", default 15 * SECOND, from 100, to 120 * SECOND,
            "how long one request to a registry may take";
        concurrent_pulls: count = "concurrent-pulls", default 64, from 1, to 1024,
            "how many pulls are verified at once; more wait";
        signatures_total_size: bytes = "signatures-total-size", default 8 * MIB, from 64 * KIB, to 64 * MIB,
            "the largest size of all signature documents of one image together";
        referrer_pages: count = "referrer-pages", default 8, from 1, to 64,
            "how many pages of referrers of one image are requested";
        redirects: count = "redirects", default 3, from 0, to 10,
            "how many redirects one request may follow";
        header_bytes: bytes = "header-bytes", default 64 * KIB, from 8 * KIB, to 256 * KIB,
            "the largest header of a response";
        token_bytes: bytes = "token-bytes", default 64 * KIB, from 4 * KIB, to MIB,
            "the largest response of a token service";
        connect_timeout: time = "connect-timeout", default 5 * SECOND, from 100, to 60 * SECOND,
            "how long a connection to a registry may take, TLS included";
        retries: count = "retries", default 3, from 0, to 10,
            "how often a request is retried when the registry is busy or a connection breaks";
        retry_wait: time = "retry-wait", default 10 * SECOND, from 0, to 120 * SECOND,
            "how long each lookup of a pull waits for a busy registry, over all its requests";
        negative_cache_ttl: time = "negative-cache-ttl", default 5 * SECOND, from 0, to 60 * SECOND,
            "how long the answer that an image has no signature is cached";
        max_requests_per_host: count = "max-requests-per-host", default 32, from 1, to 256,
            "how many requests to one registry host are under way at once";
        queue_timeout: time = "queue-timeout", default 60 * SECOND, from 100, to 600 * SECOND,
            "how long a request waits when too many requests to one registry are under way";
        max_retry_after: time = "max-retry-after", default 60 * SECOND, from 0, to 600 * SECOND,
            "the longest cooldown that a host can request with Retry-After, for all pulls";
        memory: size = "memory", default 64 * MIB, from 32 * MIB, to 4096 * MIB,
            "how much documents and requests may take in memory at once; more wait";
    }
    without key {
        /// How long to wait for the first signature of an image that has none.
        wait_for_signature: Duration = Duration::ZERO;
    }
}

impl Limits {
    /// Bytes of a simple-signing payload.
    #[must_use]
    pub fn payload(&self) -> u64 {
        self.signature_max_size.min(PAYLOAD)
    }
}
