//! Loads the policy: reads its files, collects what they declare, and puts it together.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use self::authenticator::DeclaredAuthenticator;
use self::collect::Collected;
use self::namespace::DeclaredRule;
use super::document::Document;
use super::file::{FileError, Guard};
use super::problem::{MAX_PROBLEMS, Problem, Problems};
use super::suggest;
use crate::keys::PinnedKey;
use crate::policy::{Action, Policy, PolicyError, Rule, ties};
use crate::trust::Authenticator;

mod advice;
mod authenticator;
mod collect;
mod denials;
mod namespace;
mod remote;
mod source;

pub use remote::REMOTE_BOUNDS;
pub use source::{DeclaredKey, KnownKeys};

/// The most bytes of one policy file: 4 MiB, several times what the most rules need.
pub const MAX_POLICY_BYTES: u64 = 4 * 1024 * 1024;

/// How often loading begins anew because a mounted ConfigMap was swapped meanwhile.
const MAX_SWAPS: usize = 5;

/// How many files `policy.d` may have.
pub const MAX_FILES: usize = 1000;

/// A policy as it was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What is allowed and yet hardly meant.
    pub warnings: Vec<Problem>,
    /// Every file that was read, key files too: what a reload has to watch.
    pub files: Vec<PathBuf>,
}

/// Loads `policy.toml` and `policy.d/*.toml` of the directory `root`, the latter in the order of their names. The order
/// changes nothing but the order of messages: what is declared twice is an error, whichever file it is in.
///
/// # Errors
/// All problems of all files. There is no policy then, and nothing may be pulled that an earlier one does not admit.
///
/// Public keys that are fetched are looked for where they are unless pullgate.toml says otherwise; see [`survey_policy`].
pub fn load_policy(root: &Path, now: Timestamp) -> Result<Loaded, Problems> {
    survey_policy(root, &KnownKeys::default(), now).loaded
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
    collected.read(&mut document, Path::new("/"), Guard::of_process(), &KnownKeys::default());
    collected.problems.append(&mut document.problems);
    collected.finish(now)
}

/// A policy, or what is wrong with it, and the keys that it would have fetched.
#[derive(Debug)]
pub struct Survey {
    /// The policy, or all problems of all files.
    pub loaded: Result<Loaded, Problems>,
    /// Every key with a `source`, as far as it could be read.
    pub declared: Vec<DeclaredKey>,
}

impl Survey {
    /// The keys that are missing, each once.
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

/// The same with `known` keys. Asks nobody: a key that is not there is a problem, and is among those that are missing.
pub fn survey_policy(root: &Path, known: &KnownKeys, now: Timestamp) -> Survey {
    // A mounted ConfigMap changes as a whole, by the link `..data`; files of before and after make no policy together.
    let version = || root.join("..data").read_link().ok();
    let mut before = version();
    for _ in 0..MAX_SWAPS {
        let loaded = load_guarded(root, now, Guard::of_process(), known);
        let after = version();
        if after == before {
            return loaded;
        }
        before = after;
    }
    load_guarded(root, now, Guard::of_process(), known)
}

fn load_guarded(root: &Path, now: Timestamp, guard: Guard, known: &KnownKeys) -> Survey {
    let mut collected = Collected::default();
    let files = policy_files(root, guard, &mut collected.problems);
    for name in &files {
        let path = root.join(name);
        match guard.read(root, &path, MAX_POLICY_BYTES) {
            Ok(text) => {
                collected.files.push(path);
                let mut document = Document::new(name, &text);
                collected.read(&mut document, root, guard, known);
                collected.problems.append(&mut document.problems);
            }
            Err(error) => {
                collected.incomplete = true;
                collected.problems.push(unreadable(name, &path, &error));
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
                "create it, or name another by `--config`",
            )
        });
        collected.incomplete = true;
    }
    let declared = std::mem::take(&mut collected.declared);
    Survey { loaded: collected.finish(now), declared }
}

