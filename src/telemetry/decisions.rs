//! Decisions about images, counted until the record of `pullgate report` takes them.
//!
//! The thread that serves calls adds to a small map under a lock that nobody holds for longer than it takes to add, or to
//! swap the map for an empty one. So recording never waits: if nobody takes the map and it is full, decisions are dropped
//! and counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use pullgate_core::untrusted::sanitize_to;
use serde::{Deserialize, Serialize};

use super::Reason;
use crate::digest::Digest;
use crate::reference::Reference;

/// How many different decisions wait to be taken. They are taken every second.
const MAX_PENDING: usize = 4096;

/// Maximum length of the name of an image, in bytes, as in the log.
const MAX_IMAGE_BYTES: usize = 512;

/// Maximum length of the name of a pod's namespace, in bytes; Kubernetes allows 63.
const MAX_NAMESPACE_BYTES: usize = 128;

/// Maximum length of the name of a rule, in bytes.
const MAX_RULE_BYTES: usize = 384;

/// What stands for a name that is not valid: somebody may have written a password into it.
pub const INVALID_NAME: &str = "(invalid name)";

/// The call that a decision answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    Pull,
    /// Whether an image on the node may be used.
    ImageStatus,
    CreateContainer,
    /// Of containerd's image verifier, for what does not come through the CRI.
    ImageVerifier,
}

impl Call {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::ImageStatus => "image-status",
            Self::CreateContainer => "create-container",
            Self::ImageVerifier => "image-verifier",
        }
    }
}

/// What a decision was, in the order of a report.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A rule in audit mode let the image through, and would refuse it in enforce mode
    WouldRefuse,
    /// A rule in audit mode let an image on the node through; in enforce mode, kubelet would have had to pull it again
    WouldWithhold,
    /// Refused
    Refused,
    /// An image on the node was not shown to kubelet, which then pulls it
    Withheld,
    /// The image does not exist, or the caller cancelled the call before the decision
    Undecided,
    /// Admitted
    Admitted,
}

impl Verdict {
    /// All verdicts, in the order of a report.
    pub const ALL: [Self; 6] = [
        Self::WouldRefuse,
        Self::WouldWithhold,
        Self::Refused,
        Self::Withheld,
        Self::Undecided,
        Self::Admitted,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::WouldRefuse => "would-refuse",
            Self::WouldWithhold => "would-withhold",
            Self::Refused => "refused",
            Self::Withheld => "withheld",
            Self::Undecided => "undecided",
            Self::Admitted => "admitted",
        }
    }
}

/// One decision.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    pub call: Call,
    pub verdict: Verdict,
    /// `None` if there was no decision.
    pub reason: Option<Reason>,
    /// The image as the caller named it.
    pub image: &'a str,
    /// The pod's namespace; empty if it is not known.
    pub namespace: &'a str,
    /// The rule, with file and line; empty if none is known.
    pub rule: &'a str,
    pub digest: Option<&'a str>,
}

/// What decisions have in common that are counted together. Its texts are bounded and printable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionKey {
    pub verdict: Verdict,
    pub call: Call,
    pub reason: Option<Reason>,
    pub image: Box<str>,
    pub namespace: Box<str>,
    pub rule: Box<str>,
}

/// How often there was a decision, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    /// The digest in the last decision that had one.
    pub digest: Option<Box<str>>,
}

/// Decisions since they were last taken.
#[derive(Debug, Default)]
pub struct Pending {
    pub tallies: HashMap<DecisionKey, Tally>,
    /// How many decisions found no room.
    pub dropped: u64,
}

/// Decisions that the record has not taken yet. Without a record, nothing is kept.
#[derive(Debug, Default)]
pub struct Decisions {
    recorded: AtomicBool,
    pending: Mutex<Pending>,
}

impl Decisions {
    /// From now on, somebody takes what is added.
    pub fn record(&self) {
        self.recorded.store(true, Ordering::Relaxed);
    }

    /// Counts a decision. Does not block.
    pub fn add(&self, decision: &Decision<'_>) {
        if self.recorded.load(Ordering::Relaxed) {
            self.add_at(decision, Timestamp::now());
        }
    }

    fn add_at(&self, decision: &Decision<'_>, now: Timestamp) {
        let key = DecisionKey::of(decision);
        let digest = decision.digest.map(|digest| sanitize_to(digest, MAX_NAMESPACE_BYTES).into());
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = pending.tallies.get_mut(&key) {
            tally.count = tally.count.saturating_add(1);
            tally.last = tally.last.max(now);
            tally.digest = digest.or(tally.digest.take());
        } else if pending.tallies.len() < MAX_PENDING {
            pending.tallies.insert(key, Tally { count: 1, first: now, last: now, digest });
        } else {
            pending.dropped = pending.dropped.saturating_add(1);
        }
    }

