//! The CRI socket: everything crosses untouched but the few calls that the gate has a say in.

mod accept;
mod answer;
mod create;
mod deadline;
mod frame;
mod image_status;
mod message;
mod pull;
mod recent_answers;
mod route;
mod sandbox;
mod status;
mod tag_locks;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Code;

pub use accept::serve;
pub use pull::RuntimeContent;
pub use sandbox::SandboxImage;

use crate::containerd::{Body, Upstream, UpstreamError};
use crate::gate::Gate;
use crate::telemetry::Counters;
use pullgate_core::untrusted::sanitize_to;
use recent_answers::RecentAnswers;
use route::Route;
use tag_locks::TagLocks;

/// The longest name that is logged, in bytes; what is longer is no valid name.
const MAX_NAME_BYTES: usize = 512;

/// What an operator may choose about the calls that the gate has a say in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the runtime has after a pull to learn the image's name.
    pub tag_record_timeout: Duration,
    /// Whether images that are present but not admitted are withheld from ImageStatus.
    pub image_status: bool,
    /// Whether containers and pods may be restored from checkpoints, whose content nobody verifies.
    pub checkpoint_restore: bool,
    /// Whether the name that a runtime may pull by itself (inside a virtual machine) is pinned to the digest.
    pub pin_user_specified_image: bool,
    /// The image of pod sandboxes, where the runtime does not tell it.
    pub sandbox_image: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tag_record_timeout: Duration::from_secs(5),
            image_status: true,
            checkpoint_restore: false,
            pin_user_specified_image: false,
            sandbox_image: None,
        }
    }
}

/// The proxy: one for all connections.
#[derive(Debug)]
pub struct Proxy {
    upstream: Upstream,
    gate: Arc<Gate>,
    counters: Counters,
    tags: TagLocks,
    told: RecentAnswers,
    /// The name of the sandbox image, once the runtime has told it.
    sandbox: ArcSwapOption<String>,
    settings: Settings,
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
    /// A proxy to the runtime behind `upstream`.
    pub fn new(upstream: Upstream, gate: Arc<Gate>, settings: Settings) -> Self {
        let sandbox = ArcSwapOption::empty();
        Self {
            upstream,
            gate,
            counters: Counters::default(),
            tags: TagLocks::default(),
            told: RecentAnswers::default(),
            sandbox,
            settings,
        }
    }

    /// The runtime.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
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
            Route::ImageStatus if self.settings.image_status => Ok(self.image_status(request, peer).await),
            Route::CreateContainer => self.create_container(request, peer).await,
            Route::Checkpoint if !self.settings.checkpoint_restore => {
                Ok(self.refuse_checkpoint(request.uri().path(), peer))
            }
            Route::Forward | Route::ImageStatus | Route::Checkpoint => {
                self.counters.passed.add();
                self.forward(request.map(Body::Through)).await
            }
            Route::Unknown => {
                let count = self.counters.unimplemented.add();
                let path = sanitize_to(request.uri().path(), MAX_NAME_BYTES);
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

    /// The policy of the moment, by hash.
    fn policy_hash(&self) -> String {
        self.gate.policy().map(|policy| policy.hash().to_owned()).unwrap_or_default()
    }

    fn unavailable(&self, error: &UpstreamError) -> Response<Body> {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let socket = self.upstream.socket().display();
        tracing::debug!(%error, cause, %socket, "runtime unavailable");
        status::answer(Code::Unavailable, format!("pullgate: {error} ({socket}): {cause}"))
    }
}
