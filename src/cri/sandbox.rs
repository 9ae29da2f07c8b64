//! The image of pod sandboxes ("pause"): the runtime would pull it unverified, so it is verified and pulled before.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::decided::Decided;
use super::pull::{self, PullCall, PullRequest};
use super::{Peer, Proxy, RuntimeContent};
use crate::api::{Image, ImageSpec, PullImageRequest};
use crate::containerd::{presence, sandbox};
use crate::gate::Present;
use crate::reference::Reference;
use crate::registry;
use crate::telemetry::decisions::Call;

/// How often it is checked: the runtime may have restarted with another configuration, or the image may be gone.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often the decision is counted for `pullgate report`. Every check would hide the other images.
const COUNTED_EVERY: Duration = Duration::from_secs(3600);

/// The pause before the next attempt while the runtime is down.
const RETRY: Duration = Duration::from_secs(2);

/// How long the runtime may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is known about the sandbox image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SandboxImage {
    /// It is on the node and admitted.
    Admitted { name: String },
    /// It is not admitted. The runtime may have it and use it nevertheless.
    Refused {
        /// Its name.
        name: String,
        /// Why.
        line: String,
        /// Whether the runtime has an image by that name.
        present: bool,
    },
    /// It is not configured, neither here nor in containerd's configuration, and the runtime does not report it.
    #[serde(rename = "unknown")]
    NotReported,
}

impl fmt::Display for SandboxImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted { name } => write!(f, "sandbox image {name} is admitted"),
            Self::Refused { name, .. } => write!(f, "SANDBOX IMAGE {name} IS NOT ADMITTED"),
            Self::NotReported => write!(f, "sandbox image not known"),
        }
    }
}

/// Checks the sandbox image for as long as it is polled, and calls `changed` after each change.
pub(super) async fn watch(proxy: &Proxy, mut changed: impl FnMut(&SandboxImage)) {
    let (begin, mut last, mut counted) = (Instant::now(), None, None);
    loop {
        let hour = begin.elapsed().as_secs() / COUNTED_EVERY.as_secs();
        let pause = match check(proxy, hour, &mut counted).await {
            Ok(now) => {
                if last.as_ref() != Some(&now) {
                    report(&now);
                    changed(&now);
                    if last.replace(now).is_some() {
                        // The next check counts.
                        counted = None;
                    }
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

/// Verifies the sandbox image if it is present, else pulls it. The decision is counted once for each name, policy and hour,
/// which are in `counted`: nobody asked for the image at the other times.
///
/// # Errors
/// When the runtime does not answer.
async fn check(
    proxy: &Proxy,
    hour: u64,
    counted: &mut Option<(String, String, u64)>,
) -> Result<SandboxImage, String> {
    let Some(name) = image_name(proxy).await? else { return Ok(SandboxImage::NotReported) };
    proxy.sandbox.store(Some(Arc::new(name.clone())));
    let found = in_time(presence::image(&proxy.upstream, &name)).await?;
    let present = found.is_some();
    let now = Some((name.clone(), proxy.policy_hash(), hour));
    let counts = *counted != now;
    *counted = now;
    if let Some(image) = found
        && is_admitted(proxy, (&name, &image), counts).await
    {
        return Ok(SandboxImage::Admitted { name });
    }
    Ok(match pull_sandbox_image(proxy, &name, counts).await {
        Ok(()) => SandboxImage::Admitted { name },
        Err(line) => SandboxImage::Refused { name, line, present },
    })
}

/// As it is configured here, or as the runtime reports it, or as containerd's configuration says.
async fn image_name(proxy: &Proxy) -> Result<Option<String>, String> {
    if let Some(name) = &proxy.settings.sandbox_image {
        return Ok(Some(name.clone()));
    }
    let reported = in_time(sandbox::image_name(&proxy.upstream)).await?;
    let (None, Some(config)) = (&reported, proxy.settings.containerd_config.clone()) else {
        return Ok(reported);
    };
    let read = tokio::task::spawn_blocking(move || registry::sandbox_image(&config)).await;
    Ok(read.map_err(|error| error.to_string())?.filter(|name| Reference::parse(name).is_ok()))
}

async fn is_admitted(proxy: &Proxy, (name, image): (&str, &Image), counts: bool) -> bool {
    let content = RuntimeContent::of(&proxy.upstream);
    let present = proxy.gate.read_content(Present::from(image), &content).await;
    let Ok(verdict) = proxy.gate.check_present(name, &present, None).await else { return false };
    if counts {
        Decided::new(Call::ImageStatus, name, None).present(&proxy.counters.decisions, &verdict);
    }
    true
}

async fn in_time<T, E: fmt::Display>(answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    let answer =
        tokio::time::timeout(TIMEOUT, answer).await.map_err(|_| "the runtime does not answer".to_owned())?;
    answer.map_err(|error| error.to_string())
}

/// Pulls as kubelet would, without credentials.
async fn pull_sandbox_image(proxy: &Proxy, name: &str, counts: bool) -> Result<(), String> {
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
    let call = PullCall::new(pull, head, Instant::now()).counted(counts);
    let answer = pull::pull(proxy, call, peer).await;
    pull::error_of(&answer).map_or(Ok(()), Err)
}

fn report(image: &SandboxImage) {
    match image {
        SandboxImage::Admitted { name } => tracing::info!(image = name, "the sandbox image is admitted"),
        SandboxImage::Refused { name, line, present } => tracing::error!(
            image = name,
            line,
            present,
            "the sandbox image is not admitted, so the runtime creates sandboxes from an unverified image"
        ),
        SandboxImage::NotReported => {
            tracing::warn!(
                "neither the runtime nor containerd's configuration names the sandbox image, so pullgate cannot verify it; set \
                 `sandbox-image` in [gate]"
            );
        }
    }
}
