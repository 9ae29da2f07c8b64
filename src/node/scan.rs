//! Evaluates everything on the node with the policy: each image under each of its names, and each running container.
//!
//! An image is evaluated as if a pod requested it: with evidence, and without evidence with what the registry has for
//! the digests in the image's record, or for its tag. That the image matches such a digest is verified by hashes
//! ([`Gate::link_present_image`]); records are not trusted, because any client of containerd can record an image under
//! any name.
//!
//! An image is removed only if no further information could admit it: the policy alone refuses it, or the registry has
//! no valid signatures for it.

mod evaluator;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::image_service_client::ImageServiceClient;
use crate::api::runtime_service_client::RuntimeServiceClient;
use crate::api::{
    Container, ContainerState, Image, ImageSpec, ListContainersRequest, ListImagesRequest, RemoveImageRequest,
};
use crate::containerd::{Endpoint, Upstream};
use crate::gate::{Gate, Pod};
use crate::registry::Credentials;
use evaluator::Evaluator;
use pullgate_core::untrusted::{error_chain, sanitize};

/// Maximum size of an answer of the runtime, in bytes; kubelet has the same limit.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Labels that kubelet sets on containers.
const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// Maximum number of names that are evaluated per image.
const MAX_NAMES: usize = 64;

/// The result of a scan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// One finding per image and name.
    pub images: Vec<Finding>,
    /// Running containers.
    pub containers: Vec<Finding>,
    /// The hash of the policy at the start of the scan.
    #[serde(skip)]
    policy: Option<String>,
}

/// One image under one name, or one container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The name, or the id if it has no name.
    pub name: String,
    pub id: String,
    /// The pod of the container, as `namespace/name`.
    pub pod: Option<String>,
    /// The decision.
    pub verdict: Verdict,
    pub reason: Cow<'static, str>,
    /// The text of the refusal.
    pub message: Option<String>,
    /// Whether it is refused, and no further information could change that.
    #[serde(skip)]
    is_final: bool,
}

/// The decision on an image or a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Admitted,
    Refused,
    /// There is no decision, for example because a registry does not answer.
    Unknown,
}

impl Report {
    /// The number of findings with this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.images.iter().chain(&self.containers).filter(|finding| finding.verdict == verdict).count()
    }

    /// The ids of images whose refusal is final under every name.
    fn refused_ids(&self) -> BTreeSet<&str> {
        let keep: BTreeSet<_> = self
            .images
            .iter()
            .chain(&self.containers)
            .filter(|finding| !finding.is_final)
            .map(|finding| finding.id.as_str())
            .collect();
        let all = self.images.iter().map(|finding| finding.id.as_str());
        all.filter(|id| !keep.contains(id)).collect()
    }
}

/// Evaluates everything on the node.
///
/// # Errors
/// When the runtime does not answer.
pub async fn scan(upstream: &Upstream, gate: &Gate, credentials: &Credentials) -> Result<Report, ScanError> {
    let images = images(upstream).await?;
    let containers = containers(upstream).await?;
    let evaluator = Evaluator { upstream, gate, credentials };
    let mut report = Report { policy: policy_of(gate), ..Report::default() };
    for image in &images {
        for name in names(image) {
            report.images.push(evaluator.evaluate(&name, image, None).await);
        }
    }
    let by_id: BTreeMap<&str, &Image> = images.iter().map(|image| (image.id.as_str(), image)).collect();
    for container in containers.iter().filter(|container| is_running(container)) {
        let id = image_id(container);
        // If the image was removed, only its id is known.
        let missing = Image { id: id.to_owned(), ..Default::default() };
        let spec = container.image.as_ref();
        let name_in_spec =
            spec.map(|spec| spec.user_specified_image.as_str()).filter(|name| !name.is_empty());
        let image = by_id.get(id).copied().unwrap_or(&missing);
        let label = |name: &str| container.labels.get(name).cloned();
        let pod = label(POD_NAMESPACE)
            .map(|namespace| Pod { name: label(POD_NAME).unwrap_or_default(), namespace });
        report.containers.push(evaluator.evaluate(name_in_spec.unwrap_or(id), image, pod).await);
    }
    Ok(report)
}

