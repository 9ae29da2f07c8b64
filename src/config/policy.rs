//! Loads the policy: reads its files, collects their declarations, and checks them together.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use self::authenticator::DeclaredAuthenticator;
use self::collect::Collected;
use self::content::Content;
use self::namespace::DeclaredRule;
use super::document::Document;
use super::file::{FileError, Guard};
use super::problem::{MAX_PROBLEMS, Problem, Problems};
use super::suggest;
use crate::keys::PinnedKey;
use crate::policy::{Policy, PolicyError, Rule, ties};
use crate::signature::reads_attestations;
use crate::trust::ROOT_NOTICE;
use pullgate_config::description::TypeKeys;
use pullgate_config::options::OptionDoc;

mod advice;
mod attestation;
mod authenticator;
mod collect;
mod content;
mod declared;
mod denials;
mod followed;
mod key_files;
mod namespace;
mod options;
mod remote;
mod source;
mod warnings;

pub use followed::{deny_list_of, survey_document, survey_following};
pub use source::{DeclaredKey, KnownKeys};

/// The options of policy.toml and policy.d/*.toml.
pub(super) fn policy_options() -> Vec<OptionDoc> {
    options::all()
}

/// The tables of them whose `type` decides which keys they may have.
pub(super) fn keys_by_type() -> Vec<TypeKeys> {
    authenticator::keys_by_type().chain(attestation::keys_by_type()).collect()
}

/// The most bytes of one policy file: 4 MiB, several times what the most rules need.
pub const MAX_POLICY_BYTES: u64 = 4 * 1024 * 1024;

/// How often loading is repeated because a mounted ConfigMap was replaced meanwhile.
const MAX_SWAPS: usize = 5;

/// How many files `policy.d` may have.
pub const MAX_FILES: usize = 1000;

/// A loaded policy.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What is valid but probably a mistake.
    pub warnings: Vec<Problem>,
    /// Every file that was read, including key files: a reload watches them.
    pub files: Vec<PathBuf>,
}

/// Loads `policy.toml` and `policy.d/*.toml` of the directory `root`, the latter sorted by name. The order affects only the
/// order of messages: a duplicate declaration is an error in whichever file it is.
///
/// # Errors
/// All problems of all files.
///
/// Fetched public keys are read from the default directory; see [`survey_policy`] for another one.
pub fn load_policy(root: &Path, now: Timestamp) -> Result<Loaded, Problems> {
    survey_policy(root, &KnownKeys::default(), now, ROOT_NOTICE).loaded
}

/// Loads a policy that is one text and names no other files, as if it were `policy.toml`.
///
/// # Errors
/// All problems.
pub fn load_policy_text(text: &str, now: Timestamp) -> Result<Loaded, Problems> {
    const NAME: &str = "policy.toml";
    let mut collected = Collected::default();
    if text.len() as u64 > MAX_POLICY_BYTES {
        let message = format!("the policy is longer than {MAX_POLICY_BYTES} bytes");
        return Err(Problems::from(vec![Problem::new(
            NAME,
            None,
            message,
            "split it into files of policy.d",
        )]));
    }
    let mut document = Document::new(NAME, text);
    collected.read(&mut document, Path::new("/"), Content::Disk(Guard::of_process()), &KnownKeys::default());
    collected.problems.append(&mut document.problems);
    collected.finish(now, ROOT_NOTICE)
}

/// A policy or its problems, and the keys that it fetches.
#[derive(Debug)]
pub struct Survey {
    /// The policy, or all problems of all files.
    pub loaded: Result<Loaded, Problems>,
    /// Every valid key with a `source`.
    pub declared: Vec<DeclaredKey>,
}

impl Survey {
    /// The missing keys, without duplicates.
    #[must_use]
    pub fn missing(&self) -> Vec<PinnedKey> {
        let mut missing: Vec<PinnedKey> = Vec::new();
        for declared in self.declared.iter().filter(|declared| !declared.cached) {
            if !missing.contains(&declared.key) {
                missing.push(declared.key.clone());
            }
        }
        missing
    }
}

