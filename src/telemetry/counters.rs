//! Counters of calls, pulls and refusals, for status, metrics and the log.

pub use pullgate_daemon::counter::Counter;
use pullgate_daemon::metrics::Histogram;

use super::decisions::Decisions;
use super::{Reason, Step, Steps};

/// Counts since the daemon started. Updated from any thread without waiting.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls that were forwarded unchanged.
    pub passed: Counter,
    /// Calls outside `runtime.v1`, answered with UNIMPLEMENTED.
    pub unimplemented: Counter,
    /// Calls of `runtime.v1` methods that are not known, answered with UNIMPLEMENTED.
    pub unknown_methods: Counter,
    pub pulls: Pulls,
    /// Images on the node that were answered as absent, or refused.
    pub withheld: ByReason,
    /// Containers that were refused, including checkpoints.
    pub containers_refused: ByReason,
    /// What was decided about which image.
    pub decisions: Decisions,
}

/// How pulls ended, each counted once. Pulls of the sandbox image, which pullgate begins itself, are among them.
#[derive(Debug, Default)]
pub struct Pulls {
    /// Pulled, by the reason of the admission.
    pub pulled: ByReason,
    /// Admitted, but the runtime or the tag record failed; by the reason of the admission.
    pub failed: ByReason,
    /// Admitted, but the caller cancelled; by the reason of the admission.
    pub cancelled: ByReason,
    pub refused: ByReason,
    /// The caller cancelled before there was a decision.
    pub undecided: Counter,
    /// The request cannot be read.
    pub unreadable: Counter,
    /// What rules in audit mode would have refused: one pull can count for several rules.
    pub audited: ByReason,
    /// The time in each step, of pulls that reached it.
    pub steps: StepTimes,
}

impl Pulls {
    /// Pulls that were admitted, whatever became of them.
    pub fn admitted(&self) -> u64 {
        self.pulled.sum() + self.failed.sum() + self.cancelled.sum()
    }

    /// Pulls that were refused, without those of the canary.
    pub fn refused(&self) -> u64 {
        let refused = self.refused.iter().filter(|(reason, _)| !reason.is_canary());
        refused.map(|(_, count)| count).sum::<u64>() + self.unreadable.get()
    }
}

/// A counter for each reason code.
#[derive(Debug)]
pub struct ByReason([Counter; Reason::ALL.len()]);

impl Default for ByReason {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl ByReason {
    pub fn add(&self, reason: Reason) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.add();
        }
    }

    /// The count of each reason, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.iter().copied().zip(self.0.iter().map(Counter::get))
    }

    pub fn sum(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }
}

/// A histogram for each step of a pull.
#[derive(Debug, Default)]
pub struct StepTimes([Histogram; Step::ALL.len()]);

impl StepTimes {
    /// Adds the time of each step that a pull reached.
    pub fn observe(&self, steps: &Steps) {
        for (histogram, step) in self.0.iter().zip(Step::ALL) {
            if let Some(spent) = steps.spent(step) {
                histogram.observe(spent);
            }
        }
    }

    /// Each step with its histogram.
    pub fn iter(&self) -> impl Iterator<Item = (Step, &Histogram)> {
        Step::ALL.into_iter().zip(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let counters = ByReason::default();
        for reason in Reason::ALL {
            counters.add(*reason);
            let counted: Vec<_> = counters.iter().filter(|(_, count)| *count == 1).collect();
            assert_eq!(counted.last(), Some(&(*reason, 1)));
        }
        assert_eq!(counters.sum(), u64::try_from(Reason::ALL.len()).unwrap());
    }
}
