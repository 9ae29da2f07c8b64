//! Waits until the runtime finds an image by a name.
//!
//! containerd's CRI plugin is notified of a new image record by an event, and updates its index some milliseconds
//! later. If kubelet got its answer before that, its `ImageStatus` could be empty, and it would run the container as
//! root.

use std::time::Duration;

use pullgate_net::backoff::Backoff;
use tokio::time::{Instant, sleep};

use super::Upstream;
use crate::api::image_service_client::ImageServiceClient;
use crate::api::{Image, ImageSpec, ImageStatusRequest};

/// Between two calls.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(100));

/// Whether `ImageStatus` of `name`, as in the pod, returns the image `id` now. `false` also on errors.
pub async fn is_known(upstream: &Upstream, name: &str, id: &str) -> bool {
    let found = image_id(&mut ImageServiceClient::new(upstream.clone()), name).await;
    matches!(found, Ok(Some(found)) if found == id)
}

/// Waits until `ImageStatus` of `name`, as in the pod, returns the image `id`.
///
/// # Errors
/// When it does not within `limit`, or the runtime returns an error.
pub async fn wait_for(
    upstream: &Upstream,
    name: &str,
    id: &str,
    limit: Duration,
) -> Result<(), PresenceError> {
    let end = Instant::now() + limit;
    let mut client = ImageServiceClient::new(upstream.clone());
    let mut calls = 0;
    loop {
        let found = match tokio::time::timeout_at(end, image_id(&mut client, name)).await {
            Ok(found) => found?,
            Err(_) => return Err(PresenceError::Late { name: name.to_owned(), limit }),
        };
        if found.as_deref() == Some(id) {
            return Ok(());
        }
        let delay = BACKOFF.delay(calls);
        if Instant::now() + delay >= end {
            return Err(match found {
                Some(found) => PresenceError::Other { name: name.to_owned(), expected: id.to_owned(), found },
                None => PresenceError::Late { name: name.to_owned(), limit },
            });
        }
        sleep(delay).await;
        calls += 1;
    }
}

/// The image that the runtime finds by `name`: a name, an id, or a prefix of an id.
///
/// # Errors
/// When the request fails.
pub async fn image(upstream: &Upstream, name: &str) -> Result<Option<Image>, PresenceError> {
    find(&mut ImageServiceClient::new(upstream.clone()), name).await
}

async fn image_id(
    client: &mut ImageServiceClient<Upstream>,
    name: &str,
) -> Result<Option<String>, PresenceError> {
    Ok(find(client, name).await?.map(|image| image.id))
}

async fn find(client: &mut ImageServiceClient<Upstream>, name: &str) -> Result<Option<Image>, PresenceError> {
    let image = ImageSpec { image: name.to_owned(), ..Default::default() };
    let request = ImageStatusRequest { image: Some(image), verbose: false };
    let response = client.image_status(request).await;
    let status = response.map_err(|status| PresenceError::Runtime(Box::new(status)))?.into_inner();
    Ok(status.image)
}

/// Why waiting for an image failed.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// The name is not known before the timeout.
    #[error("the runtime still does not know `{name}` {limit:?} after the pull")]
    Late {
        /// The name, as in the pod.
        name: String,
        limit: Duration,
    },
    /// The name belongs to another image.
    #[error("the runtime resolves `{name}` to {found}, but {expected} was pulled")]
    Other {
        /// The name, as in the pod.
        name: String,
        expected: String,
        found: String,
    },
    /// The request failed.
    #[error("the runtime's ImageStatus failed")]
    Runtime(#[source] Box<tonic::Status>),
}
