//! `pullgate policy …`

use std::path::Path;

use super::{Outcome, output};
use crate::config;

/// Subcommands of `pullgate policy`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum PolicyCommand {
    /// Load the policy and report everything that is wrong with it
    Check,
}

impl PolicyCommand {
    pub(super) fn run(self, root: &Path) -> Outcome {
        match self {
            Self::Check => check(root),
        }
    }
}

fn check(root: &Path) -> Outcome {
    let daemon = config::load_daemon(&root.join(config::DAEMON_FILE));
    if let Err(problems) = &daemon {
        output::note(&problems.to_string());
    }
    match config::load_policy(root, jiff::Timestamp::now()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                output::note(&format!("warning: {warning}"));
            }
            let files = loaded.files.len();
            let (rules, authenticators) =
                (loaded.policy.rules().len(), loaded.policy.authenticators().count());
            output::line(&format!(
                "policy is valid: {files} files, {authenticators} authenticators, {rules} rules, hash {}",
                loaded.policy.hash()
            ));
            if daemon.is_ok() { Outcome::Fine } else { Outcome::Usage }
        }
        Err(problems) => {
            output::note(&problems.to_string());
            Outcome::Usage
        }
    }
}
