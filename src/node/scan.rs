//! Everything that is on the node, against the policy: each image under each of its names, and each running container.
//!
//! An image is judged as it would be when a pod asks for it: by evidence, and where there is none by what the registry
//! has for the digest that the image is recorded under. That the image *is* that digest is shown by hashes
//! ([`Gate::pulled`]), never believed of a record: anyone who can record an image can record any name for it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::api::image_service_client::ImageServiceClient;
use crate::api::runtime_service_client::RuntimeServiceClient;
use crate::api::{
    Container, ContainerState, Image, ImageSpec, ListContainersRequest, ListImagesRequest, RemoveImageRequest,
};
use crate::containerd::Upstream;
use crate::cri::RuntimeContent;
use crate::gate::{Explanation, Gate, Kind, Pod, Present, Question, Refusal};
use crate::reference::Reference;
use crate::registry::Credentials;

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

    /// The ids of the images that are refused under every name that they have.
    fn refused_ids(&self) -> BTreeSet<&str> {
        let spared: BTreeSet<_> = self
            .images
            .iter()
            .chain(&self.containers)
            .filter(|finding| finding.verdict != Verdict::Refused)
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
    let scan = Scan { upstream, gate, credentials };
    let mut report = Report::default();
    for image in &images {
        for name in names(image) {
            report.images.push(scan.judge(&name, image, None).await);
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
        report.containers.push(scan.judge(asked.unwrap_or(id), image, pod).await);
    }
    Ok(report)
}

/// Removes the images that are refused under all of their names, that no container uses and that are not pinned. Gives
/// their ids. The image of pod sandboxes, `keep`, stays: sandboxes are not told as containers.
///
/// # Errors
/// When the runtime cannot be asked.
pub async fn remove_unused(
    upstream: &Upstream,
    report: &Report,
    keep: Option<&str>,
) -> Result<Vec<String>, ScanError> {
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
        client.remove_image(RemoveImageRequest { image }).await.map_err(runtime)?;
        removed.push(id.to_owned());
    }
    Ok(removed)
}

struct Scan<'a> {
    upstream: &'a Upstream,
    gate: &'a Gate,
    credentials: &'a Credentials,
}

impl Scan<'_> {
    async fn judge(&self, name: &str, image: &Image, pod: Option<Pod>) -> Finding {
        let decided = self.decide(name, image, pod.as_ref()).await;
        Finding {
            name: name.to_owned(),
            id: image.id.clone(),
            pod: pod.map(|pod| format!("{}/{}", pod.namespace, pod.name)),
            verdict: match &decided {
                Ok(_) => Verdict::Admitted,
                Err(refusal) if refusal.kind() == Kind::Signature => Verdict::Refused,
                Err(_) => Verdict::Unknown,
            },
            reason: Cow::Borrowed(match &decided {
                Ok(reason) => reason,
                Err(refusal) => refusal.reason().code(),
            }),
            message: decided.err().map(|refusal| refusal.line().to_owned()),
        }
    }

    async fn decide(&self, name: &str, image: &Image, pod: Option<&Pod>) -> Result<&'static str, Refusal> {
        let present = Present {
            id: image.id.clone(),
            repo_tags: image.repo_tags.clone(),
            repo_digests: image.repo_digests.clone(),
        };
        let standing = |present| self.gate.standing(name, present, pod);
        let refusal = match standing(&present).await {
            Ok(found) => return Ok(found.reason().code()),
            Err(refusal) if refusal.reason() == crate::telemetry::Reason::NotVerified => refusal,
            Err(refusal) => return Err(refusal),
        };
        // There is no evidence here. What does the registry have for the digests that the image is recorded under?
        let mut told = None;
        for recorded in recorded_as(name, image) {
            match self.fetch_evidence(&recorded, image, pod).await {
                Ok(()) => match standing(&present).await {
                    Ok(found) => return Ok(found.reason().code()),
                    Err(refusal) => told = Some(refusal),
                },
                Err(refusal) => told = told.or(Some(refusal)),
            }
        }
        Err(told.unwrap_or(refusal))
    }

    async fn fetch_evidence(&self, name: &str, image: &Image, pod: Option<&Pod>) -> Result<(), Refusal> {
        let question = Question {
            image: name.to_owned(),
            credentials: self.credentials.clone(),
            namespace: pod.map(|pod| pod.namespace.clone()),
        };
        let pinned = self.gate.admit(&question, &mut Explanation::default()).await?;
        self.gate.pulled(&pinned, None, &image.id, &RuntimeContent::of(self.upstream)).await;
        Ok(())
    }
}

/// The names with a digest of the repository of `name`.
fn recorded_as(name: &str, image: &Image) -> Vec<String> {
    let asked = Reference::parse(name).ok();
    let same = |recorded: &&String| {
        let recorded = Reference::parse(recorded).ok();
        let (Some(recorded), Some(asked)) = (&recorded, &asked) else { return true };
        recorded.repository() == asked.repository() || image.repo_tags.is_empty()
    };
    image.repo_digests.iter().take(MAX_NAMES).filter(same).cloned().collect()
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
    Ok(client.list_images(ListImagesRequest::default()).await.map_err(runtime)?.into_inner().images)
}

async fn containers(upstream: &Upstream) -> Result<Vec<Container>, ScanError> {
    let mut client = RuntimeServiceClient::new(upstream.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    let listed = client.list_containers(ListContainersRequest::default()).await.map_err(runtime)?;
    Ok(listed.into_inner().containers)
}

fn runtime(status: tonic::Status) -> ScanError {
    ScanError::Runtime(Box::new(status))
}

/// Why the node could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The runtime cannot be asked.
    #[error("the runtime does not tell what is on the node")]
    Runtime(#[source] Box<tonic::Status>),
}
