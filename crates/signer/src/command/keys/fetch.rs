//! `pullgate-signer keys fetch`: fetches the public keys of the policy from KMS, Vault and tokens.

use std::path::Path;

use crate::command::key_options;
use pullgate::config::DeclaredKey;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::{error_chain, sanitize};
use pullgate_keys::{self as keys, PinnedKey};

/// Arguments of `pullgate-signer keys fetch`.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Fetch {
    /// Also fetch the keys again that are stored already, and report the keys that have changed
    #[arg(long)]
    all: bool,
}

impl Fetch {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let (daemon, survey) = match super::survey(root) {
            Ok(surveyed) => surveyed,
            Err(outcome) => return outcome,
        };
        let mut wanted: Vec<PinnedKey> = Vec::new();
        for DeclaredKey { key, cached, .. } in &survey.declared {
            if (self.all || !cached) && !wanted.contains(key) {
                wanted.push(key.clone());
            }
        }
        let (cache, limit) = (&daemon.keys.cache(), daemon.keys.fetch_timeout);
        let settings = daemon.keys.settings();
        let results =
            super::public::blocking(async { Ok(keys::fetch(&wanted, cache, &settings, limit, true).await) });
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                output::error(&error);
                return Outcome::Undetermined;
            }
        };
        let mut outcome = Outcome::Success;
        for (key, result) in wanted.iter().zip(results) {
            let (location, fingerprint) = (key.location.to_string(), &key.fingerprint);
            match result {
                Ok(()) => output::line(&format!("fetched: {} {fingerprint}", sanitize(&location))),
                Err(error) => {
                    output::note(&format!("{}: {}", sanitize(&location), error_chain(&error)));
                    outcome = outcome.max(key_options::outcome(&error));
                }
            }
        }
        if wanted.is_empty() {
            output::line(&format!(
                "nothing to fetch: {} stored already",
                output::counted(survey.declared.len(), "key")
            ));
        }
        outcome
    }
}
