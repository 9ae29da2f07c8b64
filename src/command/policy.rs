//! `pullgate policy …`

use std::path::Path;

use crate::config::{self, BreakGlassFile, KnownKeys};
use crate::follow::Following;
use crate::policy::Policy;
use crate::trust::ROOT_NOTICE;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::sanitize;
use pullgate_daemon::unix_socket::UnixSocket;

mod explain;
mod test;

/// Subcommands of `pullgate policy`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum PolicyCommand {
    /// Check policy.toml, policy.d, pullgate.toml and break-glass.toml, and report every problem
    Check(Check),
    /// Show which rules apply to an image, and why the others do not; contacts no registry
    Explain(explain::Explain),
    /// Test the policy against a file of expected decisions
    Test(test::Test),
}

/// Arguments of `pullgate policy check`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Check {
    /// Fetch the public keys that the policy names by `source` and that this node does not have yet, as the daemon does
    #[arg(long)]
    fetch_keys: bool,
}

impl PolicyCommand {
    pub(super) fn run(self, root: &Path) -> Outcome {
        match self {
            Self::Check(Check { fetch_keys }) => check(root, fetch_keys),
            Self::Explain(explain) => explain.run(root),
            Self::Test(test) => test.run(root),
        }
    }
}

/// Loads the policy in `root`. On failure, the problems have been printed.
pub(super) fn load(root: &Path) -> Result<Policy, Outcome> {
    let loaded = config::survey(root, jiff::Timestamp::now()).and_then(|(_, survey)| survey.loaded);
    loaded.map(|loaded| loaded.policy).map_err(|problems| {
        output::note(&problems.to_string());
        Outcome::Usage
    })
}

fn check(root: &Path, fetch_keys: bool) -> Outcome {
    let daemon = config::load_daemon(&root.join(config::DAEMON_FILE));
    let mut valid = true;
    match &daemon {
        Ok(config) => {
            for warning in config.warnings() {
                output::note(&format!("warning: {}: {warning}", config::DAEMON_FILE));
            }
            match crate::node::registry(config) {
                Ok(registry) => {
                    for warning in registry.check_hosts() {
                        output::note(&format!("warning: {}", sanitize(&warning)));
                    }
                }
                Err(error) => {
                    valid = false;
                    output::note(&format!("error: {}", sanitize(&error.to_string())));
                }
            }
            if let Some(Err(error)) = config.listen.group.as_deref().map(UnixSocket::check_group) {
                valid = false;
                output::note(&format!("error: {}", sanitize(&error.to_string())));
            }
        }
        Err(problems) => {
            valid = false;
            output::note(&problems.to_string());
        }
    }
    let now = jiff::Timestamp::now();
    if let Err(problems) = BreakGlassFile::of(root).read(now) {
        valid = false;
        output::note(&format!("{problems}\nbreak-glass.toml is invalid: no exception is in effect"));
    }
    let cache = daemon.as_ref().map(|daemon| daemon.keys.cache()).unwrap_or_default();
    let mut known = KnownKeys { cache, ..KnownKeys::default() };
    let notice = daemon.as_ref().map_or(ROOT_NOTICE, |daemon| daemon.trust.notice_span());
    let settings = daemon.as_ref().map(|daemon| daemon.follow.clone()).unwrap_or_default();
    let following = Following::stored(&settings, now);
    let mut survey = config::survey_following(root, &following, &known, now, notice);
    let missing = survey.missing();
    if let (true, Ok(config), false) = (fetch_keys, &daemon, missing.is_empty()) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                known.failures = runtime.block_on(crate::node::fetch_keys(&config.keys, &missing));
                survey = config::survey_following(root, &following, &known, now, notice);
            }
            Err(error) => output::error(&error),
        }
    }
    match survey.loaded {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                output::note(&format!("warning: {warning}"));
            }
            // The last line that a reader or a log of CI sees.
            let others = if valid { "" } else { ", but another file is invalid (see the errors)" };
            output::line(&format!(
                "policy is valid{others}: {}, {}, {}{}, hash {}",
                output::counted(loaded.files.len(), "file"),
                output::counted(loaded.policy.authenticators().count(), "authenticator"),
                match loaded.policy.conditions().len() {
                    0 => String::new(),
                    count => format!("{}, ", output::counted(count, "attestation")),
                },
                output::counted(loaded.policy.rules().count(), "rule"),
                loaded.policy.hash()
            ));
            if valid { Outcome::Success } else { Outcome::Usage }
        }
        Err(problems) => {
            output::note(&problems.to_string());
            Outcome::Usage
        }
    }
}
