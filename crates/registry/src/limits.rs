//! The bounds on everything a registry can send us or make us do.

use std::time::Duration;

/// Bytes of an image's manifest. containerd's own bound is 4 × 1048 × 1048; what it would take above ours is refused.
pub const MANIFEST: u64 = 4 << 20;
/// Bytes of an image index, of one page of a referrers answer, and of a fallback tag's index.
pub const INDEX: u64 = 4 << 20;
/// Bytes of a simple-signing payload.
pub const PAYLOAD: u64 = 64 << 10;
/// Bytes of a Sigstore bundle.
pub const BUNDLE: u64 = 1 << 20;
/// Bytes of all payloads and bundles that are kept for one image.
pub const COLLECTED: u64 = 8 << 20;
/// Signatures that are read for one image and layout.
pub const SIGNATURES: usize = 64;
/// Referrers of one image that are looked at.
pub const REFERRERS: usize = 128;
/// Pages of one referrers answer.
pub const PAGES: usize = 8;
/// Bytes of a token service's answer.
pub const TOKEN: u64 = 64 << 10;
/// Bytes of an error answer that are read, to name the registry's reason.
pub const ERROR_BODY: u64 = 8 << 10;
/// Bytes of an answer's headers.
pub const HEADERS: u64 = 64 << 10;
/// Fields in the header of an answer in HTTP/1.1.
pub const HEADER_FIELDS: usize = 100;
/// Redirects that one request may follow.
pub const REDIRECTS: usize = 3;
/// Time for one request, from the connection to the last byte of its answer.
pub const STEP: Duration = Duration::from_secs(15);
/// Time for a connection, TLS included.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Requests of one image's signatures that are under way at a time.
pub const CONCURRENCY: usize = 8;
/// Requests to one host that are under way at a time.
pub const REQUESTS: usize = 32;
/// Questions of pulls that are under way at a time; of one registry at most a quarter of it.
pub const QUESTIONS: usize = 64;
/// How long a question or a request waits for its turn.
pub const TURN: Duration = Duration::from_secs(60);
/// How often one request is made again when the registry is busy or a connection breaks.
pub const RETRIES: usize = 3;
/// How long the requests of one question wait for a registry that is busy.
pub const RETRY_WAIT: Duration = Duration::from_secs(10);
/// How long a writer waits for the others of the same tag in this process.
pub const WRITERS: Duration = Duration::from_secs(600);
/// The longest that a host is left alone by all pulls because it asked for that, with Retry-After.
pub const COOL_DOWN: Duration = Duration::from_secs(60);
/// How long "there is no signature" is believed.
pub const ABSENCE: Duration = Duration::from_secs(5);
/// Tokens that are remembered.
pub const TOKENS: usize = 1024;
/// The longest that a token is used again, whatever the token service says.
pub const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// Bytes of a referrer's manifest. One that holds a bundle has a single layer; cosign's is below 1 KiB.
pub const REFERRER_MANIFEST: u64 = 128 << 10;
/// Bytes up to which an answer is read without waiting for a turn; larger ones are read [`LARGE_ANSWERS`] at a time, so
/// that registries that stall large answers cannot fill the memory.
pub const LARGE_ANSWER: usize = 256 << 10;
/// Answers above [`LARGE_ANSWER`] that are read at a time, over all pulls.
pub const LARGE_ANSWERS: usize = 8;

/// The bounds that a configuration may set. Each default is the constant of the same name in this module.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of an image's manifest ([`MANIFEST`]).
    pub manifest: u64,
    /// Bytes of an index or of a page of referrers ([`INDEX`]).
    pub index: u64,
    /// Bytes of a simple-signing payload ([`PAYLOAD`]).
    pub payload: u64,
    /// Bytes of a Sigstore bundle ([`BUNDLE`]).
    pub bundle: u64,
    /// Bytes of all payloads and bundles of one image ([`COLLECTED`]).
    pub collected: u64,
    /// Signatures of one image and layout ([`SIGNATURES`]).
    pub signatures: usize,
    /// Referrers of one image ([`REFERRERS`]).
    pub referrers: usize,
    /// Pages of one referrers answer ([`PAGES`]).
    pub pages: usize,
    /// Redirects of one request ([`REDIRECTS`]).
    pub redirects: usize,
    /// Time for one request with all of its answer ([`STEP`]).
    pub step: Duration,
    /// Time for a connection ([`CONNECT`]).
    pub connect: Duration,
    /// Bytes of an answer's headers ([`HEADERS`]).
    pub headers: u64,
    /// Bytes of a token service's answer ([`TOKEN`]).
    pub token: u64,
    /// Requests to one host at a time ([`REQUESTS`]).
    pub requests: usize,
    /// Questions at a time ([`QUESTIONS`]).
    pub questions: usize,
    /// How long to wait for a turn at either ([`TURN`]).
    pub turn: Duration,
    /// The longest that a host is left alone by all pulls ([`COOL_DOWN`]).
    pub cool_down: Duration,
    /// How often one request is made again ([`RETRIES`]).
    pub retries: usize,
    /// How long one question waits for a busy registry ([`RETRY_WAIT`]).
    pub retry_wait: Duration,
    /// How long "there is no signature" is believed ([`ABSENCE`]).
    pub negative_cache: Duration,
    /// How long to wait for the first signature of an image that has none; nothing, unless configured.
    pub wait_for_signature: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest: MANIFEST,
            index: INDEX,
            payload: PAYLOAD,
            bundle: BUNDLE,
            collected: COLLECTED,
            signatures: SIGNATURES,
            referrers: REFERRERS,
            pages: PAGES,
            redirects: REDIRECTS,
            step: STEP,
            connect: CONNECT,
            headers: HEADERS,
            token: TOKEN,
            requests: REQUESTS,
            questions: QUESTIONS,
            turn: TURN,
            cool_down: COOL_DOWN,
            retries: RETRIES,
            retry_wait: RETRY_WAIT,
            negative_cache: ABSENCE,
            wait_for_signature: Duration::ZERO,
        }
    }
}
