//! JSON lines with a size limit.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads one line of at most `limit` bytes.
pub(super) async fn read<T: DeserializeOwned>(
    input: &mut (impl AsyncBufRead + Unpin),
    limit: u64,
) -> Result<T, LineError> {
    let mut line = Vec::new();
    input.take(limit).read_until(b'\n', &mut line).await.map_err(LineError::Io)?;
    match line.pop() {
        Some(b'\n') => serde_json::from_slice(&line).map_err(LineError::Json),
        Some(_) if u64::try_from(line.len()).is_ok_and(|read| read + 1 >= limit) => {
            Err(LineError::TooLong { limit })
        }
        _ => Err(LineError::Ended),
    }
}

/// Writes one line.
pub(super) async fn write(
    output: &mut (impl AsyncWrite + Unpin),
    value: impl Serialize + Send + 'static,
) -> Result<(), LineError> {
    // A report may have megabytes, which must not be written out on the thread that serves calls.
    let encoded = tokio::task::spawn_blocking(move || serde_json::to_vec(&value)).await;
    let encoded = encoded.map_err(|error| LineError::Io(io::Error::other(error)))?;
    // serde_json writes no line breaks.
    let mut line = encoded.map_err(LineError::Json)?;
    line.push(b'\n');
    output.write_all(&line).await.map_err(LineError::Io)
}

/// Why a line cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// I/O on the connection failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
    /// The connection ended before a complete line.
    #[error("the connection was closed in the middle of a line")]
    Ended,
    /// The line is longer than the limit.
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// In bytes.
        limit: u64,
    },
    /// The line is not valid JSON of the expected type.
    #[error("the line is not a known request or reply")]
    Json(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::super::ControlRequest;
    use super::*;

    #[tokio::test]
    async fn a_line_must_be_complete_short_and_valid() {
        for (text, expected) in [
            ("\"status\"\n", Some(ControlRequest::Status)),
            ("\"scan\"\nmore", Some(ControlRequest::Scan)),
            (
                "{\"verdict\":{\"name\":\"a\",\"digest\":\"b\"}}\n",
                Some(ControlRequest::Verdict { name: "a".to_owned(), digest: "b".to_owned() }),
            ),
            ("\"status\"", None),
            ("", None),
            ("\n", None),
            ("\"halt\"\n", None),
            ("{\"verdict\":{\"name\":\"a\"}}\n", None),
            ("{\"verdict\":{\"name\":\"a\",\"name\":\"a\",\"digest\":\"b\"}}\n", None),
            ("{\"verdict\":{\"name\":\"a\",\"digest\":\"b\",\"pod\":\"c\"}}\n", None),
            ("{\"verdict\":{\"name\":\"a\",\"digest\":\"b\"},\"scan\":null}\n", None),
            ("                                                                     \"status\"\n", None),
        ] {
            let read = read::<ControlRequest>(&mut text.as_bytes(), 64).await;
            assert_eq!(read.as_ref().ok(), expected.as_ref(), "{text:?}: {read:?}");
        }
        let long = "x".repeat(64);
        let read = read::<ControlRequest>(&mut long.as_bytes(), 64).await;
        assert!(matches!(read, Err(LineError::TooLong { limit: 64 })), "{read:?}");
    }
}
