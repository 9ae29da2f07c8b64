//! Metrics in Prometheus' text format 0.0.4.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::queue::Depth;
use pullgate_daemon::counter::Counter;

/// The upper bounds of the histograms' buckets, in milliseconds.
const BUCKETS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 600_000];

#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Notifications that were accepted, malformed, and unauthorized.
    pub(super) notifications: Counter,
    pub(super) malformed: Counter,
    pub(super) unauthorized: Counter,
    /// Events that were skipped in accepted notifications.
    pub(super) malformed_events: Counter,
    /// Notifications that were refused because the queue was full or could not be written.
    pub(super) turned_away: Counter,
    pub(super) queued: Counter,
    pub(super) known: Counter,
    pub(super) older: Counter,
    /// Pushes that no rule applies to.
    pub(super) unruled: Counter,
    pub(super) passed_over: Counter,
    pub(super) left: Counter,
    pub(super) failed: Counter,
    signed: Counter,
    present: Counter,
    pub(super) lists: Counter,
    pub(super) failed_lists: Counter,
    signing: Histogram,
    latency: Histogram,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    microseconds: AtomicU64,
}

impl Metrics {
    /// A signature in the registry: whether it was added, how long that took, and the time since the notification.
    pub(super) fn signed(&self, added: bool, took: Duration, latency: Duration) {
        if added {
            self.signed.add()
        } else {
            self.present.add()
        };
        self.signing.note(took);
        self.latency.note(latency);
    }

    /// All metrics.
    pub(super) fn text(&self, depth: Depth) -> String {
        let mut text = String::new();
        let mut counter = |name: &str, help: &str, rows: &[(&str, &Counter)]| {
            let _ =
                writeln!(text, "# HELP pullgate_signer_{name} {help}\n# TYPE pullgate_signer_{name} counter");
            for (labels, counter) in rows {
                let _ = writeln!(text, "pullgate_signer_{name}{labels} {}", counter.get());
            }
        };
        counter(
            "notifications_total",
            "Notifications, by outcome.",
            &[
                ("{outcome=\"accepted\"}", &self.notifications),
                ("{outcome=\"malformed\"}", &self.malformed),
                ("{outcome=\"unauthorized\"}", &self.unauthorized),
                ("{outcome=\"turned_away\"}", &self.turned_away),
            ],
        );
        counter(
            "malformed_events_total",
            "Malformed events that were skipped in notifications with other events.",
            &[("", &self.malformed_events)],
        );
        counter(
            "pushes_total",
            "Pushes from notifications and listings, by outcome; counted once for each rule that applies.",
            &[
                ("{outcome=\"queued\"}", &self.queued),
                ("{outcome=\"known\"}", &self.known),
                ("{outcome=\"older\"}", &self.older),
                ("{outcome=\"no_rule\"}", &self.unruled),
            ],
        );
        counter(
            "images_total",
            "Images that were examined, by outcome.",
            &[
                ("{outcome=\"signed\"}", &self.signed),
                ("{outcome=\"present\"}", &self.present),
                ("{outcome=\"no_image\"}", &self.passed_over),
                ("{outcome=\"left\"}", &self.left),
            ],
        );
        counter("failures_total", "Failed attempts to sign an image.", &[("", &self.failed)]);
        counter(
            "lists_total",
            "Listings of the registry, by outcome.",
            &[("{outcome=\"done\"}", &self.lists), ("{outcome=\"failed\"}", &self.failed_lists)],
        );
        let Depth { waiting, busy, parked, renewing } = depth;
        let _ = writeln!(
            text,
            "# HELP pullgate_signer_queue Images in the queue.\n# TYPE pullgate_signer_queue gauge\n\
             pullgate_signer_queue{{state=\"waiting\"}} {waiting}\npullgate_signer_queue{{state=\"busy\"}} {busy}\n\
             pullgate_signer_queue{{state=\"parked\"}} {parked}\n\
             pullgate_signer_queue{{state=\"renewing\"}} {renewing}"
        );
        self.signing.write(&mut text, "signing_seconds", "Duration of attempts that led to a signature.");
        self.latency.write(&mut text, "latency_seconds", "Time from the notification to the signature.");
        text
    }
}

impl Histogram {
    fn note(&self, duration: Duration) {
        let milliseconds = duration.as_millis();
        let buckets = self.buckets.iter().zip(BUCKETS);
        for (bucket, _) in buckets.filter(|(_, bound)| milliseconds <= u128::from(*bound)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, help: &str) {
        let _ =
            writeln!(text, "# HELP pullgate_signer_{name} {help}\n# TYPE pullgate_signer_{name} histogram");
        for (bucket, bound) in self.buckets.iter().zip(BUCKETS) {
            let (bound, count) = (Duration::from_millis(bound).as_secs_f64(), bucket.load(Ordering::Relaxed));
            let _ = writeln!(text, "pullgate_signer_{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let count = self.count.load(Ordering::Relaxed);
        let sum = Duration::from_micros(self.microseconds.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(
            text,
            "pullgate_signer_{name}_bucket{{le=\"+Inf\"}} {count}\npullgate_signer_{name}_sum {sum}\n\
             pullgate_signer_{name}_count {count}"
        );
    }
}
