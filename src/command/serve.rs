//! `pullgate serve`: the daemon.

use std::path::Path;
use std::time::Duration;

use crate::config;
use crate::node::daemon;
use crate::telemetry::log;
use pullgate_cli::{Outcome, output};

/// How long other threads may take to finish after the last call was answered, for example to write evidence.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

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
        // One thread serves all calls: passing a forwarded call to a thread pool would wake up another thread.
        // Signatures are verified on other threads.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let served = match runtime {
            Ok(runtime) => {
                let served = runtime.block_on(daemon::run(root, &config));
                // A DNS lookup cannot be cancelled, and its result is not needed any more.
                runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
                served
            }
            Err(error) => {
                output::error(&error);
                return Outcome::Undetermined;
            }
        };
        match served {
            Ok(()) => Outcome::Success,
            Err(error) => {
                output::error(&error);
                Outcome::Usage
            }
        }
    }
}