/// Removes images whose refusal is final under every name, that no container uses and that are not pinned, and returns
/// their ids. The sandbox image, `keep`, stays: the runtime does not list sandboxes as containers. Removes nothing if
/// the policy has changed since the scan.
///
/// # Errors
/// When the runtime does not answer.
pub async fn remove_unused(
    upstream: &Upstream,
    gate: &Gate,
    report: &Report,
    keep: Option<&str>,
) -> Result<Vec<String>, ScanError> {
    if policy_of(gate) != report.policy {
        return Ok(Vec::new());
    }
    // Listed again: a container may have been created since the scan.
    let used: BTreeSet<String> =
        containers(upstream).await?.iter().map(|container| image_id(container).to_owned()).collect();
    let mut removed = Vec::new();
    let mut client = ImageServiceClient::new(upstream.clone());
    let is_kept =
        |image: &Image| image.pinned || names(image).iter().any(|name| keep.is_some_and(|keep| keep == name));
    let pinned: BTreeSet<String> =
        images(upstream).await?.into_iter().filter(is_kept).map(|image| image.id).collect();
    for id in report.refused_ids() {
        if used.contains(id) || pinned.contains(id) {
            continue;
        }
        let image = Some(ImageSpec { image: id.to_owned(), ..Default::default() });
        client.remove_image(RemoveImageRequest { image }).await.map_err(runtime_error(upstream.images()))?;
        removed.push(id.to_owned());
    }
    Ok(removed)
}

/// The names that a pod may use for an image; without names, its id.
fn names(image: &Image) -> Vec<String> {
    let named: Vec<_> = image.repo_tags.iter().chain(&image.repo_digests).take(MAX_NAMES).cloned().collect();
    if named.is_empty() { vec![image.id.clone()] } else { named }
}

fn is_running(container: &Container) -> bool {
    container.state == i32::from(ContainerState::ContainerRunning)
}

/// containerd has the id in `image_ref`; other runtimes in the spec that kubelet wrote.
fn image_id(container: &Container) -> &str {
    let spec = container.image.as_ref().map(|spec| spec.image.as_str()).unwrap_or_default();
    if container.image_ref.starts_with("sha256:") { &container.image_ref } else { spec }
}

async fn images(upstream: &Upstream) -> Result<Vec<Image>, ScanError> {
    let mut client = ImageServiceClient::new(upstream.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    Ok(client
        .list_images(ListImagesRequest::default())
        .await
        .map_err(runtime_error(upstream.images()))?
        .into_inner()
        .images)
}

async fn containers(upstream: &Upstream) -> Result<Vec<Container>, ScanError> {
    let mut client = RuntimeServiceClient::new(upstream.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    let listed = client
        .list_containers(ListContainersRequest::default())
        .await
        .map_err(runtime_error(upstream.runtime()))?;
    Ok(listed.into_inner().containers)
}

fn policy_of(gate: &Gate) -> Option<String> {
    gate.policy().map(|policy| policy.hash().to_owned())
}

fn runtime_error(endpoint: &Endpoint) -> impl Fn(tonic::Status) -> ScanError {
    let socket = endpoint.socket().to_owned();
    move |status| {
        // An error of our connection is the source of the status; an error of the runtime is its text.
        let why = match std::error::Error::source(&status) {
            Some(cause) => error_chain(cause),
            None => format!("{}: {}", status.code(), sanitize(status.message())),
        };
        ScanError::Runtime { socket: socket.clone(), why }
    }
}

/// Why a scan failed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A request to the runtime failed.
    #[error("the runtime at {} did not list images and containers: {why}", socket.display())]
    Runtime {
        socket: PathBuf,
        /// The error as text.
        why: String,
    },
}
