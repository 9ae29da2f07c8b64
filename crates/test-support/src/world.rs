//! A node in this process: a registry, a fake runtime, and pullgate between them.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use prost::Message as _;
use pullgate::api;
use pullgate::cri;
use pullgate::registry::{Limits, RegistrySettings};
use tempfile::TempDir;

use crate::policy::{self, RELEASE};
use crate::proxy::{Daemon, call, forgetful};
use crate::registry::{Options, Registry};
use crate::runtime::{Runtime, framed};

const PULL: &str = "/runtime.v1.ImageService/PullImage";

/// Runs until it is dropped.
pub struct World {
    pub directory: TempDir,
    pub registry: Registry,
    pub runtime: Runtime,
    pub daemon: Daemon,
}

/// A gRPC response: status code, message without its percent-encoding, and body.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub code: String,
    pub message: String,
    pub body: Bytes,
}

/// Makes the registry client's settings from the directory and the registry.
type MakeSettings<'a> = Box<dyn FnOnce(&TempDir, &Registry) -> RegistrySettings + 'a>;

/// Makes a [`World`] with more in it, which has the plain one in this field, usable as the plain one.
#[macro_export]
macro_rules! extends_world {
    ($world:ty, $field:tt) => {
        impl std::ops::Deref for $world {
            type Target = $crate::world::World;

            fn deref(&self) -> &Self::Target {
                &self.$field
            }
        }
    };
}

/// Settings of a [`World`]. Defaults: an empty registry on plain HTTP, no negative cache, and a policy that requires a
/// signature of `release` (P-256) for `team` at that registry and denies everything else.
pub struct Builder<'a> {
    registry: Options,
    settings: MakeSettings<'a>,
    proxy: Box<dyn FnOnce(&mut cri::CriSettings) + 'a>,
    timeout: Duration,
    policy: Option<String>,
}

impl<'a> Builder<'a> {
    /// The features of the registry.
    pub fn registry(self, options: Options) -> Self {
        Self { registry: options, ..self }
    }

    /// The limits of the registry client, with defaults for other settings.
    pub fn limits(self, limits: Limits) -> Self {
        self.settings(move |_, _| RegistrySettings { limits, ..RegistrySettings::default() })
    }

    /// The settings of the registry client, which can depend on the test's directory and the registry.
    pub fn settings(self, make: impl FnOnce(&TempDir, &Registry) -> RegistrySettings + 'a) -> Self {
        Self { settings: Box::new(make), ..self }
    }

    /// Changes the settings of the proxy.
    pub fn proxy(self, change: impl FnOnce(&mut cri::CriSettings) + 'a) -> Self {
        Self { proxy: Box::new(change), ..self }
    }

    /// The time limit of one pull's decision.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The text of `policy.toml`; `%HOST` is replaced by the registry's host.
    pub fn policy(self, text: &str) -> Self {
        Self { policy: Some(text.to_owned()), ..self }
    }

    /// Every pull is refused until the test sets a policy.
    pub fn without_policy(self) -> Self {
        Self { policy: None, ..self }
    }

    pub async fn start(self) -> World {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::with(self.registry).await;
        let runtime = Runtime::start(&directory.path().join("runtime.sock"));
        let settings = (self.settings)(&directory, &registry);
        let daemon = Daemon::builder(directory.path(), runtime.socket())
            .registry(settings)
            .proxy(self.proxy)
            .timeout(self.timeout)
            .start();
        let world = World { directory, registry, runtime, daemon };
        if let Some(policy) = self.policy {
            world.set_policy(&policy);
        }
        world
    }
}

impl World {
    pub fn builder<'a>() -> Builder<'a> {
        let policy = format!(
            "default = \"deny\"\n{RELEASE}[[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ all = [\"release\"] }}\n",
        );
        Builder {
            registry: Options::default(),
            settings: Box::new(|_, _| forgetful()),
            proxy: Box::new(|_| {}),
            timeout: Duration::from_secs(30),
            policy: Some(policy),
        }
    }

    /// Writes `policy.toml` and loads it; `%HOST` is replaced by the registry's host.
    pub fn set_policy(&self, text: &str) {
        let text = text.replace("%HOST", &self.registry.host());
        self.daemon.gate.set_policy(policy::load(self.directory.path(), &text));
    }

    /// The name of an image at the registry.
    pub fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.host())
    }

    pub async fn pull(&self, image: &str) -> Answer {
        self.call(PULL, &pull_request(image).encode_to_vec()).await
    }

    /// A unary call with this message.
    pub async fn call(&self, path: &str, message: &[u8]) -> Answer {
        self.call_body(path, framed(message)).await
    }

    /// A call with this body, which may be less or more than one message.
    pub async fn call_body(&self, path: &str, body: Bytes) -> Answer {
        let response = call(self.daemon.client(), path, HeaderMap::new(), body).await;
        let (head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or(head.headers);
        let text = |name: &str| {
            trailers.get(name).map(|value| percent_decoded(value.to_str().unwrap())).unwrap_or_default()
        };
        Answer { code: text("grpc-status"), message: text("grpc-message"), body: collected.to_bytes() }
    }

    /// The names of images that the runtime pulled, in order.
    pub fn pulled(&self) -> Vec<String> {
        let calls = self.runtime.calls_of("PullImage");
        let name = |body: &Bytes| api::PullImageRequest::decode(&body[5..]).unwrap().image.unwrap().image;
        calls.iter().map(|call| name(&call.body)).collect()
    }
}

/// A pull request without credentials.
pub fn pull_request(image: &str) -> api::PullImageRequest {
    api::PullImageRequest {
        image: Some(api::ImageSpec { image: image.to_owned(), ..Default::default() }),
        auth: None,
        sandbox_config: None,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
