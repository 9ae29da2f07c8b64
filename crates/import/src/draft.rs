//! A policy under construction, before it is written as TOML.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, ImportError, Note};
use pullgate_core::trust::openpgp::{KeyringError, armor, read_keyring};
use pullgate_core::trust::{Algorithm, KeyError, PssSalt, PublicKey};

/// The longest name of an authenticator, in characters.
const MAX_NAME: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) source: &'static str,
    /// The reason why images that no rule covers are allowed; without one, they are refused.
    pub(super) allowed_by_default: Option<String>,
    pub(super) authenticators: Vec<DraftAuthenticator>,
    pub(super) rules: Vec<Rule>,
    /// Denied digests, each with the reason.
    pub(super) denied: Vec<(String, String)>,
    pub(super) notes: Vec<Note>,
}

#[derive(Clone, Debug)]
pub(super) struct DraftAuthenticator {
    pub(super) name: String,
    pub(super) origin: String,
    pub(super) keys: Vec<PublicKey>,
    /// The fingerprints of OpenPGP keys, which are in the options.
    pub(super) fingerprints: Vec<String>,
    /// The options beside its keys.
    pub(super) settings: Vec<(&'static str, Setting)>,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Text(String),
    /// Several lines, without three single quotes.
    Lines(String),
    List(Vec<String>),
}

/// OpenPGP keys.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenPgpKeys {
    pub(super) armored: String,
    /// Those of the primary keys, sorted.
    pub(super) fingerprints: Vec<String>,
}

impl DraftAuthenticator {
    /// The keys that count for it.
    fn identities(&self) -> impl Iterator<Item = &str> {
        let openpgp = self.fingerprints.iter().map(String::as_str);
        self.keys.iter().map(PublicKey::fingerprint).chain(openpgp)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) origin: String,
    pub(super) scope: String,
    pub(super) pods: Vec<String>,
    pub(super) action: Action,
    /// Whether it only logs what it would refuse.
    pub(super) audit: bool,
}

impl Rule {
    /// A rule for all pods that is enforced.
    pub(super) fn new(origin: String, scope: String, action: Action) -> Self {
        Self { origin, scope, pods: Vec::new(), action, audit: false }
    }

    /// The same for pods of this namespace.
    pub(super) fn of_pods(self, namespace: &str) -> Self {
        Self { pods: vec![namespace.to_owned()], ..self }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    All(Vec<String>),
    Any(Vec<String>),
    Allow(String),
    Deny(String),
}

impl Draft {
    pub(super) fn new(source: &'static str) -> Self {
        Self { source, ..Self::default() }
    }

