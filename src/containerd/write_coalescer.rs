//! Coalesces small writes.
//!
//! hyper passes the head of a request to the connection, which writes it, and only then the body (`ClientTask` waits
//! until h2 has opened the stream). So a call with one small message would wake up the runtime twice. Here every write
//! first yields to the other tasks of the event loop, and includes what they add.
//!
//! grpc-go sends a ping with each request that it receives, to measure its bandwidth (`internal/transport/bdp_estimator.go`).
//! A reply of its own would wake up the runtime again, just when the response wakes up the caller. So a reply waits a moment
//! for something else to be written, such as the next request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep};

/// How long the reply to a ping waits. grpc-go gives it 20 s where it checks whether the peer is alive.
const REPLY_DELAY: Duration = Duration::from_millis(5);

/// The start of the reply to a ping: 8 bytes, type PING, flag ACK, stream 0 (RFC 9113, section 6.7).
const REPLY: [u8; 9] = [0, 0, 8, 6, 1, 0, 0, 0, 0];

/// The length of the whole frame, in bytes.
const REPLY_BYTES: usize = REPLY.len() + 8;

/// A transport that waits for other tasks before each write.
#[derive(Debug)]
pub(super) struct WriteCoalescer<T> {
    transport: T,
    /// Whether it yielded since the last write.
    yielded: bool,
    /// Whether replies to pings wait until `timer`.
    delays: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> WriteCoalescer<T> {
    pub(super) fn new(transport: T) -> Self {
        Self { transport, yielded: false, delays: false, timer: None }
    }

    /// Ready when what there is to write should be written; `replies` says that these are only replies to pings.
    fn poll_turn(&mut self, context: &mut Context<'_>, replies: bool) -> Poll<()> {
        if replies {
            ready!(self.poll_delay(context));
        } else if !self.yielded {
            // Woken behind all tasks that are ready.
            self.yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        (self.yielded, self.delays) = (false, false);
        Poll::Ready(())
    }

    /// Ready [`REPLY_DELAY`] after the first call since the last write, or sooner: while calls follow each other, the timer
    /// of an earlier reply serves for a later one, so that not each sets it.
    fn poll_delay(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(REPLY_DELAY)));
        if !self.delays && timer.is_elapsed() {
            timer.as_mut().reset(Instant::now() + REPLY_DELAY);
        }
        self.delays = true;
        timer.as_mut().poll(context)
    }
}

/// Whether `bytes` are replies to pings only.
fn are_replies(bytes: &[u8]) -> bool {
    bytes.chunks(REPLY_BYTES).all(|frame| frame.len() == REPLY_BYTES && frame.starts_with(&REPLY))
}

impl<T: Read + Unpin> Read for WriteCoalescer<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for WriteCoalescer<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context, are_replies(bytes)));
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // h2 encodes these frames into one buffer.
        let replies = matches!(slices, [slice] if are_replies(slice));
        ready!(self.poll_turn(context, replies));
        Pin::new(&mut self.transport).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{Request, Response};
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;
    use crate::containerd::Body;

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;

    /// The types of the frames in one write, without the connection preface.
    fn frames(mut written: &[u8]) -> Vec<u8> {
        let mut types = Vec::new();
        while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = written {
            types.push(*kind);
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            written = &rest[length..];
        }
        types
    }

    /// The writes since the last call.
    fn written(tap: &std::os::unix::net::UnixDatagram) -> Vec<Vec<u8>> {
        let mut buffer = [0; 1 << 16];
        let mut writes = Vec::new();
        while let Ok(length) = tap.recv(&mut buffer) {
            let bytes = &buffer[..length];
            writes.push(frames(bytes.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap_or(bytes)));
        }
        writes
    }

    #[tokio::test]
    async fn a_small_call_is_one_write() {
        // A datagram socket preserves the boundaries of writes.
        let (tap, server) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let (client_stream, server_stream) = tokio::io::duplex(1 << 16);
        let client_stream = Tap { transport: TokioIo::new(client_stream), copy: tap };
        tokio::spawn(async move {
            let answer = service_fn(|_: Request<Incoming>| async {
                Ok::<_, hyper::Error>(Response::new(Body::empty()))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(server_stream), answer).await;
        });
        let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .handshake(WriteCoalescer::new(client_stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        server.set_nonblocking(true).unwrap();
        let mut writes = Vec::new();
        // The first call is written together with the connection settings, the second is typical.
        for _ in 0..2 {
            let request =
                Request::post("http://localhost/a").body(Body::full(Bytes::from_static(b"question")));
            sender.send_request(request.unwrap()).await.unwrap();
            writes = written(&server);
        }
        let with_head: Vec<_> = writes.iter().filter(|frames| frames.contains(&HEADERS)).collect();
        assert!(matches!(with_head[..], [frames] if frames.contains(&DATA)), "{writes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_to_a_ping_waits_for_something_else_to_write() {
        let (tap, writes) = std::os::unix::net::UnixDatagram::pair().unwrap();
        writes.set_nonblocking(true).unwrap();
        let (stream, _peer) = tokio::io::duplex(1 << 16);
        let mut writer = WriteCoalescer::new(Tap { transport: TokioIo::new(stream), copy: tap });
        let reply = [&REPLY[..], &[7; 8]].concat();
        let request = vec![0, 0, 0, HEADERS, 0, 0, 0, 0, 1];
        let both = [&reply[..], &request].concat();
        let replies = [&reply[..], &reply].concat();
        let (ping, headers) = (REPLY[3], HEADERS);
        // The last row begins when the timer of an earlier reply has run out.
        for (first, then, delayed, frames) in [
            (&reply, &reply, true, vec![ping]),
            (&reply, &both, false, vec![ping, headers]),
            (&request, &request, false, vec![headers]),
            (&reply, &replies, true, vec![ping, ping]),
        ] {
            let began = Instant::now();
            let pending =
                std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut writer).poll_write(context, first)));
            assert!(pending.await.is_pending());
            std::future::poll_fn(|context| Pin::new(&mut writer).poll_write(context, then)).await.unwrap();
            assert_eq!(began.elapsed() >= REPLY_DELAY, delayed, "{frames:?}");
            assert_eq!(written(&writes), [frames]);
            sleep(2 * REPLY_DELAY).await;
        }
    }

    /// Copies each write to a socket.
    struct Tap<T> {
        transport: T,
        copy: std::os::unix::net::UnixDatagram,
    }

    impl<T: Read + Unpin> Read for Tap<T> {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().transport).poll_read(context, buffer)
        }
    }

    impl<T: Write + Unpin> Write for Tap<T> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let written = Pin::new(&mut self.transport).poll_write(context, bytes);
            if let Poll::Ready(Ok(length)) = written {
                self.copy.send(&bytes[..length]).unwrap();
            }
            written
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.transport).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.transport).poll_shutdown(context)
        }
    }
}
