//! A small OCI registry in this process, on 127.0.0.1, correct or hostile.
//!
//! It serves HTTP/1.1, optionally over TLS, from memory, records every request, and lets a test's hook answer first.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pullgate::digest::Digest;
use pullgate::reference::{Reference, Repository};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod auth;
mod image;
mod log;
mod script;
mod serve;
mod shown;
mod tls;

pub use crate::authority::Authority;
pub use auth::Auth;
pub use image::{INDEX, MANIFEST, SIMPLE_SIGNING, descriptor, index, manifest};
pub use log::Log;
pub use script::{Body, Scripted};

/// A received request.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Recorded {
    /// `GET /v2/a/manifests/latest`, with its query.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

type Hook = Box<dyn Fn(&Recorded) -> Option<Scripted> + Send + Sync>;

/// Features of a registry.
#[derive(Default)]
pub struct Options {
    /// Whether it has the referrers API.
    pub referrers: bool,
    /// Whether it supports conditional writes, and sends ETags.
    pub conditions: bool,
    /// What it shows under a tag that does not exist.
    pub absent: Absent,
    /// The authentication that it requires.
    pub auth: Auth,
    /// TLS with a certificate of this authority for this name or address.
    pub tls: Option<(Arc<Authority>, String)>,
    /// The validity of that certificate in years; unlimited if not set.
    pub valid: Option<(i32, i32)>,
    /// Whether it requires a client certificate of the same authority.
    pub clients: bool,
}

/// What a registry shows under a tag that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    #[default]
    NotFound,
    /// 403, as Artifactory.
    Forbidden,
    /// Under `sha256-<hex>` always the manifest with that digest, whatever is written there, as GitLab; otherwise 404.
    Subject,
}

/// Runs until it is dropped.
pub struct Registry {
    state: Arc<State>,
    address: std::net::SocketAddr,
    task: JoinHandle<()>,
}

struct State {
    options: Options,
    address: std::net::SocketAddr,
    requests: Mutex<Vec<Recorded>>,
    /// Received secrets that the search for secrets would not find.
    unmarked: Mutex<Vec<String>>,
    hook: Mutex<Option<Hook>>,
    written: Arc<AtomicU64>,
    repositories: Mutex<HashMap<String, ImageRefs>>,
    tokens: Mutex<HashMap<String, String>>,
}

/// The content of one repository.
#[derive(Default)]
struct ImageRefs {
    blobs: HashMap<String, Bytes>,
    manifests: HashMap<String, (String, Bytes)>,
    tags: HashMap<String, String>,
}

impl Registry {
    /// A public registry without the referrers API.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        crate::secrets::keep_log();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = options.tls.as_ref().map(|(authority, name)| {
            authority.acceptor_in(name, options.valid.unwrap_or((1975, 4096)), options.clients)
        });
        let state = Arc::new(State {
            options,
            address,
            requests: Mutex::default(),
            unmarked: Mutex::default(),
            hook: Mutex::default(),
            written: Arc::default(),
            repositories: Mutex::default(),
            tokens: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, acceptor) = (Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let server = hyper::server::conn::http1::Builder::new();
                    // Tests close connections on purpose.
                    match acceptor {
                        None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            drop(server.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                });
            }
        });
        Self { state, address, task }
    }

    /// All its requests, past and future.
    pub fn log(&self) -> Log {
        Log(Arc::clone(&self.state))
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn repository(&self, path: &str) -> Repository {
        Repository::parse(&format!("{}/{path}", self.host())).unwrap()
    }

    /// `path:tag` or `path@digest` at this registry.
    pub fn reference(&self, rest: &str) -> Reference {
        Reference::parse(&format!("{}/{rest}", self.host())).unwrap()
    }

    /// Lets the hook answer requests; `None` for the normal response.
    pub fn hook(&self, hook: impl Fn(&Recorded) -> Option<Scripted> + Send + Sync + 'static) {
        *self.state.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn blob(&self, path: &str, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.contents(path, |contents| contents.blobs.insert(digest.to_string(), bytes));
        digest
    }

    pub fn manifest(&self, path: &str, media_type: &str, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let entry = (media_type.to_owned(), bytes);
        self.contents(path, |contents| contents.manifests.insert(digest.to_string(), entry));
        digest
    }

    pub fn tag(&self, path: &str, tag: &str, digest: &Digest) {
        self.contents(path, |contents| contents.tags.insert(tag.to_owned(), digest.to_string()));
    }

    /// The manifest under a tag.
    pub fn tagged(&self, path: &str, tag: &str) -> Option<Bytes> {
        self.contents(path, |contents| {
            let digest = contents.tags.get(tag)?;
            contents.manifests.get(digest).map(|(_, bytes)| bytes.clone())
        })
    }

    pub fn stored_blob(&self, path: &str, digest: &Digest) -> Option<Bytes> {
        self.contents(path, |contents| contents.blobs.get(digest.as_str()).cloned())
    }

    /// The response of the referrers API for a digest.
    pub fn referrers_of(&self, path: &str, digest: &Digest) -> Bytes {
        self.contents(path, |contents| serve::referring(contents, digest.as_str()))
    }

    /// Stores an image of one layer under a tag.
    pub fn image(&self, path: &str, tag: &str, content: &str) -> Digest {
        let config = self.blob(path, format!("{{\"comment\":\"{content}\"}}"));
        let layer = self.blob(path, content.to_owned());
        let bytes = manifest(
            &[(&layer, content.len(), "application/vnd.oci.image.layer.v1.tar", &[])],
            &config,
            None,
        );
        let digest = self.manifest(path, MANIFEST, bytes);
        self.tag(path, tag, &digest);
        digest
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The requests as lines, sorted, because their order can vary.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.requests().iter().map(Recorded::line).collect();
        lines.sort();
        lines
    }

    pub fn forget_requests(&self) {
        self.state.requests.lock().unwrap().clear();
    }

    /// Bytes of response bodies that were written.
    pub fn written(&self) -> u64 {
        self.state.written.load(Ordering::Relaxed)
    }

    fn contents<T>(&self, path: &str, with: impl FnOnce(&mut ImageRefs) -> T) -> T {
        with(self.state.repositories.lock().unwrap().entry(path.to_owned()).or_default())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            let unmarked = self.state.unmarked.lock().unwrap();
            assert!(unmarked.is_empty(), "secrets without {}: {unmarked:?}", crate::secrets::MARK);
        }
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<script::Counted>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let recorded = Recorded { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    if let Some(secret) = shown::unmarked(&recorded) {
        state.unmarked.lock().unwrap().push(secret);
    }
    state.requests.lock().unwrap().push(recorded.clone());
    let scripted = state.hook.lock().unwrap().as_ref().and_then(|hook| hook(&recorded));
    let scripted = match scripted {
        Some(scripted) => scripted,
        None => state.auth(&recorded).unwrap_or_else(|| state.serve(&recorded)),
    };
    Ok(scripted.into_response(Arc::clone(&state.written)))
}
