//! The client of the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::line::{self, LineError};
use super::{ControlReply, ControlRequest};

/// Sends `request` to the daemon at `socket`, with a timeout of `limit`.
///
/// # Errors
/// When no process serves there, its user is neither root nor this one, or there is no valid answer in time.
pub async fn ask(socket: &Path, request: &ControlRequest, limit: Duration) -> Result<ControlReply, AskError> {
    let path = || socket.to_owned();
    let exchange = async {
        let mut stream = UnixStream::connect(socket)
            .await
            .map_err(|source| AskError::Connect { socket: path(), source })?;
        // The user who called listen(2). Any user can create a socket at a free path.
        let server = stream.peer_cred().map_err(|source| AskError::Connect { socket: path(), source })?;
        if !is_trusted(server.uid()) {
            return Err(AskError::UntrustedServer { socket: path(), uid: server.uid() });
        }
        let (input, mut output) = stream.split();
        line::write(&mut output, request.clone()).await?;
        Ok(line::read(&mut BufReader::new(input), request.max_reply_bytes()).await?)
    };
    let result = tokio::time::timeout(limit, exchange).await;
    result.unwrap_or_else(|_| Err(AskError::Timeout { socket: path(), limit }))
}

/// Whether this user is trusted: root can change the daemon's answers anyway, and this user can change this program's
/// output.
pub(super) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The socket does not exist, no process serves it, or access is denied.
    #[error("cannot connect to the daemon at {}", socket.display())]
    Connect {
        socket: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A process of another user serves there.
    #[error("the process that serves {} runs as user {uid}, which is neither root nor this user", socket.display())]
    UntrustedServer { socket: PathBuf, uid: u32 },
    /// The timeout expired.
    #[error("the daemon at {} did not answer within {limit:?}", socket.display())]
    Timeout { socket: PathBuf, limit: Duration },
    /// The answer cannot be read or parsed.
    #[error("the daemon's response cannot be read")]
    Line(#[from] LineError),
}
