//! A wire tap between pullgate and the runtime: forwards all bytes and counts HTTP/2 frames by type.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The connection preface of an HTTP/2 client, in bytes (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// Runs until it is dropped.
pub struct Tap {
    pings: Arc<AtomicU64>,
    frames: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tap {
    /// Listens at `at` and forwards everything to `to`.
    pub fn start(at: &Path, to: &Path) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let (pings, frames) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counts = (Arc::clone(&pings), Arc::clone(&frames));
        let to = to.to_owned();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&to).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                let (pings, frames) = counts.clone();
                tokio::spawn(async move {
                    let mut scan = Scan { skip: PREFACE, head: Vec::new(), pings, frames };
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                        scan.see(&buffer[..count]);
                        if to_server.write_all(&buffer[..count]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { pings, frames, task }
    }

    /// PING frames that pullgate sent (without acknowledgements).
    pub fn pings(&self) -> u64 {
        self.pings.load(Ordering::SeqCst)
    }

    /// All frames that pullgate sent.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::SeqCst)
    }
}

struct Scan {
    skip: usize,
    head: Vec<u8>,
    pings: Arc<AtomicU64>,
    frames: Arc<AtomicU64>,
}

impl Scan {
    fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (9 - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if self.head.len() == 9 {
                // Length (3), type (1), flags (1), stream (4).
                let [a, b, c, kind, flags, ..] = self.head[..] else { unreachable!() };
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.frames.fetch_add(1, Ordering::SeqCst);
                if kind == 6 && flags & 1 == 0 {
                    self.pings.fetch_add(1, Ordering::SeqCst);
                }
                self.head.clear();
            }
        }
    }
}
