//! The files an operator writes, read whole: either everything in them is right, or everything wrong is told at once.
//!
//! - the policy: `policy.toml` and `policy.d/*.toml` of the configuration directory, [`load_policy`];
//! - the daemon: `pullgate.toml`, [`load_daemon`];
//! - the signer: `signer.toml`, read by `pullgate_signer::load_signer`;
//! - emergencies: `break-glass.toml`, [`BreakGlassFile`].
//!
//! Nothing unknown is overlooked and nothing is corrected in silence. Files that somebody else than root and the running
//! user could change are refused.

mod break_glass;
mod daemon;
mod expectations;
mod ledger;
mod limits;
#[cfg(test)]
mod options;
mod policy;
use std::path::Path;

use jiff::Timestamp;
use pullgate_config::{bound, document, duration, file, problem, suggest};
use pullgate_keys::service_options as services;

pub use break_glass::{BREAK_GLASS_FILE, BreakGlassFile};
pub use daemon::{
    Control, DaemonConfig, Gate, KEYS_BOUNDS, Keys, Listen, Log, Registry, Runtime, Scan, load_daemon,
};
pub use expectations::{Expectation, ExpectedRule, load_expectations};
pub use ledger::{LEDGER_BOUNDS, Ledger};
pub use limits::{Limits, NodeLimits};
pub use policy::{
    DeclaredKey, KnownKeys, Loaded, MAX_FILES, MAX_POLICY_BYTES, REMOTE_BOUNDS, Survey, load_policy,
    load_policy_text, survey_policy,
};
pub use problem::{MAX_PROBLEMS, Place, Problem, Problems};
pub use pullgate_config::bound::{Bound, Unit};

/// Where the files are unless the command line says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/etc/pullgate";

/// The daemon's own file in that directory.
pub const DAEMON_FILE: &str = "pullgate.toml";

/// Loads the configuration of the daemon in `root`, and the policy beside it with the keys that the daemon has stored. Does
/// not fetch keys.
///
/// # Errors
/// When pullgate.toml is invalid. Problems of the policy are in the survey.
pub fn survey(root: &Path, now: Timestamp) -> Result<(DaemonConfig, Survey), Problems> {
    let daemon = load_daemon(&root.join(DAEMON_FILE))?;
    let known = KnownKeys { cache: daemon.keys.cache.clone(), ..KnownKeys::default() };
    let survey = survey_policy(root, &known, now);
    Ok((daemon, survey))
}
