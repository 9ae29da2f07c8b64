//! Coalesces small writes.
//!
//! hyper passes the head of a request to the connection, which writes it, and only then the body (`ClientTask` waits
//! until h2 has opened the stream). So a call with one small message would wake up the runtime twice. Here every write
//! first yields to the other tasks of the event loop, and includes what they add.
//!
//! grpc-go sends a ping with each response, to measure its bandwidth. The reply to it is not urgent: a response that
//! came with it needs two yields until it is written to the caller, and should be first.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Number of yields before a write: one to pass a response to the call that waits for it, one for that call, and one
/// for the connection on which the response leaves.
const YIELDS: u8 = 3;

/// A transport that yields [`YIELDS`] times before each write.
#[derive(Debug)]
pub(super) struct WriteCoalescer<T> {
    transport: T,
    /// Number of yields since the last write.
    yields: u8,
}

impl<T> WriteCoalescer<T> {
    pub(super) fn new(transport: T) -> Self {
        Self { transport, yields: 0 }
    }

    /// Pending [`YIELDS`] times; each time the task is woken behind all tasks that are ready.
    fn poll_yield(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.yields < YIELDS {
            self.yields += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.yields = 0;
        Poll::Ready(())
    }
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
        std::task::ready!(self.poll_yield(context));
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_yield(context));
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