impl Collected {
    /// Looks at everything together, and makes the policy if nothing was wrong.
    fn finish(mut self, now: Timestamp) -> Result<Loaded, Problems> {
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
        let warnings = self.warnings(now);
        let (Some(default), []) = (self.default, self.problems.as_slice()) else {
            self.problems.truncate(MAX_PROBLEMS);
            return Err(Problems::from(self.problems));
        };
        let places: Vec<_> = self.rules.iter().map(|rule| (rule.file.clone(), rule.place)).collect();
        let rules = self.rules.into_iter().map(|rule| rule.value.rule).collect();
        let authenticators =
            self.authenticators.into_iter().filter_map(|it| it.value.authenticator).collect();
        match Policy::new(default.value, rules, authenticators) {
            Ok(policy) => {
                Ok(Loaded { policy: policy.with_deny_list(self.denials), warnings, files: self.files })
            }
            Err(errors) => Err(Problems::from(errors.iter().map(|error| explain(error, &places)).collect())),
        }
    }

    /// Requirements may only name authenticators that there are, also those that have problems of their own.
    fn check_names(&mut self) {
        if self.incomplete {
            return;
        }
        let known: Vec<&str> = self.authenticators.iter().map(|it| it.value.name.as_str()).collect();
        for rule in &self.rules {
            for name in rule.value.names.iter().filter(|name| !known.contains(&name.value.as_str())) {
                self.problems.push(Problem::new(
                    &rule.file,
                    Some(name.place),
                    format!("authenticator {} does not exist", suggest::quoted(&name.value)),
                    suggest::one_of(&name.value, &known),
                ));
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
                    "scope {} is as specific as {} of {}:{}, and a name can be covered by both",
                    suggest::quoted(&second.value.written),
                    suggest::quoted(&first.value.written),
                    first.file,
                    first.place.line
                ),
                "remove one of them, or make one more specific",
            ));
        }
    }

    fn warnings(&self, now: Timestamp) -> Vec<Problem> {
        let used =
            |name: &str| self.rules.iter().any(|rule| rule.value.names.iter().any(|it| it.value == name));
        let mut warnings = Vec::new();
        for declared in &self.authenticators {
            let name = &declared.value.name;
            let mut warn = |message: String, hint: &str| {
                warnings.push(Problem::new(&declared.file, Some(declared.place), message, hint));
            };
            if !used(name) {
                warn(format!("authenticator `{name}` is required by no rule"), "remove it, or require it");
            }
            let keys = declared.value.authenticator.iter().flat_map(Authenticator::keys);
            let mut denied = keys.clone().map(|key| self.denials.of_key(key.public.fingerprint()).is_some());
            if keys.clone().next().is_some() && denied.all(|denied| denied) {
                warn(
                    format!(
                        "authenticator `{name}` has no key that is not denied, so it accepts no signature"
                    ),
                    "add a new key, and remove the denied ones",
                );
            }
            if keys.clone().next().is_some() && keys.clone().all(|key| key.outside_window(now).is_some()) {
                warn(
                    format!(
                        "authenticator `{name}` has no key that is valid now, so it accepts no signature"
                    ),
                    "add a key whose time has come and is not over",
                );
            }
        }
        for declared in &self.rules {
            if let Action::AllowUnsigned(allowance) = declared.value.rule.action()
                && let Some(until) = allowance.until.filter(|_| allowance.is_over(now))
            {
                let message = format!("`until` is over since {until}, so the rule refuses what it allowed");
                let hint = "remove the rule, or set another time";
                warnings.push(Problem::new(&declared.file, Some(declared.place), message, hint));
            }
        }
        warnings.sort();
        warnings
    }
}

/// The names of the files, from `root`.
fn policy_files(root: &Path, guard: Guard, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut files = Vec::new();
    match root.join("policy.toml").symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // Whatever else it is, reading it says what is wrong.
        _ => files.push("policy.toml".to_owned()),
    }
    let directory = root.join("policy.d");
    let listed = match guard.check_directory(&directory) {
        Ok(()) => std::fs::read_dir(&directory).map_err(FileError::Io),
        // A link to nowhere is there, and its rules are missed.
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
            problems.push(unreadable("policy.d", &directory, &error));
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

fn unreadable(name: &str, path: &Path, error: &FileError) -> Problem {
    Problem::new(name, None, error.to_string(), error.hint(path))
}

/// What [`Policy::new`] found and nothing before it.
fn explain(error: &PolicyError, places: &[(String, super::Place)]) -> Problem {
    let (rule, hint) = match error {
        PolicyError::TooFewKeys { rule, .. } => {
            (Some(*rule), "a key counts once, whichever authenticators have it; give them keys of their own")
        }
        PolicyError::UnknownAuthenticator { rule, .. } => (Some(*rule), "declare it"),
        PolicyError::Tie { second, .. } => (Some(*second), "make one of them more specific"),
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
