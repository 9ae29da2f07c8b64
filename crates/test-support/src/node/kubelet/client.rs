//! The calls themselves, each with a limit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use http_body_util::BodyExt;
use pullgate::api::image_service_client::ImageServiceClient;
use pullgate::api::runtime_service_client::RuntimeServiceClient;
use pullgate::api::{
    ContainerConfig, CreateContainerRequest, Image, ImageFsInfoRequest, ImageFsInfoResponse, ImageSpec,
    ImageStatusRequest, ListImagesRequest, PodSandboxConfig, PullImageRequest, RemoveContainerRequest,
    RemoveImageRequest, RemovePodSandboxRequest, RunPodSandboxRequest, StartContainerRequest,
    StopContainerRequest, StopPodSandboxRequest,
};
use pullgate::containerd::{Body, Upstream};
use tonic::{Code, Request, Status};

use super::super::process::LIMIT;
use crate::secrets;

/// kubelet's and containerd's limit for one message.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The two endpoints.
pub(super) struct Client {
    images: Upstream,
    runtime: Upstream,
}

impl Client {
    pub(super) fn new(images: PathBuf, runtime: PathBuf) -> Self {
        Self { images: Upstream::new(images), runtime: Upstream::new(runtime) }
    }

    pub(super) async fn pull_image(&self, request: PullImageRequest) -> Result<String, Status> {
        let answer = in_time(self.images().pull_image(request)).await?;
        Ok(answer.into_inner().image_ref)
    }

    pub(super) async fn image_status(&self, name: &str) -> Result<Option<Image>, Status> {
        self.image_status_of(named(name)).await
    }

    pub(super) async fn image_status_of(&self, image: ImageSpec) -> Result<Option<Image>, Status> {
        let request = ImageStatusRequest { image: Some(image), verbose: false };
        Ok(in_time(self.images().image_status(request)).await?.into_inner().image)
    }

    pub(super) async fn list_images(&self) -> Result<Vec<Image>, Status> {
        Ok(in_time(self.images().list_images(ListImagesRequest::default())).await?.into_inner().images)
    }

    pub(super) async fn image_fs_info(&self) -> Result<ImageFsInfoResponse, Status> {
        Ok(in_time(self.images().image_fs_info(ImageFsInfoRequest {})).await?.into_inner())
    }

    pub(super) async fn remove_image(&self, name: &str) -> Result<(), Status> {
        let request = RemoveImageRequest { image: Some(named(name)) };
        in_time(self.images().remove_image(request)).await.map(drop)
    }

    pub(super) async fn call<M>(&self, path: &'static str, message: M) -> Code
    where
        M: prost::Message + Default + Send + Sync + 'static,
    {
        let mut client = tonic::client::Grpc::new(self.images.clone());
        let codec = tonic_prost::ProstCodec::<M, ()>::default();
        let call = client.unary(Request::new(message), PathAndQuery::from_static(path), codec);
        in_time(call).await.map_or_else(|status| status.code(), |_| Code::Ok)
    }

    pub(super) async fn call_raw(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Status {
        let mut request = http::Request::post(path).header("te", "trailers");
        for (name, value) in [("content-type", "application/grpc")].iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::full(body.into())).expect("it is a request");
        let answer = in_time(async {
            let answer = self.images.send(request).await;
            let (head, body) = answer.map_err(|error| Status::unavailable(error.to_string()))?.into_parts();
            let body = body.collect().await.map_err(|error| Status::unavailable(error.to_string()))?;
            Ok(body.trailers().cloned().unwrap_or(head.headers))
        });
        let from_trailers = |trailers| Status::from_header_map(&trailers).expect("an answer has a status");
        answer.await.map_or_else(|status| status, from_trailers)
    }

    pub(super) async fn run_pod_sandbox(&self, config: &PodSandboxConfig) -> String {
        let request = RunPodSandboxRequest { config: Some(config.clone()), ..Default::default() };
        must("RunPodSandbox", self.runtime().run_pod_sandbox(request)).await.pod_sandbox_id
    }

    pub(super) async fn create_container(
        &self,
        sandbox_id: &str,
        config: ContainerConfig,
        sandbox: &PodSandboxConfig,
    ) -> Result<String, Status> {
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox_id.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox.clone()),
        };
        Ok(in_time(self.runtime().create_container(request)).await?.into_inner().container_id)
    }

    pub(super) async fn start_container(&self, id: &str) {
        let request = StartContainerRequest { container_id: id.to_owned() };
        must("StartContainer", self.runtime().start_container(request)).await;
    }

    pub(super) async fn remove_container(&self, id: &str) {
        let request = StopContainerRequest { container_id: id.to_owned(), timeout: 5 };
        must("StopContainer", self.runtime().stop_container(request)).await;
        let request = RemoveContainerRequest { container_id: id.to_owned() };
        must("RemoveContainer", self.runtime().remove_container(request)).await;
    }

    pub(super) async fn remove_pod_sandbox(&self, id: &str) {
        let request = StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
        must("StopPodSandbox", self.runtime().stop_pod_sandbox(request)).await;
        let request = RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
        must("RemovePodSandbox", self.runtime().remove_pod_sandbox(request)).await;
    }

    fn images(&self) -> ImageServiceClient<Upstream> {
        ImageServiceClient::new(self.images.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn runtime(&self) -> RuntimeServiceClient<Upstream> {
        RuntimeServiceClient::new(self.runtime.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// Waits until the program in the container has printed its user: `TIME stdout F uid=1000 gid=1000 argv=/app`.
pub(super) async fn user_in_log(path: &Path) -> u32 {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let log = std::fs::read_to_string(path).unwrap_or_default();
        let user = log.split_once(" uid=").and_then(|(_, after)| after.split_once(' ')).map(|(user, _)| user);
        if let Some(user) = user.and_then(|user| user.parse().ok()) {
            return user;
        }
        assert!(tokio::time::Instant::now() < end, "the container did not print its user: {log:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The runtime endpoint is not under test: an error there ends the test.
async fn must<T>(what: &str, call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> T {
    in_time(call).await.unwrap_or_else(|status| panic!("{what}: {status}")).into_inner()
}

async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded(format!("no answer in {LIMIT:?}")));
    let answer = tokio::time::timeout(LIMIT, call).await.unwrap_or_else(late);
    if let Err(status) = &answer {
        secrets::wrote("grpc", format!("{status:?}"));
    }
    answer
}

fn named(name: &str) -> ImageSpec {
    ImageSpec { image: name.to_owned(), ..Default::default() }
}
