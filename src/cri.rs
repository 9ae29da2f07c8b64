//! The CRI socket: a transparent HTTP/2 proxy, except for the few calls that the gate decides about.
//!
//! Each intercepted call has a module with one entry function: `pull`, `image_status`, `create`.

mod accept;
mod admitted_answers;
mod create;
mod deadline;
mod decided;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod image_status;
mod message;
mod pull;
mod recent_answers;
mod request_message;
mod route;
mod runtime_answer;
mod sandbox;
mod settings;
mod status;
mod tag_locks;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tonic::Code;

pub use accept::serve;
pub use decided::Decided;
pub use pull::RuntimeContent;
use pull::{HandOvers, UncheckedPulls};
pub use sandbox::SandboxImage;
pub use settings::{CriLimits, CriSettings};

use crate::containerd::{Body, Endpoint, Upstream, UpstreamError};
use crate::gate::{Gate, Refusal};
use crate::telemetry::Counters;
use admitted_answers::AdmittedAnswers;
use deadline::Deadline;
use pullgate_core::untrusted::sanitize_to;
use pullgate_daemon::connections::{ConnectionCounts, ConnectionLimits, Connections};
use recent_answers::RecentAnswers;
use request_message::read_message;
use route::Route;
use runtime_answer::RuntimeAnswer;
use tag_locks::TagLocks;

/// How long a connection may be open before its first call. A gRPC client connects when it has a call.
const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the message of an intercepted call may take to arrive.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum length of a logged name, in bytes; a longer name is not valid.
const MAX_NAME_BYTES: usize = 512;

/// The proxy. One instance serves all connections.
#[derive(Debug)]
pub struct Proxy {
    upstream: Upstream,
    gate: Arc<Gate>,
    counters: Counters,
    tag_locks: TagLocks,
    recent_answers: RecentAnswers,
    admitted_answers: AdmittedAnswers,
    unchecked: UncheckedPulls,
    hand_overs: HandOvers,
    /// The name of the sandbox image, once the runtime has reported it.
    sandbox: ArcSwapOption<String>,
    settings: CriSettings,
    connections: Connections<Peer>,
}

/// The process at the other end of a connection, as the kernel reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Process id, if the kernel reports one.
    pub pid: Option<i32>,
    /// User id.
    pub uid: u32,
}

impl Peer {
    /// Whether kubelet may be this peer: it runs as root, or, in tests, as the daemon's own user.
    fn is_trusted(self) -> bool {
        self.uid == 0 || self.uid == nix::unistd::geteuid().as_raw()
    }
}

