//! The image of pod sandboxes ("pause"): the runtime would pull it by itself, so it is verified and pulled before.

use std::fmt;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use prost::Message;
use tokio::time::Instant;

use super::pull::PullRequest;
use super::{Peer, Proxy};
use crate::api::{ImageSpec, PullImageRequest};
use crate::containerd::{presence, sandbox};
use crate::gate::Present;

/// How often it is looked after: the runtime may have come back with another configuration, or its image may be gone.
const INTERVAL: Duration = Duration::from_secs(30);

/// How soon it is tried again while the runtime is away.
const RETRY: Duration = Duration::from_secs(2);

/// How long the runtime may take to answer a question about it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known about the sandbox image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxImage {
    /// It is on the node and admitted.
    Admitted(String),
    /// It is not admitted. The runtime may have it and use it all the same.
    Refused {
        /// Its name.
        name: String,
        /// Why.
        line: String,
        /// Whether the runtime has an image by that name.
        present: bool,
    },
    /// The runtime does not say what it is.
    NotTold,
}

impl fmt::Display for SandboxImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted(name) => write!(f, "sandbox image {name} is admitted"),
            Self::Refused { name, .. } => write!(f, "SANDBOX IMAGE {name} IS NOT ADMITTED"),
            Self::NotTold => write!(f, "sandbox image unknown"),
        }
    }
}

impl Proxy {
    /// Looks after the sandbox image for as long as it is polled, and tells `changed` whenever there is news.
    pub async fn look_after_sandbox_image(&self, mut changed: impl FnMut(&SandboxImage)) {
        let mut last = None;
        loop {
            let pause = match self.sandbox_image().await {
                Ok(now) => {
                    if last.as_ref() != Some(&now) {
                        report(&now);
                        changed(&now);
                        last = Some(now);
                    }
                    INTERVAL
                }
                Err(error) => {
                    tracing::debug!(error, "the runtime does not report its sandbox image");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes sure of the sandbox image as far as that is possible.
    ///
    /// # Errors
    /// When the runtime cannot be asked.
    async fn sandbox_image(&self) -> Result<SandboxImage, String> {
        let name = match &self.settings.sandbox_image {
            Some(name) => Some(name.clone()),
            None => {
                let asked = tokio::time::timeout(PATIENCE, sandbox::image_name(&self.upstream)).await;
                asked.map_err(|_| "it does not answer".to_owned())?.map_err(|status| status.to_string())?
            }
        };
        let Some(name) = name else { return Ok(SandboxImage::NotTold) };
        self.sandbox.store(Some(std::sync::Arc::new(name.clone())));
        let found = tokio::time::timeout(PATIENCE, presence::image(&self.upstream, &name)).await;
        let found = found.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())?;
        let present = found.is_some();
        if let Some(image) = found {
            let image =
                Present { id: image.id, repo_tags: image.repo_tags, repo_digests: image.repo_digests };
            if self.gate.check_present(&name, &image, None).await.is_ok() {
                return Ok(SandboxImage::Admitted(name));
            }
        }
        Ok(match self.pull_by_ourselves(&name).await {
            Ok(()) => SandboxImage::Admitted(name),
            Err(line) => SandboxImage::Refused { name, line, present },
        })
    }

    /// A pull as kubelet would ask for it, without credentials.
    async fn pull_by_ourselves(&self, name: &str) -> Result<(), String> {
        let image = ImageSpec { image: name.to_owned(), ..Default::default() };
        let message = PullImageRequest { image: Some(image), ..Default::default() }.encode_to_vec();
        let pull = PullRequest::parse(message.into()).map_err(|error| error.to_string())?;
        let mut request = Request::post("http://localhost/runtime.v1.ImageService/PullImage")
            .body(())
            .map_err(|error| error.to_string())?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let (head, ()) = request.into_parts();
        let peer = Peer { pid: i32::try_from(std::process::id()).ok(), uid: nix::unistd::getuid().as_raw() };
        let answer = self.decide_and_pull(&pull, head, Instant::now(), peer).await;
        super::pull::error_of(&answer).map_or(Ok(()), Err)
    }

    /// The name of the sandbox image, as containerd records it, once it is known.
    pub fn sandbox_image_name(&self) -> Option<String> {
        self.sandbox.load().as_ref().map(|name| super::recent_answers::canonical(name))
    }

    /// Whether `name`, a tag to be recorded, is that of the sandbox image.
    pub(super) fn is_sandbox_image(&self, name: &str) -> bool {
        self.sandbox_image_name().is_some_and(|sandbox| sandbox == name)
    }
}

fn report(image: &SandboxImage) {
    match image {
        SandboxImage::Admitted(name) => tracing::info!(image = name, "the sandbox image is admitted"),
        SandboxImage::Refused { name, line, present } => tracing::error!(
            image = name,
            line,
            present,
            "the sandbox image is not admitted: sandboxes are created from an unverified image"
        ),
        SandboxImage::NotTold => {
            tracing::warn!(
                "the runtime does not report its sandbox image, so it is not verified; set `sandbox-image` in [gate]"
            );
        }
    }
}
