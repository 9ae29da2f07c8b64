//! Asking the daemon.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::line::{self, LineError};
use super::{Answer, Question};

/// Asks the daemon at `socket`, for at most `limit`.
///
/// # Errors
/// When nobody is there, somebody else than root or this user is, or there is no answer in time or none that makes sense.
pub async fn ask(socket: &Path, question: &Question, limit: Duration) -> Result<Answer, AskError> {
    let path = || socket.to_owned();
    let asked = async {
        let mut stream = UnixStream::connect(socket)
            .await
            .map_err(|source| AskError::Connect { socket: path(), source })?;
        // Of who called listen(2). Anyone can make a socket where there is none.
        let server = stream.peer_cred().map_err(|source| AskError::Connect { socket: path(), source })?;
        if !is_believed(server.uid()) {
            return Err(AskError::Stranger { socket: path(), uid: server.uid() });
        }
        let (input, mut output) = stream.split();
        line::write(&mut output, question).await?;
        Ok(line::read(&mut BufReader::new(input), question.max_answer_bytes()).await?)
    };
    let answered = tokio::time::timeout(limit, asked).await;
    answered.unwrap_or_else(|_| Err(AskError::Late { socket: path(), limit }))
}

/// Root could change what the daemon says in any case, and this user what this program says.
pub(super) fn is_believed(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there, or we may not connect.
    #[error("cannot connect to {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else serves there.
    #[error("{} is served by user {uid}, which is neither root nor this user", socket.display())]
    Stranger {
        /// The socket.
        socket: PathBuf,
        /// Who serves.
        uid: u32,
    },
    /// The time is over.
    #[error("no answer at {} within {limit:?}", socket.display())]
    Late {
        /// The socket.
        socket: PathBuf,
        /// The time.
        limit: Duration,
    },
    /// The answer is none.
    #[error("the answer cannot be read")]
    Line(#[from] LineError),
}
