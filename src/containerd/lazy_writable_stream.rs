//! A socket that wakes nobody up only because it could be written to.
//!
//! tokio registers a socket for reading and writing alike. On a Unix socket that is written to once in a while, each time
//! the peer reads what was written is then an event ("there is room again"), and a turn of the event loop for nothing: on
//! a busy node it takes the processor from the very process that is to answer. Here a socket is registered for reading,
//! and for writing only while it does not take what is written.

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
    /// The same socket, while there is something that it does not take.
    full: Option<AsyncFd<UnixStream>>,
}

impl LazyWritableStream {
    /// Takes over a socket of tokio's.
    ///
    /// # Errors
    /// When the event loop does not take it.
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
            let mut room = ready!(full.poll_write_ready(context))?;
            if let Ok(written) = room.try_io(|socket| write(socket.get_ref())) {
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
            match ready.try_io(|socket| again(|| socket.get_ref().read(free))) {
                Ok(Ok(read)) => {
                    // Nothing is left of what there was: what comes is another event.
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
        self.poll_write_by(context, |mut socket| again(|| socket.write(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(context, |mut socket| again(|| socket.write_vectored(slices)))
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

/// Does it again when a signal came in between.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
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
    async fn what_is_written_arrives_also_when_the_peer_is_slow() {
        let (near, mut far) = tokio::net::UnixStream::pair().unwrap();
        let mut near = LazyWritableStream::new(near).unwrap();
        // More than a socket holds, so that the writer has to wait.
        let sent: Vec<u8> = (0..4_u32 << 20).map(|number| number.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            near.write_all(&sent).await.unwrap();
            assert!(near.full.is_none(), "it is registered for writing only while it has to wait");
            let mut answer = [0; 4];
            near.read_exact(&mut answer).await.unwrap();
            near.shutdown().await.unwrap();
            answer
        });
        let mut received = vec![0; expected.len()];
        for chunk in received.chunks_mut(100_000) {
            far.read_exact(chunk).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(received, expected);
        far.write_all(b"do").await.unwrap();
        tokio::task::yield_now().await;
        far.write_all(b"ne").await.unwrap();
        assert_eq!(&writer.await.unwrap(), b"done");
        assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0, "the end arrives as well");
    }

    #[tokio::test]
    async fn the_end_of_the_peer_is_an_end() {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let mut near = LazyWritableStream::new(near).unwrap();
        drop(far);
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
        let error = near.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
