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
use pullgate_config::description::FileDoc;
use pullgate_config::options::{OptionDoc, documentation};
use pullgate_config::{document, file, problem, suggest};
use pullgate_keys::service_options as services;

use crate::follow::Following;

pub use break_glass::{BREAK_GLASS_FILE, BreakGlassFile};
pub use daemon::{
    Control, DaemonConfig, Keys, Listen, Log, Metrics, Registry, Report, Runtime, Scan, Trust, load_daemon,
    load_daemon_text,
};
pub use expectations::{Expectation, ExpectedRule, load_expectations};
pub use limits::Limits;
pub use policy::{
    DeclaredKey, KnownKeys, Loaded, MAX_FILES, MAX_POLICY_BYTES, Survey, deny_list_of, load_policy,
    load_policy_text, survey_document, survey_following, survey_policy,
};
pub use problem::{MAX_PROBLEMS, Place, Problem, Problems};

/// Where the files are unless the command line says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/etc/pullgate";

/// The daemon's own file in that directory.
pub const DAEMON_FILE: &str = "pullgate.toml";

/// A file that the node reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    Daemon,
    Policy,
    BreakGlass,
    Expectations,
}

impl ConfigFile {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Daemon, Self::Policy, Self::BreakGlass, Self::Expectations];

    /// The documentation of the file, with all its options.
    #[must_use]
    pub fn documentation(self) -> FileDoc {
        match self {
            Self::Daemon => FileDoc {
                heading: DAEMON_FILE,
                page: "pullgate.toml",
                about: "sockets, registries and limits of the pullgate daemon",
                place: "The daemon reads `/etc/pullgate/pullgate.toml` at startup. The file is optional.",
                options: documentation::<DaemonConfig>(DAEMON_FILE),
                types: Vec::new(),
            },
            Self::Policy => FileDoc {
                heading: "policy.toml and policy.d/*.toml",
                page: "pullgate-policy.toml",
                about: "which images a node with pullgate runs",
                place: "`/etc/pullgate/policy.toml` and `/etc/pullgate/policy.d/*.toml` form one policy. `pullgate policy \
                        check` reports every problem in these files; a reload of the daemon applies the changed files.",
                options: policy::policy_options(),
                types: policy::keys_by_type(),
            },
            Self::BreakGlass => FileDoc {
                heading: BREAK_GLASS_FILE,
                page: "pullgate-break-glass.toml",
                about: "exceptions to the policy of pullgate, for an emergency",
                place: "The daemon reads `/etc/pullgate/break-glass.toml` at each decision. The file usually does not exist.",
                options: break_glass::break_glass_options(),
                types: Vec::new(),
            },
            Self::Expectations => FileDoc {
                heading: "Expectations, for `pullgate policy test`",
                page: "pullgate-expectations.toml",
                about: "what the policy of pullgate is expected to decide",
                place: "A file for `pullgate policy test`, under any name.",
                options: expectations::expectation_options(),
                types: Vec::new(),
            },
        }
    }
}

/// Every option of every file that the node reads, in the order of the documentation.
#[must_use]
pub fn all_options() -> Vec<OptionDoc> {
    ConfigFile::ALL.into_iter().flat_map(|file| file.documentation().options).collect()
}

/// Loads the configuration of the daemon in `root`, and the policy beside it with the keys that the daemon has stored, and what
/// it follows. Fetches nothing.
///
/// # Errors
/// When pullgate.toml is invalid. Problems of the policy are in the survey.
pub fn survey(root: &Path, now: Timestamp) -> Result<(DaemonConfig, Survey), Problems> {
    let daemon = load_daemon(&root.join(DAEMON_FILE))?;
    let known = KnownKeys { cache: daemon.keys.cache(), ..KnownKeys::default() };
    let following = Following::stored(&daemon.follow, now);
    let survey = survey_following(root, &following, &known, now, daemon.trust.notice_span());
    Ok((daemon, survey))
}
