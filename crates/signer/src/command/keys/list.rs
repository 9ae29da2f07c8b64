//! `pullgate-signer keys list`: the keys of each authenticator.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use pullgate::config::DeclaredKey;
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};
use pullgate_core::trust::{Authenticator, Key, Outside};
use pullgate_core::untrusted::sanitize;

/// Arguments of `pullgate-signer keys list`.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct List {
    #[command(flatten)]
    output: OutputOption,
}

impl List {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let survey = match super::survey(root) {
            Ok((_, survey)) => survey,
            Err(outcome) => return outcome,
        };
        let policy = match survey.loaded {
            Ok(loaded) => loaded.policy,
            Err(problems) => {
                // The keys are unknown, but their locations are not.
                for declared in &survey.declared {
                    output::line(&missing(declared));
                }
                output::note(&problems.to_string());
                return Outcome::Usage;
            }
        };
        let now = Timestamp::now();
        if self.output.is_json() {
            let authenticators: Vec<Value> =
                policy.authenticators().map(|it| document(it, now, &survey.declared)).collect();
            output::line(&Value::from(authenticators).to_string());
        } else {
            for authenticator in policy.authenticators() {
                output::line(authenticator.name());
                for key in authenticator.keys() {
                    let stored = if is_fetched(key, &survey.declared) { ", stored" } else { "" };
                    output::line(&format!("  {}{stored}", line(key, status(key, now))));
                }
                for (key, _) in authenticator.revoked() {
                    output::line(&format!("  {}", line(key, "revoked")));
                }
            }
        }
        Outcome::Success
    }
}

/// Whether the key was fetched from its `source`.
fn is_fetched(key: &Key, declared: &[DeclaredKey]) -> bool {
    let fingerprint = key.public.fingerprint();
    declared.iter().any(|DeclaredKey { key: it, .. }| {
        it.fingerprint.as_str() == fingerprint && it.location.to_string() == key.origin
    })
}

/// Whether signatures of a key count now.
fn status(key: &Key, now: Timestamp) -> &'static str {
    match key.outside_window(now) {
        None => "valid",
        Some(Outside::Early { .. }) => "not yet valid",
        Some(Outside::Late { .. }) => "expired",
    }
}

fn line(key: &Key, status: &str) -> String {
    let mut text = format!(
        "{} {} {status}, {}",
        key.public.fingerprint(),
        key.public.algorithm(),
        sanitize(&key.origin)
    );
    if let Some(remote) = &key.remote {
        let ttl = remote.memory.as_secs();
        text.push_str(&format!(", confirmed by its service, cached for {ttl} s"));
    }
    for (word, time) in [("from", key.not_before), ("until", key.not_after)] {
        text.extend(time.map(|time| format!(", {word} {time}")));
    }
    text
}

fn missing(declared: &DeclaredKey) -> String {
    let DeclaredKey { authenticator, key, cached, .. } = declared;
    let status = if *cached { "stored" } else { "missing" };
    let place = key.location.to_string();
    format!("{authenticator}\n  {} {} {status}, {}", key.fingerprint, key.algorithm, sanitize(&place))
}

fn document(authenticator: &Authenticator, now: Timestamp, declared: &[DeclaredKey]) -> Value {
    let one = |key: &Key, status: &str| {
        json!({
            "fingerprint": key.public.fingerprint(),
            "id": key.public.key_ids().ni,
            "algorithm": key.public.algorithm().name(),
            "origin": key.origin,
            "source": is_fetched(key, declared),
            "not-before": key.not_before.map(|time| time.to_string()),
            "not-after": key.not_after.map(|time| time.to_string()),
            "status": status,
            "verify": if key.remote.is_some() { "remote" } else { "local" },
        })
    };
    let keys = authenticator.keys().iter().map(|key| one(key, status(key, now)));
    let revoked = authenticator.revoked().iter().map(|(key, _)| one(key, "revoked"));
    json!({ "authenticator": authenticator.name(), "keys": keys.chain(revoked).collect::<Vec<_>>() })
}
