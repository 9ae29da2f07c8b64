//! The arguments with which a command asks the daemon that runs.

use std::path::Path;
use std::time::Duration;

use crate::node::control::{self, Answer, AskError, Question};

/// How long a daemon that is well takes to tell how it is.
const AWAKE: Duration = Duration::from_secs(5);

/// Whether the daemon is asked, and for how long.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Daemon {
    /// Whether to ask the daemon that runs
    #[arg(long = "daemon", value_enum, default_value_t = Use::Prefer, value_name = "WHETHER")]
    pub(super) wanted: Use,
    /// How many seconds the daemon may take to answer
    #[arg(long = "daemon-timeout", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
}

/// Whether the daemon is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Use {
    /// Ask it; where it does not answer, decide by the files on disk
    Prefer,
    /// Ask it; where it does not answer, there is no other answer
    Require,
    /// Decide by the files on disk
    Off,
}

impl Daemon {
    /// What the daemon at `socket` answers. `None`: it is not to be asked, or it did not answer (which `note` is told) and
    /// need not. Whatever it answers is final.
    ///
    /// # Errors
    /// When it did not answer and had to.
    pub(super) fn ask(
        self,
        socket: &Path,
        question: &Question,
        limit: Duration,
        note: impl FnOnce(&AskError),
    ) -> Result<Option<Answer>, AskError> {
        if self.wanted == Use::Off {
            return Ok(None);
        }
        let limit = self.timeout.map_or(limit, Duration::from_secs);
        match is_awake(socket, question).and_then(|()| ask(socket, question, limit)) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if self.wanted == Use::Require => Err(error),
            Err(error) => {
                note(&error);
                Ok(None)
            }
        }
    }
}

/// Whether a daemon that may take minutes for an answer is there at all.
fn is_awake(socket: &Path, question: &Question) -> Result<(), AskError> {
    match question {
        Question::Scan => ask(socket, &Question::Status, AWAKE).map(drop),
        Question::Verdict { .. } | Question::Status => Ok(()),
    }
}

/// What the daemon at `socket` answers within `limit`.
///
/// # Errors
/// When it does not.
pub(super) fn ask(socket: &Path, question: &Question, limit: Duration) -> Result<Answer, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| AskError::Connect { socket: socket.to_owned(), source })?;
    runtime.block_on(control::ask(socket, question, limit))
}