    pub(super) fn note(&mut self, effect: Effect, subject: impl Into<String>, text: impl Into<String>) {
        let note = Note { effect, subject: subject.into(), text: text.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds an authenticator of keys and returns its name: the original name, if it is valid here and not taken.
    pub(super) fn authenticator(&mut self, original: &str, keys: Vec<PublicKey>) -> String {
        self.add_authenticator(original, keys, Vec::new())
    }

    /// Adds an authenticator with these options.
    pub(super) fn authenticator_of(
        &mut self,
        original: &str,
        settings: Vec<(&'static str, Setting)>,
    ) -> String {
        self.add_authenticator(original, Vec::new(), settings)
    }

    /// Adds an attestor with keys of both kinds.
    pub(super) fn attestor(&mut self, original: &str, keys: Vec<PublicKey>, openpgp: OpenPgpKeys) -> String {
        let mut settings = vec![("type", Setting::Text("attestor".to_owned()))];
        let OpenPgpKeys { armored, fingerprints } = openpgp;
        if !armored.is_empty() {
            settings.push(("armored", Setting::Lines(armored)));
        }
        let name = self.add_authenticator(original, keys, settings);
        if let Some(added) = self.authenticators.last_mut() {
            added.fingerprints = fingerprints;
        }
        name
    }

    /// Adds an authenticator of OpenPGP keys.
    pub(super) fn openpgp_authenticator(&mut self, original: &str, keys: OpenPgpKeys) -> String {
        let settings =
            vec![("type", Setting::Text("gpg".to_owned())), ("armored", Setting::Lines(keys.armored))];
        let name = self.authenticator_of(original, settings);
        if let Some(added) = self.authenticators.last_mut() {
            added.fingerprints = keys.fingerprints;
        }
        name
    }

    /// Adds an authenticator with keys and options.
    pub(super) fn add_authenticator(
        &mut self,
        original: &str,
        keys: Vec<PublicKey>,
        settings: Vec<(&'static str, Setting)>,
    ) -> String {
        let valid: String = original
            .chars()
            .map(|it| if it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.') { it } else { '-' })
            .take(MAX_NAME - 4)
            .collect();
        let base = if valid.trim_matches('-').is_empty() { "authenticator".to_owned() } else { valid };
        let taken: BTreeSet<&str> = self.authenticators.iter().map(|it| it.name.as_str()).collect();
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(name.as_str()));
        let name = name.unwrap_or(base);
        self.authenticators.push(DraftAuthenticator {
            name: name.clone(),
            origin: original.to_owned(),
            keys,
            fingerprints: Vec::new(),
            settings,
        });
        name
    }

    /// Notes the authorities that share a key. In the original an attestation counts only under the note of its authority, and
    /// who may attach it there is a permission of its own (grafeas `proto/v1/attestation.proto`); pullgate knows the key alone.
    pub(super) fn note_notes_not_compared(&mut self) {
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        let mut shared = Vec::new();
        for authenticator in &self.authenticators {
            for key in authenticator.identities() {
                let earlier = *first.entry(key).or_insert(&authenticator.origin);
                if earlier != authenticator.origin {
                    shared.push((authenticator.origin.clone(), earlier.to_owned()));
                }
            }
        }
        shared.dedup();
        for (origin, earlier) in shared {
            let text = format!(
                "it has the same key as {earlier}: an attestation by one attestor also counts for the other, because pullgate does not compare the notes of attestations"
            );
            self.note(Effect::Wider, origin, text);
        }
    }

    /// Notes the rules that one key alone would satisfy in the original. In pullgate a key counts once.
    pub(super) fn note_shared_keys(&mut self) {
        let mut shared = Vec::new();
        for rule in &self.rules {
            let Action::All(names) = &rule.action else { continue };
            let mut seen = BTreeSet::new();
            let of =
                |name: &String| self.authenticators.iter().find(|authenticator| authenticator.name == *name);
            let mut keys = names.iter().filter_map(of).flat_map(DraftAuthenticator::identities);
            if keys.any(|key| !seen.insert(key)) {
                shared.push(rule.origin.clone());
            }
        }
        for origin in shared {
            self.note(
                Effect::Stricter,
                origin,
                "two of its authenticators share a key, but pullgate counts each key once, so a second key must sign, too",
            );
        }
    }
}

impl OpenPgpKeys {
    /// Adds the keys of a keyring, armored or not.
    pub(super) fn add(&mut self, keyring: &[u8]) -> Result<(), KeyringError> {
        let read = read_keyring(keyring)?;
        let binary = armor::binary(keyring)?;
        self.fingerprints.extend(read.iter().map(|key| key.fingerprint().to_string()));
        self.fingerprints.sort_unstable();
        self.fingerprints.dedup();
        self.armored.push_str(&armor::encode(&binary));
        Ok(())
    }
}

/// Reads a public key for the first of the `preferred` algorithms that fits its kind, or else for the usual one.
pub(super) fn key(
    pem: &str,
    subject: &str,
    preferred: impl IntoIterator<Item = Algorithm>,
) -> Result<PublicKey, ImportError> {
    let read = |algorithm| PublicKey::from_pem(pem, algorithm, PssSalt::default());
    let fitting = preferred.into_iter().map(read).find(|read| !matches!(read, Err(KeyError::Kind { .. })));
    if fitting.is_none() && read(Algorithm::RsaPkcs1Sha256).is_ok() {
        return Err(ImportError::Algorithm { subject: subject.to_owned() });
    }
    let found = fitting.unwrap_or_else(|| Algorithm::usual_of(read));
    found.map_err(|error| ImportError::Key { subject: subject.to_owned(), error })
}
