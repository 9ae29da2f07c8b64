//! Whether systemd runs pullgate as the package says: with its command and its sandbox.

use std::path::PathBuf;

use super::{Diagnosis, Finding};
use crate::node_install::Host;

/// The units of the package.
const UNITS: [(&str, &str); 2] = [
    ("pullgate.service", include_str!("../../systemd/pullgate.service")),
    ("pullgate.socket", include_str!("../../systemd/pullgate.socket")),
];

/// What a drop-in may set: nothing of it weakens the sandbox, or changes what runs.
const HARMLESS: [&str; 24] = [
    "After",
    "Before",
    "Wants",
    "Documentation",
    "Description",
    "Environment",
    "EnvironmentFile",
    "MemoryMax",
    "MemoryHigh",
    "TasksMax",
    "LimitNOFILE",
    "OOMScoreAdjust",
    "CPUWeight",
    "IOWeight",
    "Nice",
    "Slice",
    "TimeoutStopSec",
    "WatchdogSec",
    "RestartSec",
    "ReadWritePaths",
    "SocketMode",
    "SocketGroup",
    "SocketUser",
    "ListenStream",
];

/// A unit as systemd has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFacts {
    pub unit: String,
    /// The output of `systemctl cat`.
    pub text: String,
    /// Whether files changed since systemd has read them.
    pub stale: bool,
}

/// The units that systemd knows; none without systemd.
#[must_use]
pub fn gather(host: &impl Host) -> Vec<UnitFacts> {
    let run = |arguments: &[&str]| {
        host.run("systemctl", arguments).ok().filter(|ran| ran.success).map(|ran| ran.output)
    };
    let unit = |(unit, _): &(&str, &str)| {
        let text = run(&["cat", unit]).filter(|text| !text.is_empty())?;
        let stale = run(&["show", "--property=NeedDaemonReload", unit])?.contains("NeedDaemonReload=yes");
        Some(UnitFacts { unit: (*unit).to_owned(), text, stale })
    };
    UNITS.iter().filter_map(unit).collect()
}

/// The path of the socket that systemd holds for pullgate, if it does.
#[must_use]
pub fn socket(host: &impl Host) -> Option<PathBuf> {
    let ran = host.run("systemctl", &["show", "--property=Listen", "pullgate.socket"]).ok()?;
    let path = ran.output.lines().find_map(|line| line.strip_prefix("Listen=")?.strip_suffix(" (Stream)"))?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[must_use]
pub fn evaluate(units: &[UnitFacts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for facts in units {
        let packaged = UNITS.iter().find(|(unit, _)| *unit == facts.unit).map_or("", |(_, text)| text);
        if facts.stale {
            findings.push(Finding::new(Diagnosis::UnitStale, &facts.unit));
        }
        let changes = changes(&facts.text, packaged);
        if !changes.is_empty() {
            findings.push(Finding::new(
                Diagnosis::UnitChanged,
                &format!("{}: {}", facts.unit, changes.join(", ")),
            ));
        }
    }
    findings
}

/// What differs from the packaged unit: its own file as a whole, and directives of drop-ins.
fn changes(text: &str, packaged: &str) -> Vec<String> {
    let mut changes = Vec::new();
    for (path, body) in files(text) {
        if path.ends_with(".conf") {
            // Without the values, which may be secrets.
            let keys = directives(body).map(|line| line.split('=').next().unwrap_or_default().trim());
            changes
                .extend(keys.filter(|key| !HARMLESS.contains(key)).map(|key| format!("{path} sets {key}")));
        } else if !directives(body).eq(directives(packaged)) {
            changes.push(format!("{path} is not the file of this version"));
        }
    }
    changes
}

/// The files in the output of `systemctl cat`, each after a line with its path.
fn files(text: &str) -> Vec<(&str, &str)> {
    let mut found: Vec<(&str, usize, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let path = line.trim_end().strip_prefix("# /").filter(|rest| !rest.contains(' '));
        if let Some(path) =
            path.filter(|path| [".service", ".socket", ".conf"].iter().any(|it| path.ends_with(it)))
        {
            found.push((path, at + line.len(), at + line.len()));
        } else if let Some(last) = found.last_mut() {
            last.2 = at + line.len();
        }
        at += line.len();
    }
    found.into_iter().filter_map(|(path, from, to)| Some((path, text.get(from..to)?))).collect()
}

/// The lines that set something. Lines that continue another (systemd.syntax(7)) are not among them.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    let mut continued = false;
    text.lines().map(str::trim).filter(move |line| {
        // Comments do not end a line that is continued after them.
        if line.starts_with(['#', ';']) {
            return false;
        }
        let begins = !std::mem::replace(&mut continued, line.ends_with('\\'));
        begins && !line.is_empty() && !line.starts_with('[')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_of_the_sandbox_are_found_and_others_are_not() {
        let own = format!("# /usr/lib/systemd/system/pullgate.service\n{}\n", UNITS[0].1);
        let drop_in =
            |text: &str| format!("{own}# /etc/systemd/system/pullgate.service.d/override.conf\n{text}\n");
        let unit = |text: String, stale| vec![UnitFacts { unit: "pullgate.service".to_owned(), text, stale }];
        for (name, units, expected) in [
            ("packaged", unit(own.clone(), false), None),
            ("harmless", unit(drop_in("[Service]\nMemoryMax=512M\nEnvironment=A=b"), false), None),
            (
                "sandbox",
                unit(drop_in("[Service]\n# why\nProtectSystem=no"), false),
                Some("sets ProtectSystem"),
            ),
            (
                "command",
                unit(drop_in("[Service]\nExecStart=\nExecStart=/opt/x"), false),
                Some("sets ExecStart"),
            ),
            (
                "rewritten",
                unit(own.replace("NoNewPrivileges=yes", "NoNewPrivileges=no"), false),
                Some("is not the file"),
            ),
            (
                "continued",
                unit(
                    drop_in(
                        "[Service]\nEnvironment=\"A=b\" \\\n  \"HTTPS_PROXY=http://user:pg5ECRET@proxy\"",
                    ),
                    false,
                ),
                None,
            ),
            ("credential", unit(drop_in("SetCredential=a:pg5ECRET"), false), Some("sets SetCredential")),
            ("stale", unit(own.clone(), true), Some("pullgate.service")),
            ("no systemd", vec![], None),
        ] {
            let found = evaluate(&units);
            let evidence = found.first().map(|finding| finding.evidence.clone());
            assert_eq!(evidence.is_some(), expected.is_some(), "{name}: {evidence:?}");
            assert!(!format!("{found:?}").contains("pg5ECRET"), "{name}: {found:?}");
            assert!(
                expected.is_none_or(|expected| evidence.clone().unwrap().contains(expected)),
                "{name}: {evidence:?}"
            );
        }
    }
}
