//! How long each step of a pull took.

use std::time::Duration;

use tokio::time::Instant;

/// A step of a pull, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Asking the registry which bytes the name means.
    Resolve,
    /// Collecting the signatures attached to them.
    Collect,
    /// Checking the signatures and judging them by the rule.
    Judge,
    /// Asking the services of keys to confirm them.
    KeyService,
    /// The runtime's own pull.
    Forward,
    /// Adding the tag record in containerd.
    TagRecord,
    /// Waiting until the runtime knows the image by the name that the pod wrote.
    Confirm,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 7] = [
        Self::Resolve,
        Self::Collect,
        Self::Judge,
        Self::KeyService,
        Self::Forward,
        Self::TagRecord,
        Self::Confirm,
    ];

    /// The name of the step's field in a log record, which counts milliseconds.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve_ms",
            Self::Collect => "collect_ms",
            Self::Judge => "judge_ms",
            Self::KeyService => "key_service_ms",
            Self::Forward => "forward_ms",
            Self::TagRecord => "tag_record_ms",
            Self::Confirm => "confirm_ms",
        }
    }
}

/// The time spent in each step so far.
#[derive(Clone, Debug, Default)]
pub struct Steps([Option<Duration>; 7]);

impl Steps {
    /// Runs `work` and adds its time to `step`.
    pub async fn time<T>(&mut self, step: Step, work: impl Future<Output = T>) -> T {
        let begin = Instant::now();
        let result = work.await;
        self.add(step, begin.elapsed());
        result
    }

    /// Adds `spent` to `step`.
    pub fn add(&mut self, step: Step, spent: Duration) {
        if let Some(slot) =
            Step::ALL.iter().position(|other| *other == step).and_then(|at| self.0.get_mut(at))
        {
            *slot = Some(slot.unwrap_or_default() + spent);
        }
    }

    /// Adds what other steps took.
    pub fn merge(&mut self, other: &Self) {
        for (step, spent) in Step::ALL.into_iter().zip(other.0) {
            if let Some(spent) = spent {
                self.add(step, spent);
            }
        }
    }

    /// Milliseconds of `step`, to the microsecond; `None` when it was not reached.
    pub fn milliseconds(&self, step: Step) -> Option<f64> {
        let at = Step::ALL.iter().position(|other| *other == step)?;
        let spent = (*self.0.get(at)?)?;
        Some((spent.as_secs_f64() * 1e6).round() / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_what_is_spent_in_a_step() {
        let mut steps = Steps::default();
        steps.add(Step::Judge, Duration::from_micros(1500));
        steps.add(Step::Judge, Duration::from_micros(1));
        assert_eq!(steps.milliseconds(Step::Judge), Some(1.501));
        assert_eq!(steps.milliseconds(Step::Forward), None);
    }
}