/// Loads a policy with `known` keys, without network. A key that is not known is a problem, and [`Survey::missing`] has it.
/// What it trusts and will end within `notice` is a warning.
pub fn survey_policy(root: &Path, known: &KnownKeys, now: Timestamp, notice: SignedDuration) -> Survey {
    // A mounted ConfigMap is replaced as a whole, by the link `..data`; old and new files together are no policy.
    let version = || root.join("..data").read_link().ok();
    let mut before = version();
    for _ in 0..MAX_SWAPS {
        let loaded = load_guarded(root, (now, notice), Guard::of_process(), known);
        let after = version();
        if after == before {
            return loaded;
        }
        before = after;
    }
    load_guarded(root, (now, notice), Guard::of_process(), known)
}

fn load_guarded(
    root: &Path,
    (now, notice): (Timestamp, SignedDuration),
    guard: Guard,
    known: &KnownKeys,
) -> Survey {
    let mut collected = Collected::default();
    let files = policy_files(root, guard, &mut collected.problems);
    for name in &files {
        let path = root.join(name);
        match guard.read(root, &path, MAX_POLICY_BYTES) {
            Ok(text) => {
                collected.files.push(path);
                let mut document = Document::new(name, &text);
                collected.read(&mut document, root, Content::Disk(guard), known);
                collected.problems.append(&mut document.problems);
            }
            Err(error) => {
                collected.incomplete = true;
                collected.problems.push(error.problem(name, &path));
            }
        }
    }
    if files.is_empty() && collected.problems.is_empty() {
        collected.problems.push(if root.is_dir() {
            Problem::new(
                "policy.toml",
                None,
                "the policy is missing, so every pull is refused",
                "write policy.toml or a file in policy.d; start with `default = \"deny\"`",
            )
        } else {
            let message = "the directory does not exist, so there is no policy and every pull is refused";
            Problem::new(
                root.display().to_string(),
                None,
                message,
                "create it, or name another directory with `--config`",
            )
        });
        collected.incomplete = true;
    }
    let declared = std::mem::take(&mut collected.declared);
    Survey { loaded: collected.finish(now, notice), declared }
}

impl Collected {
    /// Checks all declarations together, and makes the policy if there is no problem.
    fn finish(mut self, now: Timestamp, notice: SignedDuration) -> Result<Loaded, Problems> {
        self.check_names();
        self.check_ties();
        if self.default.is_none() && !self.incomplete {
            self.problems.push(Problem::new(
                "policy.toml",
                None,
                "missing `default`: the policy must say what happens to images that no rule matches",
                "write `default = \"deny\"` at the top of policy.toml",
            ));
        }
        let warnings = self.warnings(now, notice);
        let (Some(default), []) = (self.default, self.problems.as_slice()) else {
            self.problems.truncate(MAX_PROBLEMS);
            return Err(Problems::from(self.problems));
        };
        let places: Vec<_> = self.rules.iter().map(|rule| (rule.file.clone(), rule.place)).collect();
        let rules = self.rules.into_iter().map(|rule| rule.value.rule).collect();
        let authenticators =
            self.authenticators.into_iter().filter_map(|it| it.value.authenticator).collect();
        let conditions = self.conditions.into_iter().filter_map(|it| it.value.condition).collect();
        match Policy::with_conditions(default.value, rules, authenticators, conditions) {
            Ok(policy) => {
                Ok(Loaded { policy: policy.with_deny_list(self.denied.list), warnings, files: self.files })
            }
            Err(errors) => Err(Problems::from(errors.iter().map(|error| explain(error, &places)).collect())),
        }
    }

    /// Checks that requirements name declared authenticators, which may have problems of their own.
    fn check_names(&mut self) {
        if self.incomplete {
            return;
        }
        let known: Vec<&str> = self.authenticators.iter().map(|it| it.value.name.as_str()).collect();
        let conditions: Vec<&str> = self.conditions.iter().map(|it| it.value.name.as_str()).collect();
        let of_rules = self.rules.iter().map(|rule| (&rule.file, &rule.value.names));
        let of_conditions = self.conditions.iter().map(|it| (&it.file, &it.value.names));
        let attested = self.rules.iter().map(|rule| (&rule.file, &rule.value.attestations));
        let named = of_rules.chain(of_conditions).map(|names| ("authenticator", &known, names));
        let named = named.chain(attested.map(|names| ("attestation", &conditions, names)));
        for (what, known, (file, names)) in named {
            for name in names.iter().filter(|name| !known.contains(&name.value.as_str())) {
                self.problems.push(Problem::new(
                    file,
                    Some(name.place),
                    format!("{what} {} does not exist", suggest::quoted(&name.value)),
                    suggest::one_of(&name.value, known),
                ));
            }
        }
        self.check_verifiers();
    }

