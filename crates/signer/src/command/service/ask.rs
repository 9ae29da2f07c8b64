//! Queries the running signer over its control socket.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 4 << 20;

pub(super) fn ask<T: DeserializeOwned>(
    socket: &Path,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<T, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let unreachable = |error| AskError::Connect { socket: socket.to_owned(), error };
    runtime.map_err(unreachable)?.block_on(async {
        let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(AskError::Http)?;
        let driver = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "signer");
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| AskError::Malformed)?;
        let answer = sender.send_request(request).await.map_err(AskError::Http)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| AskError::Malformed)?.to_bytes();
        driver.abort();
        if !status.is_success() {
            let reason = String::from_utf8_lossy(&body).trim().to_owned();
            return Err(AskError::Refused { reason });
        }
        serde_json::from_slice(&body).map_err(|_| AskError::Malformed)
    })
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("cannot connect to the control socket {socket}; is the signing service running?")]
    Connect {
        socket: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("the connection to the signer failed")]
    Http(#[source] hyper::Error),
    #[error("unexpected response from the signer")]
    Malformed,
    /// It answered with an error.
    #[error("the signer refused the request: {reason}")]
    Refused { reason: String },
}
