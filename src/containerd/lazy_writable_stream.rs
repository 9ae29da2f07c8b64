//! A socket that does not wake up a task only because it became writable.
//!
//! tokio registers a socket for reading and writing together. On a Unix socket with few writes, each read by the peer
//! is then an event ("writable again") that wakes up the event loop for nothing: on a busy node this takes CPU time
//! from the process that is to answer. Here a socket is registered for reading, and for writing only while its buffer
//! is full.

use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A connected Unix socket.
#[derive(Debug)]
pub(crate) struct LazyWritableStream {
    socket: AsyncFd<UnixStream>,
    /// The same socket registered for writing, while its buffer is full.
    full: Option<AsyncFd<UnixStream>>,
}

impl LazyWritableStream {
    /// Converts a socket of tokio.
    ///
    /// # Errors
    /// When the event loop cannot register it.
    pub(crate) fn new(socket: tokio::net::UnixStream) -> io::Result<Self> {
        Ok(Self { socket: register(socket.into_std()?, Interest::READABLE)?, full: None })
    }

    fn poll_write_by(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let full = match self.full.take() {
            Some(full) => full,
            None => match write(self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    register(self.socket.get_ref().try_clone()?, Interest::WRITABLE)?
                }
                written => return Poll::Ready(written),
            },
        };
        let full = self.full.insert(full);
        loop {
            let mut ready = ready!(full.poll_write_ready(context))?;
            if let Ok(written) = ready.try_io(|socket| write(socket.get_ref())) {
                self.full = None;
                return Poll::Ready(written);
            }
        }
    }
}

impl AsyncRead for LazyWritableStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(context))?;
            let free = buffer.initialize_unfilled();
            let length = free.len();
            match ready.try_io(|socket| retry_interrupted(|| socket.get_ref().read(free))) {
                Ok(Ok(read)) => {
                    // The socket is drained: more data is another event.
                    if (1..length).contains(&read) {
                        ready.clear_ready();
                    }
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for LazyWritableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(context, |mut socket| retry_interrupted(|| socket.write(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(context, |mut socket| retry_interrupted(|| socket.write_vectored(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(std::net::Shutdown::Write))
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe for types that may give away their descriptor; this one keeps it"
)]
fn register(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(socket, interest)
}

/// Retries a call that a signal interrupted.
fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn writes_arrive_when_the_peer_is_slow() {
        let (local, mut peer) = tokio::net::UnixStream::pair().unwrap();
        let mut local = LazyWritableStream::new(local).unwrap();
        // More than the socket's buffer, so that the writer has to wait.
        let sent: Vec<u8> = (0..4_u32 << 20).map(|number| number.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            local.write_all(&sent).await.unwrap();
            assert!(local.full.is_none(), "it is registered for writing only while its buffer is full");
            let mut answer = [0; 4];
            local.read_exact(&mut answer).await.unwrap();
            local.shutdown().await.unwrap();
            answer
        });
        let mut received = vec![0; expected.len()];
        for chunk in received.chunks_mut(100_000) {
            peer.read_exact(chunk).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(received, expected);
        peer.write_all(b"do").await.unwrap();
        tokio::task::yield_now().await;
        peer.write_all(b"ne").await.unwrap();
        assert_eq!(&writer.await.unwrap(), b"done");
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0, "the end arrives as well");
    }

    #[tokio::test]
    async fn reads_the_end_of_the_stream() {
        let (local, peer) = tokio::net::UnixStream::pair().unwrap();
        let mut local = LazyWritableStream::new(local).unwrap();
        drop(peer);
        assert_eq!(local.read(&mut [0; 8]).await.unwrap(), 0);
        let error = local.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
