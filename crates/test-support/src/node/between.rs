//! A proxy between pullgate and containerd, which records pulled images and can hold calls.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use pullgate::api::PullImageRequest;
use pullgate::containerd::{Body, Upstream};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tonic::Status;

use super::hold::Hold;

/// Listens on its own socket until it is dropped.
pub struct Between {
    socket: PathBuf,
    hold: Hold,
    pulled: Arc<Mutex<Vec<String>>>,
    runtime: Option<Runtime>,
}

impl Between {
    /// Starts a proxy at `socket` in front of `containerd`'s.
    pub fn start(socket: PathBuf, containerd: &Path) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("cannot start an event loop");
        let (hold, pulled) = (Hold::default(), Arc::default());
        let way =
            Way { upstream: Upstream::new(containerd), hold: hold.clone(), pulled: Arc::clone(&pulled) };
        let listener = runtime.block_on(async { UnixListener::bind(&socket) }).expect("a new socket");
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let way = way.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| way.clone().pass(request));
                    let server = http2::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(client), service).await;
                });
            }
        });
        Self { socket, hold, pulled, runtime: Some(runtime) }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Holds calls: `before /path`, before containerd receives it, and `after /path`, after it has answered.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// The names of all images that pullgate pulled.
    pub fn pulled(&self) -> Vec<String> {
        self.pulled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.hold.release();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Way {
    upstream: Upstream,
    hold: Hold,
    pulled: Arc<Mutex<Vec<String>>>,
}

impl Way {
    async fn pass(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path().to_owned();
        let (head, body) = request.into_parts();
        let body = if path.ends_with("/PullImage") { self.note(body).await } else { Body::Through(body) };
        self.wait(format!("before {path}")).await;
        let answer = self.upstream.send(Request::from_parts(head, body)).await;
        self.wait(format!("after {path}")).await;
        Ok(answer.map_or_else(
            |error| Status::unavailable(error.to_string()).into_http(),
            |answer| answer.map(Body::Through),
        ))
    }

    async fn note(&self, body: Incoming) -> Body {
        let Ok(message) = body.collect().await else { return Body::empty() };
        let message = message.to_bytes();
        // The message follows the gRPC prefix of five bytes.
        let request = message.get(5..).and_then(|message| PullImageRequest::decode(message).ok());
        let name =
            request.and_then(|request| request.image).map_or_else(|| "nothing".to_owned(), |spec| spec.image);
        self.pulled.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        Body::full(message)
    }

    async fn wait(&self, what: String) {
        let hold = self.hold.clone();
        let _ = tokio::task::spawn_blocking(move || hold.pass(&what)).await;
    }
}
