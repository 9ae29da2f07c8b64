//! `pullgate serve`

use std::path::Path;
use std::time::Duration;

use super::{Outcome, output};
use crate::config;
use crate::node::daemon;
use crate::telemetry::log;

/// How long work in other threads, such as writing evidence to the disk, may take after the last call was answered.
const LAST_WORK: Duration = Duration::from_secs(2);

/// Arguments of `pullgate serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let config = match config::load_daemon(&root.join(config::DAEMON_FILE)) {
            Ok(config) => config,
            Err(problems) => {
                output::note(&problems.to_string());
                return Outcome::Usage;
            }
        };
        log::init(config.log.format, config.log.level);
        // One thread serves: a call that crosses is woken up on the spot, where a pool would first wake up another
        // thread. Verifying signatures has threads of its own.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let served = match runtime {
            Ok(runtime) => {
                let served = runtime.block_on(daemon::run(root, &config));
                // A name that is being looked up in the DNS cannot be cancelled, and nobody waits for it any more.
                runtime.shutdown_timeout(LAST_WORK);
                served
            }
            Err(error) => {
                output::error(&error);
                return Outcome::Unknown;
            }
        };
        match served {
            Ok(()) => Outcome::Fine,
            Err(error) => {
                output::error(&error);
                Outcome::Usage
            }
        }
    }
}
