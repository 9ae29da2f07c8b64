//! Whether the node's clock can be right.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::{Diagnosis, Finding};
use crate::node_install::Host;

/// How far in the future a file may have been written: file systems and clocks step by small amounts.
const TOLERANCE: Duration = Duration::from_secs(60);

/// What is known of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockFacts {
    pub now: SystemTime,
    /// When the program was built or installed.
    pub program: Option<SystemTime>,
    /// When the ledger was written last.
    pub ledger: Option<SystemTime>,
    /// Whether the clock is synchronized, if that is known.
    pub synchronized: Option<bool>,
}

impl ClockFacts {
    #[must_use]
    pub fn gather(program: &Path, ledger: &Path, synchronized: Option<bool>) -> Self {
        let modified = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
        Self { now: SystemTime::now(), program: modified(program), ledger: modified(ledger), synchronized }
    }
}

/// What systemd says; `None` without it.
#[must_use]
pub fn is_synchronized(host: &impl Host) -> Option<bool> {
    let ran = host.run("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).ok()?;
    match ran.output.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[must_use]
pub fn evaluate(facts: &ClockFacts) -> Vec<Finding> {
    let past = [("this program was built", facts.program), ("the ledger was written", facts.ledger)];
    let later = past.iter().find_map(|(what, at)| Some((what, at.filter(|at| *at > facts.now + TOLERANCE)?)));
    if let Some((what, at)) = later {
        let show = |at: SystemTime| Timestamp::try_from(at).map(|it| it.to_string()).unwrap_or_default();
        let evidence = format!("it is {} by the clock, but {what} at {}", show(facts.now), show(at));
        return vec![Finding::new(Diagnosis::ClockWrong, &evidence)];
    }
    match facts.synchronized {
        Some(false) => vec![Finding::new(Diagnosis::ClockNotSynchronized, "timedatectl: NTPSynchronized=no")],
        Some(true) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_what_happened_is_wrong() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let good =
            ClockFacts { now, program: Some(now), ledger: Some(now + TOLERANCE), synchronized: Some(true) };
        let future = Some(now + Duration::from_secs(3600));
        for (name, facts, expected) in [
            ("good", good, None),
            ("nothing known", ClockFacts { program: None, ledger: None, synchronized: None, ..good }, None),
            ("before its build", ClockFacts { program: future, ..good }, Some("clock-wrong")),
            ("before the ledger", ClockFacts { ledger: future, ..good }, Some("clock-wrong")),
            (
                "not synchronized",
                ClockFacts { synchronized: Some(false), ..good },
                Some("clock-not-synchronized"),
            ),
        ] {
            let found = evaluate(&facts);
            assert_eq!(found.first().map(|finding| finding.id.as_str()), expected, "{name}");
        }
    }
}
