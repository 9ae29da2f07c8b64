//! What the daemon says of itself.

use super::{Diagnosis, Finding};

/// A part of the daemon's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonFacts {
    pub pid: u32,
    /// The hash of the policy in force.
    pub policy: Option<String>,
    /// Problems of the last reload, if it failed.
    pub reload: Option<String>,
    /// Why the runtime or the image service does not answer.
    pub runtime: Vec<String>,
    /// Options of `[gate]` that disable a check.
    pub disabled: Vec<&'static str>,
    /// The open break-glass exceptions.
    pub exceptions: Vec<String>,
    /// Why evidence is in memory only.
    pub ledger: Option<String>,
    /// What is followed and counts as frozen.
    pub frozen: Vec<String>,
    /// What was refused of what is followed.
    pub refused: Vec<String>,
}

/// The findings; `disk` is the hash of the policy on disk, if it loads.
#[must_use]
pub fn evaluate(facts: &Result<DaemonFacts, String>, disk: Option<&str>) -> Vec<Finding> {
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => return vec![Finding::new(Diagnosis::DaemonDown, why)],
    };
    let mut findings = Vec::new();
    let mut found = |diagnosis, evidence: &str| findings.push(Finding::new(diagnosis, evidence));
    match (&facts.policy, &facts.reload) {
        (None, problem) => {
            found(Diagnosis::NoPolicy, problem.as_deref().unwrap_or("the daemon has no policy"));
        }
        (Some(_), Some(problem)) => found(Diagnosis::ReloadFailed, problem),
        (Some(hash), None) if disk.is_some_and(|disk| disk != hash) => {
            found(
                Diagnosis::NotReloaded,
                &format!("in force: {hash}, on disk: {}", disk.unwrap_or_default()),
            );
        }
        (Some(_), None) => {}
    }
    for followed in &facts.frozen {
        found(Diagnosis::FollowFrozen, followed);
    }
    for followed in &facts.refused {
        found(Diagnosis::FollowRefused, followed);
    }
    for problem in &facts.runtime {
        found(Diagnosis::RuntimeDown, problem);
    }
    if !facts.disabled.is_empty() {
        found(Diagnosis::ChecksDisabled, &facts.disabled.join(", "));
    }
    if !facts.exceptions.is_empty() {
        found(Diagnosis::BreakGlass, &facts.exceptions.join("; "));
    }
    if let Some(problem) = &facts.ledger {
        found(Diagnosis::LedgerInMemory, problem);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_the_daemon_is_judged() {
        let good = || DaemonFacts { policy: Some("sha256:1".to_owned()), ..DaemonFacts::default() };
        let text = || Some("why".to_owned());
        for (name, facts, disk, expected) in [
            ("good", Ok(good()), Some("sha256:1"), &[][..]),
            ("disk unknown", Ok(good()), None, &[]),
            ("other policy on disk", Ok(good()), Some("sha256:2"), &["policy-not-loaded"]),
            (
                "failed reload",
                Ok(DaemonFacts { reload: text(), ..good() }),
                Some("sha256:2"),
                &["reload-failed"],
            ),
            ("no policy", Ok(DaemonFacts { policy: None, ..good() }), None, &["no-policy"]),
            (
                "everything",
                Ok(DaemonFacts {
                    runtime: vec!["why".to_owned()],
                    disabled: vec!["image-status"],
                    exceptions: vec!["**".to_owned()],
                    ledger: text(),
                    frozen: vec!["policy".to_owned()],
                    refused: vec!["deny-list".to_owned()],
                    ..good()
                }),
                None,
                &[
                    "follow-frozen",
                    "follow-refused",
                    "runtime-down",
                    "checks-disabled",
                    "break-glass",
                    "ledger-in-memory",
                ],
            ),
            ("down", Err("refused".to_owned()), None, &["daemon-down"]),
        ] {
            let codes: Vec<_> = evaluate(&facts, disk).into_iter().map(|finding| finding.id).collect();
            assert_eq!(codes, expected, "{name}");
        }
    }
}
