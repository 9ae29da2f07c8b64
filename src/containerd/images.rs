//! Tag records: the names under which containerd, and through it kubelet, finds an image.
//!
//! containerd's CRI plugin records `name:tag` only for a pull by tag. After a pull by digest, kubelet's
//! `ImageStatus(name:tag)` would find nothing, and kubelet would run the container as root (`getImageUser`,
//! `determineEffectiveSecurityContext`). So the record is added here, in the form of the CRI plugin; the plugin is
//! notified by the event that containerd publishes.

use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::{
    CreateImageRequest, DeleteImageRequest, GetImageRequest, Image, ListImagesRequest, UpdateImageRequest,
};
use containerd_client::types::Descriptor;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use crate::containerd::Upstream;
use crate::digest::Digest;
use crate::reference::Reference;

/// The containerd namespace of the CRI plugin.
const NAMESPACE: &str = "k8s.io";

/// The label of images that the CRI plugin manages (containerd `internal/cri/labels/labels.go`).
const MANAGED_LABEL: Label = ("io.cri-containerd.image", "managed");

/// The label of images that the CRI plugin does not garbage-collect, for example the sandbox image.
pub const PINNED_LABEL: Label = ("io.cri-containerd.pinned", "pinned");

/// Name and value of a label.
pub type Label = (&'static str, &'static str);

/// Records `tagged` as a name of the image with the record `pinned`, a `name@digest`. Does nothing if the record is
/// correct already. The record gets `labels` besides that of managed images.
///
/// # Errors
/// When containerd has no record of `pinned`, when that has another digest than `digest`, or when a request fails.
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

/// The distinct targets of the records with these names. Names without a record are omitted.
///
/// # Errors
/// When the request fails.
pub async fn targets(
    upstream: &Upstream,
    names: impl Iterator<Item = &str>,
) -> Result<Vec<Descriptor>, Box<Status>> {
    // Filters are combined with OR (containerd `pkg/filters`).
    let filters = names.map(|name| format!("name=={name:?}")).collect();
    let listed = ImagesClient::new(upstream.clone()).list(namespaced(ListImagesRequest { filters })).await;
    let images = listed.map_err(Box::new)?.into_inner().images;
    let mut targets: Vec<_> = images.into_iter().filter_map(|image| image.target).collect();
    targets.sort_unstable_by(|one, other| one.digest.cmp(&other.digest));
    targets.dedup_by(|one, other| one.digest == other.digest);
    Ok(targets)
}

/// Removes the records that a pull of `reference` makes: its own name, and that with the digest. Other names of the image,
/// and its id, stay.
///
/// # Errors
/// When containerd cannot be asked, or does not remove one of them.
pub async fn remove(upstream: &Upstream, reference: &Reference) -> Result<(), Box<Status>> {
    let name = reference.to_string();
    let targets = targets(upstream, std::iter::once(name.as_str())).await?;
    let digests = targets.iter().filter_map(|target| Digest::parse(&target.digest).ok());
    let mut names: Vec<_> = digests.map(|digest| reference.with_digest(&digest).to_string()).collect();
    names.insert(0, name);
    names.dedup();
    for name in names {
        remove_record(upstream, name, None).await?;
    }
    Ok(())
}

/// Removes one record; if it is one of `target`, where containerd can compare that (from 2.0).
///
/// # Errors
/// When containerd does not remove it.
pub async fn remove_record(
    upstream: &Upstream,
    name: String,
    target: Option<Descriptor>,
) -> Result<(), Box<Status>> {
    let request = DeleteImageRequest { name, sync: false, target };
    match ImagesClient::new(upstream.clone()).delete(namespaced(request)).await {
        Err(status) if status.code() != Code::NotFound => Err(Box::new(status)),
        _ => Ok(()),
    }
}

/// Makes `name`, which has a record, one of `target`.
///
/// # Errors
/// When containerd does not change it.
pub async fn point(upstream: &Upstream, name: &str, target: Descriptor) -> Result<(), TagRecordError> {
    update(&mut ImagesClient::new(upstream.clone()), name, target, &[]).await
}

/// Whether a tag record had to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The record was correct already.
    Before,
    /// The record was created or updated.
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
        // Created concurrently: the record must still have the right target.
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
        // Without a mask, the update would replace all labels, including those of other tools.
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

/// Why a tag cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum TagRecordError {
    /// A request to the images service failed.
    #[error("containerd's images service failed")]
    Containerd(#[source] Box<Status>),
    /// containerd has no record of the image that it reported as pulled.
    #[error("containerd has no record of `{0}` after the pull")]
    NotPulled(String),
    /// containerd's record of the pinned name has another digest.
    #[error("containerd's record has digest {found}, but {expected} was pulled")]
    OtherDigest {
        /// The verified digest.
        expected: String,
        /// The digest in the record.
        found: String,
    },
}