    /// Takes everything.
    pub fn take(&self) -> Pending {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DecisionKey {
    fn of(decision: &Decision<'_>) -> Self {
        let Decision { call, verdict, reason, image, namespace, rule, digest: _ } = *decision;
        let valid = reason.is_some_and(Reason::admits)
            || Reference::parse(image).is_ok()
            || Digest::parse(image).is_ok();
        let image = if valid { sanitize_to(image, MAX_IMAGE_BYTES) } else { INVALID_NAME.to_owned() };
        let namespace = sanitize_to(namespace, MAX_NAMESPACE_BYTES);
        let rule = sanitize_to(rule, MAX_RULE_BYTES);
        Self { call, verdict, reason, image: image.into(), namespace: namespace.into(), rule: rule.into() }
    }

    /// The bytes of its texts.
    pub fn text_bytes(&self) -> usize {
        self.image.len() + self.namespace.len() + self.rule.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(image: &str) -> Decision<'_> {
        Decision {
            call: Call::Pull,
            verdict: Verdict::Refused,
            reason: Some(Reason::NoSignature),
            image,
            namespace: "shop",
            rule: "namespace \"r.io\" (policy.toml:1)",
            digest: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn equal_decisions_are_counted_together_with_their_times_and_the_last_digest() {
        let decisions = Decisions::default();
        decisions.add(&decision("r.io/app:1"));
        assert!(decisions.take().tallies.is_empty(), "nobody takes them");
        decisions.record();
        decisions.add(&decision("r.io/app:1"));
        assert_eq!(decisions.take().tallies.len(), 1);
        decisions.add_at(&Decision { digest: Some("sha256:1"), ..decision("r.io/app:1") }, at(5));
        decisions.add_at(&decision("r.io/app:1"), at(9));
        // The clock was set back.
        decisions.add_at(&decision("r.io/app:1"), at(7));
        decisions.add_at(&Decision { namespace: "other", ..decision("r.io/app:1") }, at(9));
        let taken = decisions.take();
        let tally = &taken.tallies[&DecisionKey::of(&decision("r.io/app:1"))];
        assert_eq!(*tally, Tally { count: 3, first: at(5), last: at(9), digest: Some("sha256:1".into()) });
        assert_eq!((taken.tallies.len(), taken.dropped), (2, 0));
        assert!(decisions.take().tallies.is_empty());
    }

    #[test]
    fn more_than_the_limit_is_dropped_and_counted() {
        let decisions = Decisions::default();
        for number in 0..MAX_PENDING + 3 {
            decisions.add_at(&decision(&format!("r.io/app:{number}")), at(1));
        }
        decisions.add_at(&decision("r.io/app:0"), at(2));
        let taken = decisions.take();
        assert_eq!((taken.tallies.len(), taken.dropped), (MAX_PENDING, 3));
        assert_eq!(taken.tallies[&DecisionKey::of(&decision("r.io/app:0"))].count, 2);
    }

    #[test]
    fn texts_are_printable_bounded_and_without_passwords() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, shown) in [
            ("r.io/app:1", "r.io/app:1"),
            (&*digest, &*digest),
            ("user:secret@r.io/app:1", INVALID_NAME),
            ("https://user:secret@r.io/app", INVALID_NAME),
            ("r.io/app?token=secret", INVALID_NAME),
            ("two\nlines", INVALID_NAME),
            ("", INVALID_NAME),
        ] {
            assert_eq!(&*DecisionKey::of(&decision(image)).image, shown, "{image}");
        }
        let long = "x".repeat(10_000);
        let key = DecisionKey::of(&Decision { namespace: &long, rule: &long, ..decision("a\u{1b}[2J") });
        assert!(key.text_bytes() <= MAX_IMAGE_BYTES + MAX_NAMESPACE_BYTES + MAX_RULE_BYTES);
        let key = DecisionKey::of(&Decision { namespace: "a\u{1b}\n", rule: "\u{202e}", ..decision("a") });
        assert_eq!((&*key.namespace, &*key.rule), ("a\\u{1b}\\n", "\\u{202e}"));
    }

    #[test]
    fn names_are_those_in_json() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("{:?}", verdict.name()));
        }
        for call in [Call::Pull, Call::ImageStatus, Call::CreateContainer, Call::ImageVerifier] {
            assert_eq!(serde_json::to_string(&call).unwrap(), format!("{:?}", call.name()));
        }
    }
}
