//! Limits on what a registry can send and cause.

use std::time::Duration;

use pullgate_config::bound::{KIB, MIB, SECOND};
use pullgate_config::kind::{bytes, count, time};

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

pullgate_config::options! {
    /// The configurable limits of a registry client.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Limits {
        /// Maximum size of a manifest or index. Registries are expected to accept manifests of up to 4 MiB.
        manifest_bytes: u64 = "manifest-bytes", bytes(4 * MIB, 64 * KIB, 16 * MIB);
        /// Maximum size of one signature document (payload or bundle).
        signature_max_size: u64 = "signature-max-size", bytes(MIB, 16 * KIB, MIB);
        /// Maximum size of one attestation (a DSSE envelope, or the bundle that contains it), for images whose rule requires
        /// attestations. `signatures-total-size` limits all attestations and signatures of one image together.
        attestation_max_size: u64 = "attestation-max-size", bytes(4 * MIB, 16 * KIB, 8 * MIB);
        /// Maximum number of signatures to read for one image. The number of attestations has the same limit.
        signatures: usize = "signatures", count(64, 1, 1024);
        /// Maximum number of referrers to list for one image, of any type.
        referrers: usize = "referrers", count(256, 1, 4096);
        /// Maximum time for one request to a registry.
        request_timeout: Duration = "request-timeout", time(15 * SECOND, 100, 120 * SECOND);
        /// Maximum number of pulls that are verified concurrently. Further pulls wait.
        concurrent_pulls: usize = "concurrent-pulls", count(64, 1, 1024);
        /// Maximum size of all signature documents of one image together.
        signatures_total_size: u64 = "signatures-total-size", bytes(8 * MIB, 64 * KIB, 64 * MIB);
        /// Maximum number of referrer pages to read for one image.
        referrer_pages: usize = "referrer-pages", count(8, 1, 64);
        /// Maximum number of redirects to follow for one request.
        redirects: usize = "redirects", count(3, 0, 10);
        /// Maximum size of the header of a response.
        header_bytes: u64 = "header-bytes", bytes(64 * KIB, 8 * KIB, 256 * KIB);
        /// Maximum size of the response of a token service.
        token_bytes: u64 = "token-bytes", bytes(64 * KIB, 4 * KIB, MIB);
        /// Maximum time to connect to a registry, including TLS.
        connect_timeout: Duration = "connect-timeout", time(5 * SECOND, 100, 60 * SECOND);
        /// Maximum number of retries of a request when the registry is busy or a connection breaks.
        retries: usize = "retries", count(3, 0, 10);
        /// Maximum time for all retries of one lookup (the tag, or the signatures), from its first failed request.
        retry_wait: Duration = "retry-wait", time(10 * SECOND, 0, 120 * SECOND);
        /// How long to cache that an image has no signature.
        negative_cache_ttl: Duration = "negative-cache-ttl", time(5 * SECOND, 0, 60 * SECOND);
        /// Maximum number of concurrent requests to one registry host.
        max_requests_per_host: usize = "max-requests-per-host", count(32, 1, 256);
        /// Maximum time that a pull or request waits when `concurrent-pulls` or `max-requests-per-host` is reached.
        queue_timeout: Duration = "queue-timeout", time(60 * SECOND, 100, 600 * SECOND);
        /// Maximum time for which pullgate sends no requests to a host that has answered with Retry-After.
        max_retry_after: Duration = "max-retry-after", time(60 * SECOND, 0, 600 * SECOND);
        /// Maximum memory for documents of images and for requests from kubelet. While all of it is in use, further
        /// documents and requests wait.
        memory: usize = "memory", bytes(64 * MIB, 32 * MIB, 4096 * MIB);
    }
    also {
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
