//! Reads the message of a unary call, in memory that is reserved for it first.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tonic::Code;

use super::frame::{self, FrameError, MAX_MESSAGE_BYTES, PREFIX_BYTES};
use super::{MESSAGE_TIMEOUT, status};
use crate::containerd::Body;
use pullgate_net::memory::{self, Part, Reserved};

/// Messages up to this size, in bytes, are read at once: what kubelet sends has some kilobytes.
pub(super) const SMALL_MESSAGE: usize = 64 << 10;

/// How long a larger message waits for memory. kubelet gives most calls two minutes.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads a unary request: its only message, and the whole body that carries it. `copies` is how often a large message is
/// in memory until the call is forwarded; the memory is released with the message.
///
/// # Errors
/// The answer for the caller, when the body is not exactly one plain message of bounded size, or there is no memory for it.
pub(super) async fn read_message(
    memory: &Part,
    copies: usize,
    mut body: Incoming,
) -> Result<(Bytes, Bytes), Response<Body>> {
    let refuse = |code, text: &str| status::answer(code, format!("pullgate: {text}"));
    let wrong = |error: FrameError| refuse(error.code(), &error.to_string());
    let mut reserved: Option<Reserved> = None;
    let mut read = Vec::new();
    let mut expected = None;
    let until = tokio::time::Instant::now() + MESSAGE_TIMEOUT;
    let late = |_| {
        let text = format!("the request did not arrive within {MESSAGE_TIMEOUT:?}");
        refuse(Code::DeadlineExceeded, &text)
    };
    while let Some(part) = tokio::time::timeout_at(until, body.frame()).await.map_err(late)? {
        let part = part.map_err(|error| refuse(Code::InvalidArgument, &error.to_string()))?;
        let Ok(data) = part.into_data() else { continue };
        let length = read.len().saturating_add(data.len());
        if expected.is_none() {
            let mut start = read.iter().chain(data.iter()).copied();
            if length >= PREFIX_BYTES {
                let message = start.by_ref().take(PREFIX_BYTES).skip(1);
                let message = message.fold(0_usize, |length, byte| (length << 8) | usize::from(byte));
                if message > MAX_MESSAGE_BYTES {
                    return Err(wrong(FrameError::TooLarge));
                }
                let whole = message.saturating_add(PREFIX_BYTES);
                if message > SMALL_MESSAGE {
                    let taken = memory.reserve(whole.saturating_mul(copies), PATIENCE).await;
                    let full = "other requests use all the memory for requests; see `memory` in [limits]";
                    reserved = Some(taken.map_err(|_| refuse(Code::ResourceExhausted, full))?);
                }
                read.reserve_exact(whole.saturating_sub(read.len()));
                expected = Some(whole);
            }
        }
        if expected.is_some_and(|expected| length > expected) {
            return Err(wrong(FrameError::Trailing));
        }
        read.extend_from_slice(&data);
    }
    let body = memory::hold(read, reserved.into_iter().collect());
    let message = frame::only_message(&body).map_err(wrong)?;
    Ok((message, body))
}
