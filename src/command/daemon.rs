//! The arguments with which a command queries the running daemon.

use std::path::Path;
use std::time::Duration;

use crate::node::control::{self, Answer, AskError, Question};

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
    /// Query it; if it does not answer, decide from the files on disk
    Prefer,
    /// Query it; if it does not answer, fail
    Require,
    /// Do not query it; decide from the files on disk
    Off,
}

impl Daemon {
    /// The answer of the daemon at `socket`, which is final. `None` if the mode allows to decide without it: either it is
    /// not to be queried, or it did not answer, which is passed to `note`.
    ///
    /// # Errors
    /// When the daemon is required and did not answer.
    pub(super) fn ask(
        self,
        socket: &Path,
        question: &Question,
        limit: Duration,
        note: impl FnOnce(&AskError),
    ) -> Result<Option<Answer>, AskError> {
        if self.mode == DaemonMode::Off {
            return Ok(None);
        }
        let limit = self.timeout.map_or(limit, Duration::from_secs);
        match probe(socket, question).and_then(|()| ask(socket, question, limit)) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if self.mode == DaemonMode::Require => Err(error),
            Err(error) => {
                note(&error);
                Ok(None)
            }
        }
    }
}

/// Before a question that may take minutes: checks that the daemon runs at all.
fn probe(socket: &Path, question: &Question) -> Result<(), AskError> {
    match question {
        Question::Scan => ask(socket, &Question::Status, PROBE_TIMEOUT).map(drop),
        Question::Verdict { .. } | Question::Status => Ok(()),
    }
}

/// Sends `question` to the daemon at `socket` and waits up to `limit` for the answer.
///
/// # Errors
/// When there is no answer.
pub(super) fn ask(socket: &Path, question: &Question, limit: Duration) -> Result<Answer, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| AskError::Connect { socket: socket.to_owned(), source })?;
    runtime.block_on(control::ask(socket, question, limit))
}
