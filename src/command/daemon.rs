//! The arguments with which a command queries the running daemon.

use std::path::Path;
use std::time::Duration;

use crate::node::control::{self, AskError, ControlReply, ControlRequest};

/// How long a healthy daemon may take to answer a status query.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether to query the daemon, and how long to wait for it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Daemon {
    /// Whether to query the running daemon
    #[arg(long = "daemon", value_enum, default_value_t = DaemonMode::Prefer, value_name = "MODE")]
    pub(super) mode: DaemonMode,
    /// How long to wait for the daemon, in seconds
    #[arg(long = "daemon-timeout", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
}

/// Whether to query the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum DaemonMode {
    /// Query the daemon; if it does not answer, decide from the files on disk
    Prefer,
    /// Query the daemon; if it does not answer, fail
    Require,
    /// Do not query the daemon; decide from the files on disk
    Off,
}

impl Daemon {
    /// The final answer of the daemon at `socket`. `None` if the caller must decide locally: either the daemon is not
    /// to be queried, or it did not answer and is not required; `note` gets the reason.
    ///
    /// # Errors
    /// When the daemon is required and does not answer.
    pub(super) fn ask(
        self,
        socket: &Path,
        request: &ControlRequest,
        limit: Duration,
        note: impl FnOnce(&AskError),
    ) -> Result<Option<ControlReply>, AskError> {
        if self.mode == DaemonMode::Off {
            return Ok(None);
        }
        let limit = self.timeout.map_or(limit, Duration::from_secs);
        match probe(socket, request).and_then(|()| ask(socket, request, limit)) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if self.mode == DaemonMode::Require => Err(error),
            Err(error) => {
                note(&error);
                Ok(None)
            }
        }
    }
}

/// Checks that the daemon runs at all, before a request that may take minutes.
fn probe(socket: &Path, request: &ControlRequest) -> Result<(), AskError> {
    match request {
        ControlRequest::Scan => ask(socket, &ControlRequest::Status, PROBE_TIMEOUT).map(drop),
        ControlRequest::Verdict { .. }
        | ControlRequest::Status
        | ControlRequest::Report(_)
        | ControlRequest::Doctor(_) => Ok(()),
    }
}

/// Sends `request` to the daemon at `socket`, with a timeout of `limit`.
///
/// # Errors
/// When the daemon does not answer.
pub(super) fn ask(
    socket: &Path,
    request: &ControlRequest,
    limit: Duration,
) -> Result<ControlReply, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| AskError::Connect { socket: socket.to_owned(), source })?;
    runtime.block_on(control::ask(socket, request, limit))
}
