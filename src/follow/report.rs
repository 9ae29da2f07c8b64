//! What status, metrics and doctor say about what is followed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// One thing that is followed. Times are in RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowReport {
    /// `policy` or `deny-list`.
    pub kind: String,
    /// The reference that is followed.
    pub reference: String,
    /// The version in force; `None` if there is none.
    pub version: Option<u64>,
    /// The highest version that was seen; `None` if none was.
    pub seen: Option<u64>,
    /// Why the documents in force cannot be stored for the next start.
    pub unstored: Option<String>,
    /// The digest of the artifact in force.
    pub digest: Option<String>,
    /// When there should be another, as its signer wrote.
    pub expires: Option<String>,
    /// When the registry was last seen to have nothing newer.
    pub refreshed: Option<String>,
    /// The last refresh, if it failed.
    pub failure: Option<Refresh>,
    /// Number of refreshes that failed since the start.
    pub failures: u64,
    /// Why it counts as frozen, if it does.
    pub frozen: Option<String>,
}

/// A refresh that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// When.
    pub at: String,
    /// Why.
    pub problem: String,
    /// Whether the registry answered with something that is not accepted.
    pub refused: bool,
}

impl FollowReport {
    /// The same, judged at `now`; the daemon started at `started`.
    #[must_use]
    pub fn judged(mut self, now: Timestamp, started: Timestamp, frozen_after: Duration) -> Self {
        let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let limit = SignedDuration::try_from(frozen_after).unwrap_or(SignedDuration::MAX);
        // What is written in the future says nothing: the clock was wrong then, or is now.
        let last = time(&self.refreshed);
        let last = last.filter(|last| *last <= now);
        self.frozen = match (last, time(&self.expires)) {
            (_, Some(end)) if now >= end => Some(format!("it expired at {end}")),
            (Some(last), _) if now.duration_since(last) > limit => {
                Some(format!("the last successful refresh was at {last}"))
            }
            (None, _) if now.duration_since(started) > limit => {
                Some("it was never refreshed successfully".to_owned())
            }
            _ => None,
        };
        self
    }

    /// Conditions that need attention.
    #[must_use]
    pub fn attention(&self) -> Vec<String> {
        let Self { kind, reference, .. } = self;
        let frozen =
            self.frozen.iter().map(|why| format!("the followed {kind} {reference} is frozen: {why}"));
        let refused = self.failure.iter().filter(|failure| failure.refused);
        let refused = refused
            .map(|failure| format!("the followed {kind} {reference} was refused: {}", failure.problem));
        let older = self.seen.zip(self.version).filter(|(seen, version)| seen > version);
        let older = older.map(|(seen, version)| {
            format!("the followed {kind} {reference} is in force in version {version}, but version {seen} was seen")
        });
        let unstored = self.unstored.iter().map(|why| {
            format!("the followed {kind} {reference} cannot be stored, so a restart loads the version before: {why}")
        });
        frozen.chain(refused).chain(older).chain(unstored).collect()
    }

    /// Seconds since the last successful refresh.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Option<u64> {
        let refreshed: Timestamp = self.refreshed.as_deref()?.parse().ok()?;
        Some(u64::try_from(now.duration_since(refreshed).as_secs()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_refreshed_or_has_expired_is_frozen() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (started, day) = (at("2026-12-01T00:00:00Z"), Duration::from_secs(24 * 60 * 60));
        let some = |text: &str| Some(text.to_owned());
        for (name, refreshed, expires, now, expected) in [
            ("fresh", some("2026-12-01T01:00:00Z"), None, "2026-12-01T02:00:00Z", None),
            ("at its limit", some("2026-12-01T01:00:00Z"), None, "2026-12-02T01:00:00Z", None),
            (
                "too old",
                some("2026-12-01T01:00:00Z"),
                None,
                "2026-12-02T01:00:01Z",
                Some("the last successful refresh was at 2026-12-01T01:00:00Z"),
            ),
            ("never, but just started", None, None, "2026-12-01T02:00:00Z", None),
            ("never", None, None, "2026-12-03T00:00:00Z", Some("it was never refreshed successfully")),
            (
                "expired, though refreshed",
                some("2026-12-01T01:00:00Z"),
                some("2026-12-01T01:30:00Z"),
                "2026-12-01T02:00:00Z",
                Some("it expired at 2026-12-01T01:30:00Z"),
            ),
            ("the clock went back", some("2036-12-01T01:00:00Z"), None, "2026-12-01T02:00:00Z", None),
            (
                "the clock went back, long ago",
                some("2036-12-01T01:00:00Z"),
                None,
                "2026-12-03T00:00:00Z",
                Some("it was never refreshed successfully"),
            ),
        ] {
            let report = FollowReport { refreshed, expires, ..FollowReport::default() };
            assert_eq!(report.judged(at(now), started, day).frozen.as_deref(), expected, "{name}");
        }
    }
}
