//! `pullgate keys list`

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::command::policy::{Format, load};
use crate::command::{Outcome, output};
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
        let policy = match load(root) {
            Ok(policy) => policy,
            Err(outcome) => return outcome,
        };
        let now = Timestamp::now();
        if self.json || matches!(self.format, Format::Json) {
            let authenticators: Vec<Value> = policy.authenticators().map(|it| document(it, now)).collect();
            output::line(&Value::from(authenticators).to_string());
        } else {
            for authenticator in policy.authenticators() {
                output::line(authenticator.name());
                for key in authenticator.keys() {
                    output::line(&format!("  {}", line(key, standing(key, now))));
                }
                for (key, _) in authenticator.revoked() {
                    output::line(&format!("  {}", line(key, "revoked")));
                }
            }
        }
        Outcome::Fine
    }
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
    for (word, time) in [("from", key.not_before), ("until", key.not_after)] {
        text.extend(time.map(|time| format!(", {word} {time}")));
    }
    text
}

fn document(authenticator: &Authenticator, now: Timestamp) -> Value {
    let one = |key: &Key, standing: &str| {
        json!({
            "fingerprint": key.public.fingerprint(),
            "id": key.public.names().ni,
            "algorithm": key.public.algorithm().name(),
            "origin": key.origin,
            "not-before": key.not_before.map(|time| time.to_string()),
            "not-after": key.not_after.map(|time| time.to_string()),
            "standing": standing,
        })
    };
    let keys = authenticator.keys().iter().map(|key| one(key, standing(key, now)));
    let revoked = authenticator.revoked().iter().map(|(key, _)| one(key, "revoked"));
    json!({ "authenticator": authenticator.name(), "keys": keys.chain(revoked).collect::<Vec<_>>() })
}
