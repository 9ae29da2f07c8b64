//! Scripted responses, correct or hostile.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};

#[derive(Clone, Debug)]
pub struct Scripted {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// The body of a response.
#[derive(Clone, Debug)]
pub enum Body {
    Bytes(Bytes),
    /// Without end, as fast as it is read.
    Endless,
    /// One byte at a time.
    Slow {
        bytes: Bytes,
        every: Duration,
    },
    /// Fewer bytes than the header says.
    Truncated {
        announced: u64,
        bytes: Bytes,
    },
    /// In chunks, without a length.
    Chunked(Bytes),
    /// Never sends anything.
    Hang,
}

impl Scripted {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(Bytes::new()) }
    }

    pub fn ok(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        Self::status(200).header("content-type", media_type).body(Body::Bytes(bytes.into()))
    }

    pub fn redirect(location: &str) -> Self {
        Self::status(307).header("location", location)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The text of its body.
    pub fn text(&self) -> String {
        let Body::Bytes(bytes) = &self.body else { panic!("{self:?} has no text") };
        String::from_utf8(bytes.to_vec()).expect("the text is UTF-8")
    }

    pub(super) fn into_response(self, written: Arc<AtomicU64>) -> Response<Counted> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        if let Body::Truncated { announced, .. } = &self.body {
            response = response.header("content-length", *announced);
        }
        let (left, pause) = match &self.body {
            Body::Bytes(bytes) | Body::Truncated { bytes, .. } | Body::Chunked(bytes) => {
                (bytes.clone(), None)
            }
            Body::Slow { bytes, every } => (bytes.clone(), Some(Box::pin(tokio::time::sleep(*every)))),
            Body::Endless | Body::Hang => (Bytes::from(vec![b' '; 16 << 10]), None),
        };
        response.body(Counted { body: self.body, left, pause, written }).unwrap()
    }
}

/// A body that counts the bytes that are read from it.
pub struct Counted {
    body: Body,
    left: Bytes,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    written: Arc<AtomicU64>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let chunk = match &this.body {
            Body::Hang => return Poll::Pending,
            Body::Endless => this.left.clone(),
            Body::Slow { every, .. } => {
                if let Some(pause) = &mut this.pause {
                    std::task::ready!(pause.as_mut().poll(context));
                    pause.as_mut().reset(tokio::time::Instant::now() + *every);
                }
                if this.left.is_empty() { Bytes::new() } else { this.left.split_to(1) }
            }
            _ => std::mem::take(&mut this.left),
        };
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        this.written.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Body::Bytes(_) => SizeHint::with_exact(self.left.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
