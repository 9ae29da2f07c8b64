//! The files that an operator writes, loaded whole or not at all: all errors are reported at once.
//!
//! - the policy: `policy.toml` and `policy.d/*.toml` of the configuration directory, [`load_policy`];
//! - the daemon: `pullgate.toml`, [`load_daemon`];
//! - the signer: `signer.toml`, read by `pullgate_signer::load_signer`;
//! - emergencies: `break-glass.toml`, [`BreakGlassFile`].
//!
//! Unknown keys are errors, and no value is corrected. Files that another user than root and that of the process could change
//! are refused.

mod break_glass;
mod daemon;
mod expectations;
mod limits;
mod policy;

use std::path::Path;

use jiff::Timestamp;
use pullgate_config::options::{OptionDoc, documentation};
use pullgate_config::{document, file, problem, suggest};
use pullgate_keys::service_options as services;

pub use break_glass::{BREAK_GLASS_FILE, BreakGlassFile};
pub use daemon::{
    Control, DaemonConfig, Keys, Listen, Log, Metrics, Registry, Report, Runtime, Scan, Trust, load_daemon,
    load_daemon_text,
};
pub use expectations::{Expectation, ExpectedRule, load_expectations};
pub use limits::Limits;
pub use policy::{
    DeclaredKey, KnownKeys, Loaded, MAX_FILES, MAX_POLICY_BYTES, Survey, load_policy, load_policy_text,
    survey_policy,
};
pub use problem::{MAX_PROBLEMS, Place, Problem, Problems};

/// Where the files are unless the command line says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/etc/pullgate";

/// The daemon's own file in that directory.
pub const DAEMON_FILE: &str = "pullgate.toml";

/// Every option of every file that the node reads, in the order of the documentation.
#[must_use]
pub fn all_options() -> Vec<OptionDoc> {
    let daemon = documentation::<DaemonConfig>(DAEMON_FILE);
    let others =
        [policy::policy_options(), break_glass::break_glass_options(), expectations::expectation_options()];
    daemon.into_iter().chain(others.into_iter().flatten()).collect()
}

/// Loads the configuration of the daemon in `root`, and the policy beside it with the keys that the daemon has stored. Does
/// not fetch keys.
///
/// # Errors
/// When pullgate.toml is invalid. Problems of the policy are in the survey.
pub fn survey(root: &Path, now: Timestamp) -> Result<(DaemonConfig, Survey), Problems> {
    let daemon = load_daemon(&root.join(DAEMON_FILE))?;
    let known = KnownKeys { cache: daemon.keys.cache(), ..KnownKeys::default() };
    let survey = survey_policy(root, &known, now, daemon.trust.notice_span());
    Ok((daemon, survey))
}
