//! Tag records: the name under which containerd, and through it kubelet, knows an image.
//!
//! containerd's CRI plugin records `name:tag` only for a pull by tag. After a pull by digest kubelet's
//! `ImageStatus(name:tag)` would find nothing, and kubelet would run the container as root
//! (`getImageUser`, `determineEffectiveSecurityContext`). So the record is added here, as the CRI plugin itself would
//! have written it; the plugin learns of it from the event that containerd publishes.

use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::{
    CreateImageRequest, GetImageRequest, Image, ListImagesRequest, UpdateImageRequest,
};
use containerd_client::types::Descriptor;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use crate::containerd::Upstream;
use crate::digest::Digest;

/// The containerd namespace in which its CRI plugin keeps everything.
const NAMESPACE: &str = "k8s.io";

/// The label by which the CRI plugin knows its images (containerd `internal/cri/labels/labels.go`).
const MANAGED_LABEL: Label = ("io.cri-containerd.image", "managed");

/// The label by which the CRI plugin knows that an image must not be collected: the sandbox image has it.
pub const PINNED_LABEL: Label = ("io.cri-containerd.pinned", "pinned");

/// A label of a record: its name and value.
pub type Label = (&'static str, &'static str);

/// Records `tagged` as a name of the image that `pinned`, a `name@digest`, is the record of. Does nothing when the
/// record is already right. The record has `labels` besides the one that every image of the CRI plugin has.
///
/// # Errors
/// When containerd has no record of `pinned`, has one with another digest than `digest`, or cannot be asked.
pub async fn record_tag(
    upstream: &Upstream,
    tagged: &str,
    pinned: &str,
    digest: &Digest,
    labels: &[Label],
) -> Result<Recorded, TagRecordError> {
    let mut client = ImagesClient::new(upstream.clone());
    let mut other = client.clone();
    let (digest_record, tag_record) = tokio::join!(get(&mut client, pinned), get(&mut other, tagged));
    let target = digest_record?.and_then(|image| image.target);
    let target = target.ok_or_else(|| TagRecordError::NotPulled(pinned.to_owned()))?;
    if target.digest != digest.as_str() {
        return Err(TagRecordError::OtherDigest { expected: digest.to_string(), found: target.digest });
    }
    match tag_record? {
        Some(image) if is_record_of(&image, &target, labels) => return Ok(Recorded::Before),
        Some(_) => update(&mut client, tagged, target, labels).await,
        None => create(&mut client, tagged, target, labels).await,
    }?;
    Ok(Recorded::Now)
}

/// What the records with these names are records of, each once. A name without a record is left out.
///
/// # Errors
/// When containerd cannot be asked.
pub async fn targets(
    upstream: &Upstream,
    names: impl Iterator<Item = &str>,
) -> Result<Vec<Descriptor>, Box<Status>> {
    // Any of the filters is enough (containerd `pkg/filters`).
    let filters = names.map(|name| format!("name=={name:?}")).collect();
    let listed = ImagesClient::new(upstream.clone()).list(namespaced(ListImagesRequest { filters })).await;
    let images = listed.map_err(Box::new)?.into_inner().images;
    let mut targets: Vec<_> = images.into_iter().filter_map(|image| image.target).collect();
    targets.sort_unstable_by(|one, other| one.digest.cmp(&other.digest));
    targets.dedup_by(|one, other| one.digest == other.digest);
    Ok(targets)
}

/// When a tag came to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The record was right already.
    Before,
    /// It was made or changed.
    Now,
}

async fn get(client: &mut ImagesClient<Upstream>, name: &str) -> Result<Option<Image>, TagRecordError> {
    match client.get(namespaced(GetImageRequest { name: name.to_owned() })).await {
        Ok(response) => Ok(response.into_inner().image),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(TagRecordError::Containerd(Box::new(status))),
    }
}

async fn create(
    client: &mut ImagesClient<Upstream>,
    name: &str,
    target: Descriptor,
    labels: &[Label],
) -> Result<(), TagRecordError> {
    let request =
        CreateImageRequest { image: Some(record(name, target.clone(), labels)), source_date_epoch: None };
    match client.create(namespaced(request)).await {
        Ok(_) => Ok(()),
        // Somebody else was faster; what counts is that the record says this image.
        Err(status) if status.code() == Code::AlreadyExists => update(client, name, target, labels).await,
        Err(status) => Err(TagRecordError::Containerd(Box::new(status))),
    }
}

async fn update(
    client: &mut ImagesClient<Upstream>,
    name: &str,
    target: Descriptor,
    labels: &[Label],
) -> Result<(), TagRecordError> {
    let request = UpdateImageRequest {
        image: Some(record(name, target, labels)),
        // Without a mask all labels would be replaced, those of other tools too.
        update_mask: Some(prost_types::FieldMask {
            paths: std::iter::once("target".to_owned())
                .chain(all(labels).map(|(label, _)| format!("labels.{label}")))
                .collect(),
        }),
        source_date_epoch: None,
    };
    client
        .update(namespaced(request))
        .await
        .map_err(|status| TagRecordError::Containerd(Box::new(status)))?;
    Ok(())
}

fn record(name: &str, target: Descriptor, labels: &[Label]) -> Image {
    Image {
        name: name.to_owned(),
        labels: all(labels).map(|(label, value)| (label.to_owned(), value.to_owned())).collect(),
        target: Some(target),
        ..Default::default()
    }
}

fn is_record_of(image: &Image, target: &Descriptor, labels: &[Label]) -> bool {
    let same = image.target.as_ref().is_some_and(|found| found.digest == target.digest);
    same && all(labels).all(|(label, value)| image.labels.get(label).is_some_and(|found| found == value))
}

fn all(labels: &[Label]) -> impl Iterator<Item = Label> {
    std::iter::once(MANAGED_LABEL).chain(labels.iter().copied())
}

pub(super) fn namespaced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
    request
}

/// Why a tag could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum TagRecordError {
    /// containerd refused or could not be asked.
    #[error("containerd's images service failed")]
    Containerd(#[source] Box<Status>),
    /// containerd does not know the image that it says it pulled.
    #[error("containerd has no record of `{0}` after pulling it")]
    NotPulled(String),
    /// containerd's record of the pinned name is of other content.
    #[error("containerd's record has digest {found} where {expected} was pulled")]
    OtherDigest {
        /// What was verified.
        expected: String,
        /// What the record says.
        found: String,
    },
}
