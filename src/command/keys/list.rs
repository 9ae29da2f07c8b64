//! `pullgate keys list`

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::command::policy::{Format, survey};
use crate::command::{Outcome, output};
use crate::config::DeclaredKey;
use crate::trust::{Authenticator, Key, Outside};

/// Arguments of `pullgate keys list`.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct List {
    /// Show it as text or as JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let survey = match survey(root) {
            Ok((_, survey)) => survey,
            Err(outcome) => return outcome,
        };
        let policy = match survey.loaded {
            Ok(loaded) => loaded.policy,
            Err(problems) => {
                // What the authenticators resolve to is not known, but where their keys are is.
                for declared in &survey.declared {
                    output::line(&missing(declared));
                }
                output::note(&problems.to_string());
                return Outcome::Usage;
            }
        };
        let now = Timestamp::now();
        if self.json || matches!(self.format, Format::Json) {
            let authenticators: Vec<Value> =
                policy.authenticators().map(|it| document(it, now, &survey.declared)).collect();
            output::line(&Value::from(authenticators).to_string());
        } else {
            for authenticator in policy.authenticators() {
                output::line(authenticator.name());
                for key in authenticator.keys() {
                    let kept = if elsewhere(key, &survey.declared) { ", kept" } else { "" };
                    output::line(&format!("  {}{kept}", line(key, standing(key, now))));
                }
                for (key, _) in authenticator.revoked() {
                    output::line(&format!("  {}", line(key, "revoked")));
                }
            }
        }
        Outcome::Fine
    }
}

/// Whether the private half is kept elsewhere, and the public one was fetched.
fn elsewhere(key: &Key, declared: &[DeclaredKey]) -> bool {
    let fingerprint = key.public.fingerprint();
    declared.iter().any(|DeclaredKey { key: it, .. }| {
        it.fingerprint.as_str() == fingerprint && it.location.to_string() == key.origin
    })
}

/// Whether a key is believed now.
fn standing(key: &Key, now: Timestamp) -> &'static str {
    match key.outside_window(now) {
        None => "valid",
        Some(Outside::Early { .. }) => "not yet valid",
        Some(Outside::Late { .. }) => "expired",
    }
}

fn line(key: &Key, standing: &str) -> String {
    let mut text = format!(
        "{} {} {standing}, {}",
        key.public.fingerprint(),
        key.public.algorithm(),
        key.origin.escape_debug()
    );
    if let Some(remote) = &key.remote {
        let memory = remote.memory.as_secs();
        text.push_str(&format!(", confirmed by its service and remembered for {memory} s"));
    }
    for (word, time) in [("from", key.not_before), ("until", key.not_after)] {
        text.extend(time.map(|time| format!(", {word} {time}")));
    }
    text
}

fn missing(declared: &DeclaredKey) -> String {
    let DeclaredKey { authenticator, key, cached, .. } = declared;
    let standing = if *cached { "kept" } else { "missing" };
    let place = key.location.to_string();
    format!("{authenticator}\n  {} {} {standing}, {}", key.fingerprint, key.algorithm, place.escape_debug())
}

fn document(authenticator: &Authenticator, now: Timestamp, declared: &[DeclaredKey]) -> Value {
    let one = |key: &Key, standing: &str| {
        json!({
            "fingerprint": key.public.fingerprint(),
            "id": key.public.names().ni,
            "algorithm": key.public.algorithm().name(),
            "origin": key.origin,
            "source": elsewhere(key, declared),
            "not-before": key.not_before.map(|time| time.to_string()),
            "not-after": key.not_after.map(|time| time.to_string()),
            "standing": standing,
            "verify": if key.remote.is_some() { "remote" } else { "local" },
        })
    };
    let keys = authenticator.keys().iter().map(|key| one(key, standing(key, now)));
    let revoked = authenticator.revoked().iter().map(|(key, _)| one(key, "revoked"));
    json!({ "authenticator": authenticator.name(), "keys": keys.chain(revoked).collect::<Vec<_>>() })
}