    /// Checks that attestations can be verified by the authenticators that are named for them.
    fn check_verifiers(&mut self) {
        for condition in &self.conditions {
            for name in &condition.value.names {
                let named = self.authenticators.iter().find(|it| it.value.name == name.value);
                let named = named.and_then(|it| it.value.authenticator.as_ref());
                if let Some(unfit) = named.filter(|it| !reads_attestations(it.signers())) {
                    let (name_of, kind) = (suggest::quoted(unfit.name()), unfit.set().kind());
                    self.problems.push(Problem::new(
                        &condition.file,
                        Some(name.place),
                        format!("authenticator {name_of} has type `{kind}`, which verifies no attestations"),
                        "name an authenticator of keys, keyless identities or certificates",
                    ));
                }
            }
        }
    }

    fn check_ties(&mut self) {
        let rules: Vec<&Rule> = self.rules.iter().map(|rule| &rule.value.rule).collect();
        for (first, second) in ties(&rules) {
            let (Some(first), Some(second)) = (self.rules.get(first), self.rules.get(second)) else {
                continue;
            };
            self.problems.push(Problem::new(
                &second.file,
                Some(second.place),
                format!(
                    "scope {} is as specific as {} of {}:{}, and some image names match both scopes",
                    suggest::quoted(&second.value.written),
                    suggest::quoted(&first.value.written),
                    first.file,
                    first.place.line
                ),
                "remove one of the two rules, or make the scope of one more specific",
            ));
        }
    }
}

/// The names of the files, from `root`.
fn policy_files(root: &Path, guard: Guard, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut files = Vec::new();
    match root.join("policy.toml").symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // If it is something else, reading it reports that.
        _ => files.push("policy.toml".to_owned()),
    }
    let directory = root.join("policy.d");
    let listed = match guard.check_directory(&directory) {
        Ok(()) => std::fs::read_dir(&directory).map_err(FileError::Io),
        // A dangling link is an error: its rules are missing.
        Err(FileError::Missing) if directory.symlink_metadata().is_err() => return files,
        Err(error) => Err(error),
    };
    let listed = listed.and_then(|entries| {
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        names.collect::<Result<Vec<_>, _>>().map_err(FileError::Io)
    });
    let names = match listed {
        Ok(names) => names,
        Err(error) => {
            problems.push(error.problem("policy.d", &directory));
            return files;
        }
    };
    let mut drop_ins = Vec::new();
    for name in names {
        match name.to_str() {
            Some(name) if name.starts_with('.') || !name.ends_with(".toml") => {}
            Some(name) => drop_ins.push(format!("policy.d/{name}")),
            None => problems.push(Problem::new(
                "policy.d",
                None,
                format!("file name {} is not UTF-8", suggest::quoted(&name.to_string_lossy())),
                "rename it",
            )),
        }
    }
    if drop_ins.len() > MAX_FILES {
        problems.push(Problem::new("policy.d", None, format!("more than {MAX_FILES} files"), "merge some"));
        drop_ins.clear();
    }
    drop_ins.sort();
    files.append(&mut drop_ins);
    files
}

/// The problem for an error that only [`Policy::new`] finds.
fn explain(error: &PolicyError, places: &[(String, super::Place)]) -> Problem {
    let (rule, hint) = match error {
        PolicyError::TooFewKeys { rule, .. } => (
            Some(*rule),
            "a key counts once, even if several authenticators have it; give each authenticator its own key",
        ),
        PolicyError::UnknownAuthenticator { rule, .. } => (Some(*rule), "declare the authenticator"),
        PolicyError::Tie { second, .. } => (Some(*second), "make one of the two scopes more specific"),
        PolicyError::UnknownAttestation { rule, .. } => (Some(*rule), "declare it"),
        PolicyError::SameAttestation { .. } => (None, "remove one of them"),
        PolicyError::TooManyAttestations => (None, "merge some"),
        PolicyError::NoVerifier { .. } => {
            (None, "name an authenticator of keys, keyless identities or certificates")
        }
        PolicyError::TooManyRules => (None, "merge rules with `*`"),
        PolicyError::SameAuthenticator { .. } => (None, "remove one of them"),
    };
    let (file, place) = rule
        .and_then(|rule| places.get(rule))
        .map_or(("policy.toml", None), |(file, place)| (file.as_str(), Some(*place)));
    Problem::new(file, place, error.to_string(), hint)
}

#[cfg(test)]
mod tests;
