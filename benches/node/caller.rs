//! The measured calls, with as little overhead as a CRI client can have.

use std::path::PathBuf;
use std::time::Duration;

use pullgate::api::image_service_client::ImageServiceClient;
use pullgate::api::{ImageSpec, ImageStatusRequest, ListImagesRequest, PullImageRequest, RemoveImageRequest};
use tokio::time::timeout;

use crate::client::Connection;

/// kubelet's limit for one message.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The timeout of one call, also among hundreds.
const LIMIT: Duration = Duration::from_secs(240);

/// A client with one connection, as in kubelet.
#[derive(Clone)]
pub(crate) struct Caller(Connection);

impl Caller {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self(Connection::new(socket))
    }

    /// Whether the image is present.
    pub(crate) async fn image_status(&self, name: &str) -> bool {
        let request = ImageStatusRequest { image: Some(named(name)), verbose: false };
        in_time("ImageStatus", self.client().image_status(request)).await.image.is_some()
    }

    /// How many images there are.
    pub(crate) async fn list_images(&self) -> usize {
        in_time("ListImages", self.client().list_images(ListImagesRequest::default())).await.images.len()
    }

    /// Pulls an image and returns its id.
    pub(crate) async fn pull_image(&self, name: &str) -> String {
        self.try_to_pull_image(name).await.unwrap_or_else(|status| panic!("PullImage: {status}"))
    }

    /// The same, but may fail.
    pub(crate) async fn try_to_pull_image(&self, name: &str) -> Result<String, tonic::Status> {
        let request = PullImageRequest { image: Some(named(name)), ..Default::default() };
        let pulled = timeout(LIMIT, self.client().pull_image(request)).await;
        let pulled = pulled.unwrap_or_else(|_| panic!("PullImage: no answer in {LIMIT:?}"));
        pulled.map(|pulled| pulled.into_inner().image_ref)
    }

    /// Removes an image with all its names; containerd collects the garbage before it answers.
    pub(crate) async fn remove_image(&self, id: &str) {
        let request = RemoveImageRequest { image: Some(named(id)) };
        in_time("RemoveImage", self.client().remove_image(request)).await;
    }

    fn client(&self) -> ImageServiceClient<Connection> {
        ImageServiceClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

async fn in_time<T>(what: &str, call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> T {
    // The timer costs the same at both sockets, and without it a hanging call would block the benchmark.
    let answered = timeout(LIMIT, call).await;
    let answered = answered.unwrap_or_else(|_| panic!("{what}: no answer in {LIMIT:?}"));
    answered.unwrap_or_else(|status| panic!("{what}: {status}")).into_inner()
}

fn named(name: &str) -> ImageSpec {
    ImageSpec { image: name.to_owned(), ..Default::default() }
}
