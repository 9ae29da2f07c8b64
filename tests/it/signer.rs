//! The service beside a registry: access, what it signs, and recovery from a crash.

pub(crate) mod access;
pub(crate) mod keys;
mod killed;
pub(crate) mod listing;
pub(crate) mod notation;
pub(crate) mod options;
mod pushes;
pub(crate) mod record;
pub(crate) mod reload;
mod renewal;
mod round_trips;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use pullgate::digest::Digest;
use pullgate::keys::{KeySettings, Location};
use pullgate::policy::{Scope, Tags};
use pullgate::trust::Algorithm;
use pullgate_sign::Layout;
use pullgate_signer::{
    Address, Attaching, AuthenticatorSettings, Limits, Listen, Listener, QueueError, Reconcile, Rule, Signer,
    SignerError, SignerSettings, Status, TargetRegistry, Trigger,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use pullgate_test::registry::{MANIFEST, Registry};
use pullgate_test::secrets;
use pullgate_test::signer::closed_key;

const DISTRIBUTION: &str = "application/vnd.docker.distribution.events.v1+json";

/// Long enough for a busy machine: everything awaited here happens.
const PATIENCE: Duration = Duration::from_secs(60);

fn rule(registry: &Registry, scope: &str) -> Rule {
    Rule {
        name: "team".to_owned(),
        authenticator: "release".to_owned(),
        algorithm: Algorithm::EcdsaSha256,
        scopes: vec![Scope::parse(&format!("{}/{scope}", registry.host())).unwrap()],
        trigger: Trigger::Automatic,
        layout: Layout::Classic,
        attaching: Attaching::default(),
        tags: Tags::default(),
    }
}

fn settings(registry: &Registry, directory: &Path, rules: Vec<Rule>) -> SignerSettings {
    let location = Location::File(closed_key(directory, "p256"));
    let key = AuthenticatorSettings {
        location,
        algorithm: Algorithm::EcdsaSha256,
        certificate_chain: None,
        per_second: 1000,
    };
    SignerSettings {
        registry: TargetRegistry { host: registry.host(), login: None, hosts: Vec::new() },
        listen: Listen {
            address: Address::Tcp("127.0.0.1:0".parse().unwrap()),
            tls: None,
            secret_file: None,
        },
        control: directory.join("control.sock"),
        metrics: None,
        directory: directory.join("state"),
        reconcile: Reconcile { baseline: true, interval: None, repositories: None },
        limits: Limits {
            body_bytes: 64 << 10,
            events: 50,
            connections: 8,
            request_timeout: Duration::from_secs(20),
            queued: 1000,
            remembered: 10_000,
            workers: 4,
            attempts: 3,
            longest_pause: Duration::from_millis(200),
            listed: 1000,
        },
        keys: KeySettings::default(),
        authenticators: BTreeMap::from([("release".to_owned(), key)]),
        rules,
    }
}

/// A service in this process.
struct Service {
    signer: Arc<Signer>,
    address: String,
    control: PathBuf,
    /// The state directory.
    directory: PathBuf,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Service {
    async fn start(settings: SignerSettings) -> Self {
        let notifications = Listener::notifications(&settings.listen, &settings.limits).unwrap();
        let address = notifications.address();
        secrets::wrote("debug", format!("{settings:?} {notifications:?}"));
        let (control, directory) = (settings.control.clone(), settings.directory.clone());
        let listener = Listener::control(&control).unwrap();
        let signer = loop {
            match Signer::open(settings.clone()).await {
                // The thread of a service that was just stopped may still run.
                Err(SignerError::Queue(QueueError::Taken)) => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                opened => break opened.unwrap(),
            }
        };
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(notifications.serve(Arc::clone(&signer), stopped.clone()));
        tasks.spawn(listener.serve(Arc::clone(&signer), stopped.clone()));
        tasks.spawn(pullgate_signer::run(Arc::clone(&signer), stopped));
        Self { signer, address, control, directory, stop, tasks }
    }

    /// The same, when all its rules have started.
    async fn started(settings: SignerSettings) -> Self {
        let service = Self::start(settings).await;
        service.until("the rules have started", |status| status.rules.iter().all(|rule| rule.started)).await;
        service
    }

    async fn stop(mut self) {
        if secrets::run().is_some() {
            let (_, metrics) = self.ask("GET", "/metrics", Value::Null).await;
            secrets::wrote("metrics", metrics);
            secrets::wrote("debug", format!("{:?}", Status::of(&self.signer)));
        }
        self.stop.send(true).unwrap();
        while self.tasks.join_next().await.is_some() {}
        secrets::keep(&self.directory);
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let status = Status::of(&self.signer);
            if is_so(&status) {
                return status;
            }
            assert!(tokio::time::Instant::now() < end, "did not happen: {what}: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn idle(&self) -> Status {
        self.until("nothing waits", |status| status.waiting + status.busy == 0).await
    }

    /// Notifies as distribution does.
    async fn notify(&self, body: &Value) -> u16 {
        self.post(&[("content-type", DISTRIBUTION)], body.to_string()).await.0
    }

    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> (u16, String) {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        send(stream, "POST", "/notify", headers, body.into()).await.unwrap()
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let stream = UnixStream::connect(&self.control).await.unwrap();
        send(stream, method, path, &[], body.to_string().into()).await.unwrap()
    }

    async fn metric(&self, line: &str) -> u64 {
        let (_, text) = self.ask("GET", "/metrics", Value::Null).await;
        let found = text.lines().find_map(|found| found.strip_prefix(&format!("pullgate_signer_{line} ")));
        found.unwrap_or_else(|| panic!("no {line} in\n{text}")).parse().unwrap()
    }
}

/// One request over a connection of its own.
async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<(u16, String), hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path).header("host", "signer");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Full::new(body)).unwrap()).await?;
    let status = answer.status().as_u16();
    secrets::wrote("answers", format!("{:?}", answer.headers()));
    let body = answer.into_body().collect().await?.to_bytes();
    secrets::wrote("answers", &body);
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// A notification of pushes: repository, tag, digest.
fn pushes(pushes: &[(&str, &str, &Digest)]) -> Value {
    let events = pushes.iter().map(|(repository, tag, digest)| {
        json!({
            "id": "1", "timestamp": jiff::Timestamp::now().to_string(), "action": "push",
            "target": { "mediaType": MANIFEST, "digest": digest.as_str(), "repository": repository, "tag": tag },
            "actor": { "name": "ci" },
        })
    });
    json!({ "events": events.collect::<Vec<_>>() })
}

/// How many signatures an image has.
fn signatures(registry: &Registry, repository: &str, digest: &Digest) -> usize {
    let Some(manifest) = registry.tagged(repository, &format!("sha256-{}.sig", digest.hex())) else {
        return 0;
    };
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["layers"].as_array().unwrap().len()
}

fn audit(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("state/audit.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
