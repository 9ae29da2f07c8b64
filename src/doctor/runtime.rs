//! Traps of containerd: who may use its socket, and what its release does by itself.

use super::sockets::Access;
use super::{Diagnosis, Finding};

/// How many problems of host configurations are reported.
const MAX_HOSTS: usize = 8;

/// What is known of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeFacts {
    pub socket: String,
    pub access: Option<Access>,
    /// The user whose socket counts as root's.
    pub trusted: u32,
    /// Name and version, as in the daemon's status.
    pub version: Option<String>,
    /// What is wrong with containerd's configuration of registry hosts.
    pub hosts: Vec<String>,
    /// Whether the node has criu, without which containerd restores nothing.
    pub criu: bool,
    /// Whether kubelet's runtime endpoint is pullgate's socket.
    pub through_pullgate: bool,
}

#[must_use]
pub fn evaluate(facts: &RuntimeFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |diagnosis, evidence: &str| findings.push(Finding::new(diagnosis, evidence));
    if let Some(access) =
        facts.access.filter(|access| access.is_open(facts.trusted) || access.is_open_to_group())
    {
        found(Diagnosis::RuntimeAccess, &format!("{}: {}", facts.socket, access.describe()));
    }
    for problem in facts.hosts.iter().take(MAX_HOSTS) {
        found(Diagnosis::HostsFiles, problem);
    }
    if let Some(version) = &facts.version
        && facts.criu
        && !facts.through_pullgate
        && restores_by_create(version)
    {
        found(Diagnosis::CheckpointRestore, &format!("{version}, criu is installed"));
    }
    findings
}

/// Whether CreateContainer restores checkpoints by default: from 2.1 on, until `enable_experimental_restore_via_create` became
/// false in 2.2.7 and 2.3.4 (containerd docs/cri/config.md of these releases).
fn restores_by_create(version: &str) -> bool {
    let Some(numbers) = version.strip_prefix("containerd ") else { return false };
    let mut numbers = numbers
        .trim_start_matches('v')
        .split(|it: char| !it.is_ascii_digit())
        .map(|it| it.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    match (next(), next(), next()) {
        (Some(2), Some(1), _) => true,
        (Some(2), Some(2), patch) => patch.is_none_or(|patch| patch < 7),
        (Some(2), Some(3), patch) => patch.is_none_or(|patch| patch < 4),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_releases_restore_by_themselves() {
        for (version, expected) in [
            ("containerd 1.7.24", false),
            ("containerd v2.0.5", false),
            ("containerd 2.1.9~ds1", true),
            ("containerd v2.2.6", true),
            ("containerd 2.2.7", false),
            ("containerd 2.3.3-rc.1", true),
            ("containerd 2.3.4", false),
            ("containerd 2.4.0", false),
            ("cri-o 2.1.0", false),
            ("containerd", false),
        ] {
            assert_eq!(restores_by_create(version), expected, "{version}");
        }
    }

    #[test]
    fn each_trap_is_found() {
        let access = Access { owner: 0, group: 0, mode: 0o660 };
        let good = || RuntimeFacts {
            access: Some(access),
            version: Some("containerd 2.1.4".to_owned()),
            ..RuntimeFacts::default()
        };
        let open = Some(Access { mode: 0o666, ..access });
        for (name, facts, expected) in [
            ("good", good(), &[][..]),
            (
                "open to a group",
                RuntimeFacts { access: Some(Access { group: 5, ..access }), ..good() },
                &["runtime-access"],
            ),
            ("open", RuntimeFacts { access: open, ..good() }, &["runtime-access"]),
            ("hosts", RuntimeFacts { hosts: vec!["a:b".to_owned()], ..good() }, &["hosts-files"]),
            ("criu", RuntimeFacts { criu: true, ..good() }, &["checkpoint-restore"]),
            ("criu, and checked", RuntimeFacts { criu: true, through_pullgate: true, ..good() }, &[]),
        ] {
            let codes: Vec<_> = evaluate(&facts).into_iter().map(|finding| finding.id).collect();
            assert_eq!(codes, expected, "{name}");
        }
    }
}
