//! pullgate's proxy in this process, and a bare HTTP/2 client of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use pullgate::containerd::{Body, Upstream};
use pullgate::cri::{self, Proxy};
use pullgate::gate::{self, Gate};
use pullgate::node::socket::Socket;
use pullgate::registry::{Registry, Settings};
use tokio::task::JoinHandle;

use crate::secrets;

/// A registry client that does not remember that there was no signature: many tests sign what was just refused.
pub fn forgetful() -> Settings {
    let limits = pullgate::registry::Limits { negative_cache: Duration::ZERO, ..Default::default() };
    Settings { limits, ..Settings::default() }
}

/// A running proxy on `pullgate.sock` of its directory; ends with the value.
pub struct Daemon {
    pub proxy: Arc<Proxy>,
    pub gate: Arc<Gate>,
    client: Upstream,
    task: JoinHandle<()>,
    _socket: Socket,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
        secrets::wrote("debug", format!("{:?} {:?}", self.gate, self.proxy));
    }
}

impl Daemon {
    /// A proxy without a policy: every pull is refused.
    pub fn start(directory: &Path, runtime: &Path) -> Self {
        Self::with_registry(directory, runtime, Settings::default())
    }

    pub fn with_registry(directory: &Path, runtime: &Path, settings: Settings) -> Self {
        Self::with_settings(directory, runtime, settings, cri::Settings::default())
    }

    pub fn with_settings(
        directory: &Path,
        runtime: &Path,
        settings: Settings,
        chosen: cri::Settings,
    ) -> Self {
        let chosen = cri::Settings { tag_record_timeout: Duration::from_millis(500), ..chosen };
        secrets::keep_log();
        secrets::wrote("debug", format!("{settings:?} {chosen:?}"));
        Self::with_bounds(directory, runtime, settings, chosen, Duration::from_secs(30))
    }

    /// With a bound on the time for deciding about one pull.
    pub fn with_bounds(
        directory: &Path,
        runtime: &Path,
        settings: Settings,
        chosen: cri::Settings,
        timeout: Duration,
    ) -> Self {
        let registry = Arc::new(Registry::new(settings).unwrap());
        let bounds = gate::GateSettings { timeout, concurrent: 16 };
        let gate = Arc::new(Gate::new(registry, bounds));
        Self::serve(directory, runtime, gate, chosen)
    }

    /// A proxy with a gate and settings that were made elsewhere.
    pub fn around(directory: &Path, runtime: &Path, gate: Gate, chosen: cri::Settings) -> Self {
        Self::serve(directory, runtime, Arc::new(gate), chosen)
    }

    fn serve(directory: &Path, runtime: &Path, gate: Arc<Gate>, chosen: cri::Settings) -> Self {
        let proxy = Arc::new(Proxy::new(Upstream::new(runtime), Arc::clone(&gate), chosen));
        let path = directory.join("pullgate.sock");
        let socket = Socket::open(&path, None, 0o600).unwrap();
        let listener = socket.listener().unwrap();
        let served = cri::serve(Arc::clone(&proxy), listener, std::future::pending(), Duration::ZERO);
        let task = tokio::spawn(served);
        Self { proxy, gate, client: Upstream::new(path), task, _socket: socket }
    }

    pub fn client(&self) -> &Upstream {
        &self.client
    }
}

/// One call with these bytes as its body.
pub async fn call(client: &Upstream, path: &str, headers: HeaderMap, body: Bytes) -> Response<Incoming> {
    let uri = format!("http://localhost{path}");
    let mut request = Request::post(uri).body(Body::full(body)).unwrap();
    *request.headers_mut() = headers;
    client.send(request).await.unwrap()
}
