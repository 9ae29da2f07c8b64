//! One gRPC message in its five-byte frame.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Length-Prefixed-Message".

use bytes::{BufMut, Bytes, BytesMut};

/// The largest message that kubelet and containerd exchange, in bytes (`maxMsgSize` in cri-client, `16<<20` in
/// containerd's defaults). A request above it is refused before it is held.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The length of the prefix in bytes: a flag and a big-endian length.
pub(super) const PREFIX_BYTES: usize = 5;

/// Takes the only message out of a unary call's body.
///
/// # Errors
/// When it is compressed, cut short, followed by anything, or larger than [`MAX_MESSAGE_BYTES`]. containerd would
/// accept some of these; what we do not read exactly as it does must not reach it.
pub(super) fn only_message(body: &Bytes) -> Result<Bytes, FrameError> {
    let (Some(&flag), Some(length)) = (body.first(), body.get(1..PREFIX_BYTES)) else {
        return Err(FrameError::Truncated);
    };
    match flag {
        0 => {}
        1 => return Err(FrameError::Compressed),
        other => return Err(FrameError::Flag(other)),
    }
    let length = length.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    if length > MAX_MESSAGE_BYTES {
        return Err(FrameError::TooLarge);
    }
    let present = body.len().saturating_sub(PREFIX_BYTES);
    match present.cmp(&length) {
        std::cmp::Ordering::Less => Err(FrameError::Truncated),
        std::cmp::Ordering::Greater => Err(FrameError::Trailing),
        std::cmp::Ordering::Equal => Ok(body.slice(PREFIX_BYTES..)),
    }
}

/// Puts `message` into an uncompressed frame.
///
/// # Errors
/// When it is larger than a frame's length field can say.
pub(super) fn framed(message: &[u8]) -> Result<Bytes, FrameError> {
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_slice(&prefix(message.len())?);
    frame.put_slice(message);
    Ok(frame.freeze())
}

/// What comes before an uncompressed message of `length` bytes.
///
/// # Errors
/// When it is larger than the field can say.
pub(super) fn prefix(length: usize) -> Result<[u8; PREFIX_BYTES], FrameError> {
    let [one, two, three, four] = u32::try_from(length).map_err(|_| FrameError::TooLarge)?.to_be_bytes();
    Ok([0, one, two, three, four])
}

/// Why a body is not one plain message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// The message is compressed; kubelet never does that.
    #[error("compressed requests are not supported")]
    Compressed,
    /// The flag byte is neither 0 nor 1.
    #[error("unknown frame flag {0}")]
    Flag(u8),
    /// The message is above the limit.
    #[error("the message is larger than {MAX_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// Something follows the message.
    #[error("the call has more than one message")]
    Trailing,
    /// The message is shorter than its length says.
    #[error("the message is truncated")]
    Truncated,
}

impl FrameError {
    /// The gRPC code to answer with.
    pub(super) fn code(self) -> tonic::Code {
        match self {
            Self::Compressed => tonic::Code::Unimplemented,
            Self::TooLarge => tonic::Code::ResourceExhausted,
            Self::Flag(_) | Self::Trailing | Self::Truncated => tonic::Code::InvalidArgument,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_exactly_one_plain_message() {
        for (body, expected) in [
            (&b"\0\0\0\0\x02hi"[..], Ok(&b"hi"[..])),
            (b"\0\0\0\0\0", Ok(b"")),
            (b"", Err(FrameError::Truncated)),
            (b"\0\0\0\0", Err(FrameError::Truncated)),
            (b"\0\0\0\0\x03hi", Err(FrameError::Truncated)),
            (b"\0\0\0\0\x01hi", Err(FrameError::Trailing)),
            (b"\0\0\0\0\x01h\0\0\0\0\x01i", Err(FrameError::Trailing)),
            (b"\x01\0\0\0\x02hi", Err(FrameError::Compressed)),
            (b"\x02\0\0\0\x02hi", Err(FrameError::Flag(2))),
            (b"\0\xff\xff\xff\xffhi", Err(FrameError::TooLarge)),
        ] {
            let found = only_message(&Bytes::from_static(body));
            assert_eq!(found.as_deref(), expected.as_ref().copied(), "{body:?}");
        }
    }

    #[test]
    fn a_framed_message_reads_back() {
        let frame = framed(b"message").unwrap();
        assert_eq!(only_message(&frame).unwrap(), &b"message"[..]);
    }
}
