//! Duration of the steps of a pull.

use std::time::Duration;

use tokio::time::Instant;

/// A step of a pull, in order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Resolving the name in the registry.
    Resolve,
    /// Collecting the signatures attached to the image.
    Collect,
    /// Verifying the signatures and evaluating the rule.
    Judge,
    /// Remote checks by the services of keys.
    KeyService,
    /// The pull by the runtime.
    Forward,
    /// Adding the tag record in containerd.
    TagRecord,
    /// Waiting until the runtime finds the image by the name in the pod.
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

    /// The name of the step; its field in a log record has `_ms` after it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Collect => "collect",
            Self::Judge => "judge",
            Self::KeyService => "key_service",
            Self::Forward => "forward",
            Self::TagRecord => "tag_record",
            Self::Confirm => "confirm",
        }
    }
}

/// The time spent in each step.
#[derive(Clone, Debug, Default)]
pub struct Steps([Option<Duration>; 7]);

impl Steps {
    /// Runs `work` and adds its duration to `step`.
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

    /// Adds the durations in `other`.
    pub fn merge(&mut self, other: &Self) {
        for (step, spent) in Step::ALL.into_iter().zip(other.0) {
            if let Some(spent) = spent {
                self.add(step, spent);
            }
        }
    }

    /// The time spent in `step`; `None` if the step was not reached.
    pub fn spent(&self, step: Step) -> Option<Duration> {
        let at = Step::ALL.iter().position(|other| *other == step)?;
        *self.0.get(at)?
    }

    /// Milliseconds spent in `step`, with microsecond precision; `None` if the step was not reached.
    pub fn milliseconds(&self, step: Step) -> Option<f64> {
        Some((self.spent(step)?.as_secs_f64() * 1e6).round() / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_durations_of_a_step() {
        let mut steps = Steps::default();
        steps.add(Step::Judge, Duration::from_micros(1500));
        steps.add(Step::Judge, Duration::from_micros(1));
        assert_eq!(steps.milliseconds(Step::Judge), Some(1.501));
        assert_eq!(steps.milliseconds(Step::Forward), None);
    }
}
