//! The trusted roots of the policy, and the repositories that they come from: until when they are good.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Trust;
use crate::policy::Policy;
use crate::trust::TrustedRoot;
use crate::tuf_client::{Checked, State};

/// A trusted root of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootStatus {
    /// Its file, as in the policy.
    pub file: String,
    /// The authenticators that trust it.
    pub authenticators: BTreeSet<String>,
    /// When it does not cover new signatures any more; `None` if no end is known.
    pub end: Option<String>,
    /// What ends then.
    pub what: Option<String>,
    /// The last refresh, if it comes from a repository.
    pub refresh: Option<Checked>,
}

/// The roots of a policy, by their files.
#[must_use]
pub fn roots(policy: &Policy, trust: &Trust) -> Vec<RootStatus> {
    let mut roots: BTreeMap<&str, (&TrustedRoot, BTreeSet<String>)> = BTreeMap::new();
    for authenticator in policy.authenticators() {
        for root in authenticator.roots() {
            let (_, names) = roots.entry(root.origin()).or_insert_with(|| (root, BTreeSet::new()));
            names.insert(authenticator.name().to_owned());
        }
    }
    let refresh = |file: &str| {
        let directory = &trust.directory;
        let is_from = |name: &str| State::file_of(directory, name).display().to_string() == file;
        let repository = trust.repositories.iter().find(|repository| is_from(&repository.name))?;
        State::of(directory, &repository.name).checked()
    };
    let status = |(file, (root, authenticators)): (&str, (&TrustedRoot, BTreeSet<String>))| RootStatus {
        file: file.to_owned(),
        authenticators,
        end: root.end().map(|end| end.at.to_string()),
        what: root.end().map(|end| end.what.to_owned()),
        refresh: refresh(file),
    };
    roots.into_iter().map(status).collect()
}

/// What ends soon or has ended, in words that do not change until something else happens.
#[must_use]
pub fn warnings(policy: Option<&Policy>, trust: &Trust, now: Timestamp) -> Vec<String> {
    let notice = trust.notice_span();
    let horizon = now.checked_add(notice).unwrap_or(Timestamp::MAX);
    let mut warnings: Vec<String> =
        policy.into_iter().flat_map(|policy| policy.ending(now, notice)).collect();
    for repository in &trust.repositories {
        let name = &repository.name;
        let checked = State::of(&trust.directory, name).checked().unwrap_or_default();
        if checked.succeeded.is_none() {
            let why = checked.problem.as_deref().unwrap_or("`pullgate trust fetch` has not run");
            warnings.push(format!("the trusted root {name} was never refreshed: {why}"));
            continue;
        }
        let by = |time: &Option<String>, limit| {
            let time: Option<Timestamp> = time.as_deref().and_then(|time| time.parse().ok());
            time.filter(|time| *time <= limit)
        };
        if let Some(at) = by(&checked.expires, now) {
            let why = checked.problem.as_deref().unwrap_or("`pullgate trust fetch` does not run regularly");
            warnings.push(format!("the metadata of the trusted root {name} expired at {at}: {why}"));
        } else if let Some(at) = by(&checked.root_expires, horizon) {
            warnings.push(format!("the root.json of the trust repository {name} expires at {at}"));
        }
    }
    warnings
}
