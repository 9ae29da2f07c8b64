//! The metrics of the service.

use std::time::Duration;

use pullgate_daemon::counter::Counter;
use pullgate_daemon::metrics::{Histogram, Page};

use super::queue::Depth;

pullgate_daemon::families! {
    /// Notifications, by outcome: accepted, malformed, unauthorized, or turned_away because the queue was full or could not
    /// be written.
    NOTIFICATIONS = Counter "pullgate_signer_notifications_total" ["outcome"];
    /// Malformed events that were skipped in notifications with other events.
    MALFORMED_EVENTS = Counter "pullgate_signer_malformed_events_total";
    /// Pushes from notifications and listings, by outcome (queued, known, older, no_rule). A push counts once for each rule
    /// that applies.
    PUSHES = Counter "pullgate_signer_pushes_total" ["outcome"];
    /// Pushes that were examined, by outcome: signed, present (the image had the signature already), no_image (not an image,
    /// but for example a signature), or left (the image is gone, its tags have moved, or its rule no longer applies).
    IMAGES = Counter "pullgate_signer_images_total" ["outcome"];
    /// Failed attempts to sign an image.
    FAILURES = Counter "pullgate_signer_failures_total";
    /// Listings of the registry, by outcome: done or failed.
    LISTS = Counter "pullgate_signer_lists_total" ["outcome"];
    /// Images in the queue, by state: waiting, busy, parked, or renewing (signed, and waiting until the signature must be
    /// renewed).
    QUEUE = Gauge "pullgate_signer_queue" ["state"];
    /// Duration of attempts that led to a signature.
    SIGNING = Histogram "pullgate_signer_signing_seconds";
    /// Time from the notification to the signature.
    LATENCY = Histogram "pullgate_signer_latency_seconds";
}

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

impl Metrics {
    /// A signature in the registry: whether it was added, how long that took, and the time since the notification.
    pub(super) fn signed(&self, added: bool, took: Duration, latency: Duration) {
        if added {
            self.signed.add()
        } else {
            self.present.add()
        };
        self.signing.observe(took);
        self.latency.observe(latency);
    }

    /// All metrics.
    pub(super) fn page(&self, depth: Depth) -> Page {
        let mut page = Page::default();
        for (family, outcome, counter) in [
            (&NOTIFICATIONS, "accepted", &self.notifications),
            (&NOTIFICATIONS, "malformed", &self.malformed),
            (&NOTIFICATIONS, "unauthorized", &self.unauthorized),
            (&NOTIFICATIONS, "turned_away", &self.turned_away),
            (&PUSHES, "queued", &self.queued),
            (&PUSHES, "known", &self.known),
            (&PUSHES, "older", &self.older),
            (&PUSHES, "no_rule", &self.unruled),
            (&IMAGES, "signed", &self.signed),
            (&IMAGES, "present", &self.present),
            (&IMAGES, "no_image", &self.passed_over),
            (&IMAGES, "left", &self.left),
            (&LISTS, "done", &self.lists),
            (&LISTS, "failed", &self.failed_lists),
        ] {
            page.add(family, [outcome], counter.get());
        }
        page.set(&MALFORMED_EVENTS, self.malformed_events.get());
        page.set(&FAILURES, self.failed.get());
        let Depth { waiting, busy, parked, renewing } = depth;
        for (state, images) in
            [("waiting", waiting), ("busy", busy), ("parked", parked), ("renewing", renewing)]
        {
            page.add(&QUEUE, [state], images);
        }
        page.set(&SIGNING, &self.signing);
        page.set(&LATENCY, &self.latency);
        page
    }
}