impl Proxy {
    /// A proxy to the runtime behind `upstream`.
    pub fn new(upstream: Upstream, gate: Arc<Gate>, settings: CriSettings) -> Self {
        Self {
            upstream,
            gate,
            counters: Counters::default(),
            tag_locks: TagLocks::default(),
            recent_answers: RecentAnswers::default(),
            admitted_answers: AdmittedAnswers::default(),
            unchecked: UncheckedPulls::default(),
            hand_overs: HandOvers::default(),
            sandbox: ArcSwapOption::empty(),
            connections: Connections::new(ConnectionLimits {
                connections: settings.limits.connections,
                first_call: FIRST_CALL_TIMEOUT,
            }),
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

    /// Calls since the start, by outcome.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The connections of callers.
    pub fn connections(&self) -> ConnectionCounts {
        self.connections.counts()
    }

    /// The processes that have a connection on which they made an image call, as far as the kernel reports them.
    pub fn image_callers(&self) -> Vec<u32> {
        let peers = self.connections.marked_peers().into_iter();
        peers.filter_map(|peer| u32::try_from(peer.pid?).ok()).collect()
    }

    /// The name of the sandbox image as containerd records it; `None` until the runtime has reported it.
    pub fn sandbox_image_name(&self) -> Option<String> {
        self.sandbox.load().as_ref().map(|name| recent_answers::canonical(name))
    }

    /// Checks the sandbox image every 30 s for as long as it is polled, and calls `changed` after each change.
    pub async fn watch_sandbox_image(&self, changed: impl FnMut(&SandboxImage)) {
        sandbox::watch(self, changed).await;
    }

    /// Answers one call.
    ///
    /// # Errors
    /// Only with a stream reset of the runtime, so that the caller's stream is reset in the same way.
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Result<Response<Body>, hyper::Error> {
        match route::of(&request) {
            Route::PullImage => {
                // On the heap, as all rare calls: hyper moves the future of each call several times.
                let answer = deadline::bounded(request, |request| pull::handle(self, request, peer));
                Ok(Box::pin(answer).await.unwrap_or_else(|answer| answer))
            }
            Route::ImageStatus if self.settings.image_status => {
                let answer = deadline::bounded(request, |request| image_status::handle(self, request, peer));
                Ok(answer.await.unwrap_or_else(|answer| answer))
            }
            Route::CreateContainer => {
                let answer = deadline::bounded(request, |request| create::handle(self, request, peer));
                Box::pin(answer).await.unwrap_or_else(Ok)
            }
            Route::Checkpoint if !self.settings.checkpoint_restore => {
                Ok(self.refuse_checkpoint(request.uri().path(), peer))
            }
            Route::UnknownMethod if !self.settings.unknown_methods => {
                Ok(self.refuse_unknown_method(request.uri().path(), peer))
            }
            Route::Forward | Route::ImageStatus | Route::Checkpoint | Route::UnknownMethod => {
                self.counters.passed.add();
                self.forward(request.map(Body::Through)).await
            }
            Route::Unknown => Ok(self.refuse_unknown(request.uri().path(), peer)),
        }
    }

    /// Sends a call to the runtime and streams its response to the caller.
    ///
    /// # Errors
    /// As [`Proxy::handle`].
    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, hyper::Error> {
        let deadline = Deadline::within(&request);
        let endpoint = self.upstream.endpoint(request.uri().path());
        match endpoint.send(request).await {
            Ok(response) => Ok(response.map(Body::Through)),
            Err(_) if deadline.is_some_and(Deadline::has_passed) => Ok(deadline::exceeded()),
            Err(error) => error.into_reset().map_or_else(|error| Ok(unavailable(endpoint, &error)), Err),
        }
    }

    /// Sends a call to the runtime and reads its whole response, up to `limit` bytes.
    ///
    /// # Errors
    /// The answer for the caller, when there is no response or it ends early.
    async fn exchange(&self, request: Request<Body>, limit: usize) -> Result<RuntimeAnswer, Response<Body>> {
        let deadline = Deadline::within(&request);
        // grpc-go's server resets the stream (CANCEL) when the deadline passes, and sends no status
        // (`internal/transport/http2_server.go`, `operateHeaders`).
        let failed =
            |answer| if deadline.is_some_and(Deadline::has_passed) { deadline::exceeded() } else { answer };
        let endpoint = self.upstream.endpoint(request.uri().path());
        let response = endpoint.send(request).await.map_err(|error| failed(unavailable(endpoint, &error)))?;
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, limit).collect().await.map_err(|error| {
            let text = format!(
                "pullgate: the connection to the runtime ended in the middle of its response: {error}"
            );
            failed(status::answer(Code::Unavailable, text))
        })?;
        let trailers = collected.trailers().cloned();
        Ok(RuntimeAnswer::new(head, collected.to_bytes(), trailers))
    }

    /// Answers a call that creates or restores the checkpoint of a whole pod: its images do not pass through here.
    fn refuse_checkpoint(&self, path: &str, peer: Peer) -> Response<Body> {
        let refusal = Refusal::checkpoint(path);
        self.counters.containers_refused.add(refusal.reason());
        tracing::warn!(path, peer.uid = peer.uid, peer.pid = peer.pid, "checkpoint call refused");
        status::refused(&refusal)
    }

    /// Answers a call of a method that our definitions lack: it may do what PullImage or CreateContainer do. A caller
    /// takes the answer for that of a runtime that does not have the method.
    fn refuse_unknown_method(&self, path: &str, peer: Peer) -> Response<Body> {
        let count = self.counters.unknown_methods.add();
        let path = sanitize_to(path, MAX_NAME_BYTES);
        tracing::warn!(path, peer.uid = peer.uid, peer.pid = peer.pid, count, "call refused: unknown method");
        let hint = "if this method cannot bring unverified images to the node, allow it with `unknown-methods` in [gate]";
        status::answer(Code::Unimplemented, format!("pullgate: unknown method {path}: {hint}"))
    }

    fn refuse_unknown(&self, path: &str, peer: Peer) -> Response<Body> {
        let count = self.counters.unimplemented.add();
        let path = sanitize_to(path, MAX_NAME_BYTES);
        tracing::warn!(
            path,
            peer.uid = peer.uid,
            peer.pid = peer.pid,
            count,
            "call refused: its service is not CRI runtime.v1"
        );
        status::answer(Code::Unimplemented, format!("unknown service or method {path}"))
    }

    /// The hash of the policy in force; empty without one.
    fn policy_hash(&self) -> String {
        self.gate.policy().map(|policy| policy.hash().to_owned()).unwrap_or_default()
    }
}

fn unavailable(endpoint: &Endpoint, error: &UpstreamError) -> Response<Body> {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let socket = endpoint.socket().display();
    tracing::debug!(%error, cause, %socket, "runtime unavailable");
    status::answer(Code::Unavailable, format!("pullgate: {error} ({socket}): {cause}"))
}
