//! pullgate's proxy in this process, and a plain HTTP/2 client of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use pullgate::containerd::{Body, Upstream};
use pullgate::cri::{self, CriLimits, Proxy};
use pullgate::gate::{Gate, GateSettings};
use pullgate::registry::{Registry, RegistrySettings};
use pullgate_daemon::unix_socket::UnixSocket;
use tokio::task::JoinHandle;

use crate::secrets;

/// Registry settings without a negative cache: many tests sign images right after they were refused.
pub fn forgetful() -> RegistrySettings {
    let limits = pullgate::registry::Limits { negative_cache_ttl: Duration::ZERO, ..Default::default() };
    RegistrySettings { limits, ..RegistrySettings::default() }
}

/// A running proxy on `pullgate.sock` of its directory, until it is dropped.
pub struct Daemon {
    pub proxy: Arc<Proxy>,
    pub gate: Arc<Gate>,
    client: Upstream,
    task: JoinHandle<()>,
    _socket: UnixSocket,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
        secrets::wrote("debug", format!("{:?} {:?}", self.gate, self.proxy));
    }
}

/// Settings of a [`Daemon`]. Defaults: no policy, the default registry client, and a short wait for tag records.
pub struct Builder<'a> {
    directory: &'a Path,
    runtime: &'a Path,
    registry: RegistrySettings,
    proxy: cri::CriSettings,
    timeout: Duration,
    gate: Option<Gate>,
    upstream: Option<Upstream>,
}

impl Builder<'_> {
    pub fn registry(self, settings: RegistrySettings) -> Self {
        Self { registry: settings, ..self }
    }

    /// Changes the settings of the proxy.
    pub fn proxy(mut self, change: impl FnOnce(&mut cri::CriSettings)) -> Self {
        change(&mut self.proxy);
        self
    }

    /// The time limit of one pull's decision.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Uses this gate instead of creating one.
    pub fn gate(self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// Uses this upstream instead of all services on the runtime's socket.
    pub fn upstream(self, upstream: Upstream) -> Self {
        Self { upstream: Some(upstream), ..self }
    }

    pub fn start(self) -> Daemon {
        secrets::keep_log();
        secrets::wrote("debug", format!("{:?} {:?}", self.registry, self.proxy));
        let settings = GateSettings { timeout: self.timeout, concurrent: 16 };
        let made = || Gate::new(Arc::new(Registry::new(self.registry).unwrap()), settings);
        let gate = Arc::new(self.gate.unwrap_or_else(made));
        let upstream = self.upstream.unwrap_or_else(|| Upstream::new(self.runtime));
        let proxy = Arc::new(Proxy::new(upstream, Arc::clone(&gate), self.proxy));
        let path = self.directory.join("pullgate.sock");
        let socket = UnixSocket::open(&path, None, 0o600).unwrap();
        let listener = socket.listener().unwrap();
        let served = cri::serve(Arc::clone(&proxy), listener, std::future::pending(), Duration::ZERO);
        let task = tokio::spawn(served);
        Daemon { proxy, gate, client: Upstream::new(path), task, _socket: socket }
    }
}

impl Daemon {
    /// A proxy in `directory`, in front of the runtime on that socket.
    pub fn builder<'a>(directory: &'a Path, runtime: &'a Path) -> Builder<'a> {
        Builder {
            directory,
            runtime,
            registry: RegistrySettings::default(),
            proxy: cri::CriSettings {
                limits: CriLimits { tag_record_timeout: Duration::from_millis(500), ..CriLimits::default() },
                ..cri::CriSettings::default()
            },
            timeout: Duration::from_secs(30),
            gate: None,
            upstream: None,
        }
    }

    pub fn client(&self) -> &Upstream {
        &self.client
    }
}

/// A call with these bytes as its body.
pub async fn call(client: &Upstream, path: &str, headers: HeaderMap, body: Bytes) -> Response<Incoming> {
    let uri = format!("http://localhost{path}");
    let mut request = Request::post(uri).body(Body::full(body)).unwrap();
    *request.headers_mut() = headers;
    client.send(request).await.unwrap()
}
