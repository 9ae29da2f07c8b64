//! The image service socket: everything crosses untouched but the few calls that the gate has a say in.

mod accept;
mod deadline;
mod frame;
mod pull;
mod route;
mod status;
mod tags;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Code;

pub use accept::serve;

use crate::containerd::{Body, Upstream, UpstreamError};
use crate::gate::Gate;
use crate::telemetry::Counters;
use route::Route;
use tags::Tags;

/// The proxy: one for all connections.
#[derive(Debug)]
pub struct Proxy {
    upstream: Upstream,
    gate: Arc<Gate>,
    counters: Counters,
    tag_record_timeout: Duration,
    tags: Tags,
}

/// Who is on the other side of a connection, as the kernel says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Process id, if it could be told.
    pub pid: Option<i32>,
    /// User id.
    pub uid: u32,
}

impl Proxy {
    /// A proxy to the runtime behind `upstream`. After a pull the runtime has `tag_record_timeout` to learn the image's
    /// name.
    pub fn new(upstream: Upstream, gate: Arc<Gate>, tag_record_timeout: Duration) -> Self {
        Self { upstream, gate, counters: Counters::default(), tag_record_timeout, tags: Tags::default() }
    }

    /// What crossed so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Answers one call.
    ///
    /// # Errors
    /// Only with a stream reset of the runtime, so that the caller's stream is reset in the same way.
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Result<Response<Body>, hyper::Error> {
        match route::of(&request) {
            Route::PullImage => Ok(self.pull(request, peer).await),
            Route::Forward => {
                self.counters.passed.add();
                self.forward(request.map(Body::Through)).await
            }
            Route::Unknown => {
                let count = self.counters.unimplemented.add();
                let path =
                    request.uri().path().chars().take(200).collect::<String>().escape_debug().to_string();
                tracing::warn!(
                    path,
                    peer.uid = peer.uid,
                    peer.pid = peer.pid,
                    count,
                    "call refused: not runtime.v1"
                );
                Ok(status::answer(Code::Unimplemented, format!("unknown service or method {path}")))
            }
        }
    }

    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, hyper::Error> {
        match self.upstream.send(request).await {
            Ok(response) => Ok(response.map(Body::Through)),
            Err(error) => error.into_reset().map_or_else(|error| Ok(self.unavailable(&error)), Err),
        }
    }

    fn unavailable(&self, error: &UpstreamError) -> Response<Body> {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let socket = self.upstream.socket().display();
        tracing::debug!(%error, cause, %socket, "runtime unavailable");
        status::answer(Code::Unavailable, format!("pullgate: {error} ({socket}): {cause}"))
    }
}
