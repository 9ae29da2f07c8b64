//! `[limits]` of the signer.

use std::time::Duration;

use pullgate_config::bound::{KIB, MIB, MINUTE, SECOND};
use pullgate_config::kind::{bytes, count, time};

pullgate_config::options! {
    /// Limits on input, and on the work that it causes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Limits {
        /// Maximum size of a notification.
        body_bytes: usize = "notification-bytes", bytes(MIB, 16 * KIB, 16 * MIB);
        /// Maximum number of events in one notification.
        events: usize = "notification-events", count(1000, 1, 20_000);
        /// Maximum number of open connections for notifications. From seven eighths of this number on, a new connection
        /// closes a connection that has no authenticated request; if all have one, the new connection waits.
        connections: usize = "connections", count(128, 1, 4096);
        /// Maximum time for one notification, from its HTTP header to the response.
        request_timeout: Duration = "request-timeout", time(30 * SECOND, SECOND, 5 * MINUTE);
        /// Maximum number of images that wait to be signed. Above it, notifications get the response 503.
        queued: usize = "queued", count(100_000, 16, 1_000_000);
        /// Maximum number of images that are remembered as signed. A forgotten image is checked again at the next
        /// notification.
        remembered: usize = "remembered", count(1_000_000, 1000, 10_000_000);
        /// Maximum number of images that are signed at the same time.
        workers: usize = "workers", count(8, 1, 64);
        /// Maximum number of attempts to sign an image, if the registry refuses the requests. After the last attempt, the
        /// image is parked: the signer does not try again until an operator asks.
        attempts: u32 = "attempts", count(10, 1, 1000);
        /// The longest pause between two attempts.
        longest_pause: Duration = "longest-pause", time(5 * MINUTE, SECOND, 60 * MINUTE);
        /// Maximum number of repositories, of tags in one repository, and of images in one listing of the registry.
        listed: usize = "listed", count(100_000, 16, 1_000_000);
    }
}
