//! Everything that is on the node, against the policy: each image under each of its names, and each running container.
//!
//! An image is judged as it would be when a pod asks for it: by evidence, and where there is none by what the registry
//! has for the digest that the image is recorded under, or that its tag means now. That the image *is* that digest is
//! shown by hashes ([`Gate::link_present_image`]), never believed of a record: anyone who can record an image can record any name
//! for it.
//!
//! Removed is only what nothing can still show to be good: refused by the policy alone, or by the registry's own word.

mod judge;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::image_service_client::ImageServiceClient;
use crate::api::runtime_service_client::RuntimeServiceClient;
use crate::api::{
    Container, ContainerState, Image, ImageSpec, ListContainersRequest, ListImagesRequest, RemoveImageRequest,
};
use crate::containerd::Upstream;
use crate::gate::{Gate, Pod};
use crate::registry::Credentials;
use judge::Judge;
use pullgate_core::untrusted::{error_chain, sanitize};

/// The largest answer of the runtime, in bytes; as kubelet's own limit.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The labels that kubelet gives to containers.
const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// How many names of one image are judged.
const MAX_NAMES: usize = 64;

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Images, one for each name.
    pub images: Vec<Finding>,
    /// Running containers.
    pub containers: Vec<Finding>,
    /// The policy that was in force at the beginning, by its hash.
    #[serde(skip)]
    policy: Option<String>,
}

/// One image under one name, or one container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The name, or the id of what has none.
    pub name: String,
    /// The image's id.
    pub id: String,
    /// The container's pod, as `namespace/name`.
    pub pod: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
    /// The reason code.
    pub reason: Cow<'static, str>,
    /// The refusal in words.
    pub message: Option<String>,
    /// Whether it is refused, and nothing that could still be found out would change that.
    #[serde(skip)]
    settled: bool,
}

/// What comes of an image or a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may run.
    Admitted,
    /// It would be refused.
    Refused,
    /// That could not be found out.
    Unknown,
}

impl Report {
    /// How many findings have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.images.iter().chain(&self.containers).filter(|finding| finding.verdict == verdict).count()
    }

    /// The ids of the images that are refused for good under every name that they have.
    fn refused_ids(&self) -> BTreeSet<&str> {
        let spared: BTreeSet<_> = self
            .images
            .iter()
            .chain(&self.containers)
            .filter(|finding| !finding.settled)
            .map(|finding| finding.id.as_str())
            .collect();
        let all = self.images.iter().map(|finding| finding.id.as_str());
        all.filter(|id| !spared.contains(id)).collect()
    }
}

/// Looks at everything on the node.
///
/// # Errors
/// When the runtime cannot be asked.
pub async fn scan(upstream: &Upstream, gate: &Gate, credentials: &Credentials) -> Result<Report, ScanError> {
    let images = images(upstream).await?;
    let containers = containers(upstream).await?;
    let judge = Judge { upstream, gate, credentials };
    let mut report = Report { policy: policy_of(gate), ..Report::default() };
    for image in &images {
        for name in names(image) {
            report.images.push(judge.judge(&name, image, None).await);
        }
    }
    let by_id: BTreeMap<&str, &Image> = images.iter().map(|image| (image.id.as_str(), image)).collect();
    for container in containers.iter().filter(|container| is_running(container)) {
        let id = image_id(container);
        // One whose image was removed is judged by its id alone.
        let gone = Image { id: id.to_owned(), ..Default::default() };
        let spec = container.image.as_ref();
        let asked = spec.map(|spec| spec.user_specified_image.as_str()).filter(|name| !name.is_empty());
        let image = by_id.get(id).copied().unwrap_or(&gone);
        let label = |name: &str| container.labels.get(name).cloned();
        let pod = label(POD_NAMESPACE)
            .map(|namespace| Pod { name: label(POD_NAME).unwrap_or_default(), namespace });
        report.containers.push(judge.judge(asked.unwrap_or(id), image, pod).await);
    }
    Ok(report)
}

/// Removes the images that are refused for good under all of their names, that no container uses and that are not pinned.
/// Gives their ids. The image of pod sandboxes, `keep`, stays: sandboxes are not told as containers. Nothing is removed when
/// another policy came into force meanwhile.
///
/// # Errors
/// When the runtime cannot be asked.
pub async fn remove_unused(
    upstream: &Upstream,
    gate: &Gate,
    report: &Report,
    keep: Option<&str>,
) -> Result<Vec<String>, ScanError> {
    if policy_of(gate) != report.policy {
        return Ok(Vec::new());
    }
    // Asked anew: a container may have been created since.
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
        client.remove_image(RemoveImageRequest { image }).await.map_err(told_by(upstream))?;
        removed.push(id.to_owned());
    }
    Ok(removed)
}

/// The names that a pod may use for an image; its id, when there is none.
fn names(image: &Image) -> Vec<String> {
    let named: Vec<_> = image.repo_tags.iter().chain(&image.repo_digests).take(MAX_NAMES).cloned().collect();
    if named.is_empty() { vec![image.id.clone()] } else { named }
}

fn is_running(container: &Container) -> bool {
    container.state == i32::from(ContainerState::ContainerRunning)
}

/// containerd tells the id as `image_ref`; elsewhere it stands in the spec that kubelet wrote.
fn image_id(container: &Container) -> &str {
    let spec = container.image.as_ref().map(|spec| spec.image.as_str()).unwrap_or_default();
    if container.image_ref.starts_with("sha256:") { &container.image_ref } else { spec }
}

async fn images(upstream: &Upstream) -> Result<Vec<Image>, ScanError> {
    let mut client = ImageServiceClient::new(upstream.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    Ok(client.list_images(ListImagesRequest::default()).await.map_err(told_by(upstream))?.into_inner().images)
}

async fn containers(upstream: &Upstream) -> Result<Vec<Container>, ScanError> {
    let mut client = RuntimeServiceClient::new(upstream.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    let listed = client.list_containers(ListContainersRequest::default()).await.map_err(told_by(upstream))?;
    Ok(listed.into_inner().containers)
}

fn policy_of(gate: &Gate) -> Option<String> {
    gate.policy().map(|policy| policy.hash().to_owned())
}

fn told_by(upstream: &Upstream) -> impl Fn(tonic::Status) -> ScanError {
    let socket = upstream.socket().to_owned();
    move |status| {
        // What our own connection says is the cause of the status; what the runtime says is its text.
        let why = match std::error::Error::source(&status) {
            Some(cause) => error_chain(cause),
            None => format!("{}: {}", status.code(), sanitize(status.message())),
        };
        ScanError::Runtime { socket: socket.clone(), why }
    }
}

/// Why the node could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The runtime cannot be asked.
    #[error("the runtime at {} does not list what is on the node: {why}", socket.display())]
    Runtime {
        /// Its socket.
        socket: PathBuf,
        /// What is in the way, in words.
        why: String,
    },
}
