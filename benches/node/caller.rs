//! The calls that are measured, as lean as a client of the CRI can make them.

use std::path::PathBuf;

use pullgate::api::image_service_client::ImageServiceClient;
use pullgate::api::{ImageSpec, ImageStatusRequest, ListImagesRequest, PullImageRequest, RemoveImageRequest};
use pullgate::containerd::Upstream;
use tokio::time::timeout;

use crate::support::node::process::LIMIT;

/// kubelet's limit for one message.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// A client with one connection, as kubelet has one.
pub(crate) struct Caller(Upstream);

impl Caller {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self(Upstream::new(socket))
    }

    /// Whether the image is there.
    pub(crate) async fn image_status(&self, name: &str) -> bool {
        let request = ImageStatusRequest { image: Some(named(name)), verbose: false };
        in_time("ImageStatus", self.client().image_status(request)).await.image.is_some()
    }

    /// How many images there are.
    pub(crate) async fn list_images(&self) -> usize {
        in_time("ListImages", self.client().list_images(ListImagesRequest::default())).await.images.len()
    }

    /// Pulls an image and gives its id.
    pub(crate) async fn pull_image(&self, name: &str) -> String {
        let request = PullImageRequest { image: Some(named(name)), ..Default::default() };
        in_time("PullImage", self.client().pull_image(request)).await.image_ref
    }

    /// Removes an image with all its names; containerd collects the garbage before it answers.
    pub(crate) async fn remove_image(&self, id: &str) {
        let request = RemoveImageRequest { image: Some(named(id)) };
        in_time("RemoveImage", self.client().remove_image(request)).await;
    }

    fn client(&self) -> ImageServiceClient<Upstream> {
        ImageServiceClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

async fn in_time<T>(what: &str, call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> T {
    // The timer costs both ends the same, and without one a hanging call hangs everything.
    let answered = timeout(LIMIT, call).await;
    let answered = answered.unwrap_or_else(|_| panic!("{what}: no answer in {LIMIT:?}"));
    answered.unwrap_or_else(|status| panic!("{what}: {status}")).into_inner()
}

fn named(name: &str) -> ImageSpec {
    ImageSpec { image: name.to_owned(), ..Default::default() }
}
