//! `[limits]` of the signer.

use std::time::Duration;

use pullgate_config::bound::{KIB, MIB, MINUTE, SECOND};
use pullgate_config::kind::{bytes, count, time};

pullgate_config::options! {
    /// Limits on input, and on the work that it causes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Limits {
        /// The largest notification that is read.
        body_bytes: usize = "notification-bytes", bytes(MIB, 16 * KIB, 16 * MIB);
        /// How many events one notification may have.
        events: usize = "notification-events", count(1000, 1, 20_000);
        /// How many connections for notifications are open at once. One without an authenticated request makes room for
        /// another; otherwise more wait.
        connections: usize = "connections", count(128, 1, 4096);
        /// How long a notification may take, from its head to the answer.
        request_timeout: Duration = "request-timeout", time(30 * SECOND, SECOND, 5 * MINUTE);
        /// How many images wait to be signed; more are refused with 503.
        queued: usize = "queued", count(100_000, 16, 1_000_000);
        /// How many images are remembered as signed. A forgotten image is checked again at the next notification.
        remembered: usize = "remembered", count(1_000_000, 1000, 10_000_000);
        /// How many images are signed at the same time.
        workers: usize = "workers", count(8, 1, 64);
        /// How often an image that the registry has refused is tried before it is parked.
        attempts: u32 = "attempts", count(10, 1, 1000);
        /// The longest pause between two attempts.
        longest_pause: Duration = "longest-pause", time(5 * MINUTE, SECOND, 60 * MINUTE);
        /// How many repositories, tags of one repository, and images a list of the registry may have.
        listed: usize = "listed", count(100_000, 16, 1_000_000);
    }
}
