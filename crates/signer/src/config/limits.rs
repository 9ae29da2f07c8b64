//! `[limits]` of the signer.

use std::time::Duration;

use crate::Limits;
use pullgate_config::bound::{Bound, Unit, read_bound};
use pullgate_config::document::{Document, Table};
use pullgate_config::values::section;

const KIB: u64 = 1024;

const BODY_BYTES: Bound = Bound {
    key: "notification-bytes",
    unit: Unit::Bytes,
    default: 1024 * KIB,
    minimum: 16 * KIB,
    maximum: 16 * 1024 * KIB,
    about: "the largest notification that is read",
};
const EVENTS: Bound = Bound {
    key: "notification-events",
    unit: Unit::Count,
    default: 1000,
    minimum: 1,
    maximum: 20_000,
    about: "how many events one notification may have",
};
const CONNECTIONS: Bound = Bound {
    key: "connections",
    unit: Unit::Count,
    default: 128,
    minimum: 1,
    maximum: 4096,
    about: "how many connections for notifications are open at once; one without an authenticated request makes room, or more wait",
};
const REQUEST_TIMEOUT: Bound = Bound {
    key: "request-timeout",
    unit: Unit::Time,
    default: 30_000,
    minimum: 1000,
    maximum: 300_000,
    about: "how long a notification may take, from its head to the answer",
};
const QUEUED: Bound = Bound {
    key: "queued",
    unit: Unit::Count,
    default: 100_000,
    minimum: 16,
    maximum: 1_000_000,
    about: "how many images wait to be signed; more are refused with 503",
};
const REMEMBERED: Bound = Bound {
    key: "remembered",
    unit: Unit::Count,
    default: 1_000_000,
    minimum: 1000,
    maximum: 10_000_000,
    about: "how many images are remembered as signed; a forgotten image is checked again at the next notification",
};
const WORKERS: Bound = Bound {
    key: "workers",
    unit: Unit::Count,
    default: 8,
    minimum: 1,
    maximum: 64,
    about: "how many images are signed at the same time",
};
const ATTEMPTS: Bound = Bound {
    key: "attempts",
    unit: Unit::Count,
    default: 10,
    minimum: 1,
    maximum: 1000,
    about: "how often an image that the registry has refused is tried before it is parked",
};
const LONGEST_PAUSE: Bound = Bound {
    key: "longest-pause",
    unit: Unit::Time,
    default: 300_000,
    minimum: 1000,
    maximum: 3_600_000,
    about: "the longest pause between two attempts",
};
const LISTED: Bound = Bound {
    key: "listed",
    unit: Unit::Count,
    default: 100_000,
    minimum: 16,
    maximum: 1_000_000,
    about: "how many repositories, tags of one, and images a list of the registry may have",
};

/// The bounds of the signer, in the order of the documentation.
pub const SIGNER_BOUNDS: [Bound; 10] = [
    BODY_BYTES,
    EVENTS,
    CONNECTIONS,
    REQUEST_TIMEOUT,
    QUEUED,
    REMEMBERED,
    WORKERS,
    ATTEMPTS,
    LONGEST_PAUSE,
    LISTED,
];

pub(super) fn read(document: &mut Document<'_>, root: &mut Table<'_>) -> Limits {
    let keys = SIGNER_BOUNDS.map(|bound| bound.key);
    let mut table = section(document, root, "limits", &keys);
    let mut number = |bound: &Bound| {
        table.as_mut().and_then(|table| read_bound(document, table, bound)).unwrap_or(bound.default)
    };
    let mut count = |bound: &Bound| usize::try_from(number(bound)).unwrap_or(usize::MAX);
    let (body_bytes, events, connections) = (count(&BODY_BYTES), count(&EVENTS), count(&CONNECTIONS));
    let (queued, remembered, workers) = (count(&QUEUED), count(&REMEMBERED), count(&WORKERS));
    let listed = count(&LISTED);
    let attempts = u32::try_from(number(&ATTEMPTS)).unwrap_or(u32::MAX);
    let request_timeout = Duration::from_millis(number(&REQUEST_TIMEOUT));
    let longest_pause = Duration::from_millis(number(&LONGEST_PAUSE));
    Limits {
        body_bytes,
        events,
        connections,
        request_timeout,
        queued,
        remembered,
        workers,
        attempts,
        longest_pause,
        listed,
    }
}
