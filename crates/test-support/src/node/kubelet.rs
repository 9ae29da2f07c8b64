//! kubelet's calls, in kubelet's order.
//!
//! Follows Kubernetes 1.36: `kuberuntime_manager.go` (SyncPod), `images/image_manager.go` (EnsureImageExists),
//! `kuberuntime_container.go` and `security_context.go`, as far as an image endpoint can affect it.

mod client;
mod pod;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pullgate::api::{self, Image, ImageFsInfoResponse};
use tokio::runtime::Runtime;
use tonic::{Code, Status};

use super::directory;
use client::Client;
pub use pod::Pod;

/// A kubelet. Its methods block, with a limit.
pub struct Kubelet {
    client: Client,
    logs: PathBuf,
    // With its own threads: a cancelled call must reach the server even while no method runs.
    runtime: Runtime,
}

/// A container that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The id of its image in CRI.
    pub image_id: String,
    /// The user that its process printed.
    pub user: u32,
}

/// Why a pod does not run: what `kubectl get pod` and `kubectl describe pod` show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The container's `state.waiting.reason`.
    pub reason: &'static str,
    /// The container's `state.waiting.message`.
    pub message: String,
}

impl Waiting {
    /// pullgate's reason code: the last word of the message, in brackets.
    pub fn code(&self) -> &str {
        let (_, after) = self.message.rsplit_once('[').unwrap_or_default();
        after.strip_suffix(']').unwrap_or_default()
    }
}

impl Kubelet {
    /// A kubelet with separate endpoints for images and for the runtime.
    pub fn new(image_endpoint: PathBuf, runtime_endpoint: PathBuf, logs: PathBuf) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("cannot start an event loop");
        Self { client: Client::new(image_endpoint, runtime_endpoint), logs, runtime }
    }

    /// Runs a pod until its container has printed its user, and removes it.
    ///
    /// # Errors
    /// Why the container waits for its image.
    pub fn run(&self, pod: &Pod) -> Result<Ran, Waiting> {
        let logs = self.logs.join(pod.uid());
        directory::make(&logs);
        let sandbox = pod.sandbox_config(&logs);
        self.runtime.block_on(async {
            let id = self.client.run_pod_sandbox(&sandbox).await;
            let ran = self.start_container(pod, &id, &sandbox, &logs).await;
            self.client.remove_pod_sandbox(&id).await;
            ran
        })
    }

    /// Runs `work` while a pod is running, and removes the pod.
    ///
    /// # Panics
    /// If the pod does not run.
    pub fn run_while<T>(&self, pod: &Pod, work: impl FnOnce() -> T) -> T {
        let logs = self.logs.join(pod.uid());
        directory::make(&logs);
        let sandbox = pod.sandbox_config(&logs);
        let (id, container) = self.runtime.block_on(async {
            let id = self.client.run_pod_sandbox(&sandbox).await;
            let image = self.ensure_image_exists(pod, pod.image(), &sandbox).await.expect("it has its image");
            let config = pod.container_config(&image, User::Number(1000), &[]);
            let container = self.client.create_container(&id, config, &sandbox).await.expect("it is created");
            self.client.start_container(&container).await;
            client::user_in_log(&logs.join(pod::CONTAINER_LOG)).await;
            (id, container)
        });
        let result = work();
        self.runtime.block_on(async {
            self.client.remove_container(&container).await;
            self.client.remove_pod_sandbox(&id).await;
        });
        result
    }

    /// Creates the pod's container from the image `id`, and removes it. kubelet can have an id from another source, or an
    /// old one.
    ///
    /// # Errors
    /// Why the container waits.
    pub fn create(&self, pod: &Pod, id: &str) -> Result<(), Waiting> {
        self.create_while(pod, id, |_| ())
    }

    /// As [`Self::create`], with an image volume: its name in the pod and its image id in kubelet.
    ///
    /// # Errors
    /// Why the container waits.
    pub fn create_mounting(&self, pod: &Pod, id: &str, volume: (String, String)) -> Result<(), Waiting> {
        self.create_from(pod, id, &[volume], |_| ())
    }

    /// As [`Self::create`], and runs `work` with the container's id while the container exists.
    ///
    /// # Errors
    /// Why the container waits.
    pub fn create_while<T>(&self, pod: &Pod, id: &str, work: impl FnOnce(&str) -> T) -> Result<T, Waiting> {
        self.create_from(pod, id, &[], work)
    }

    fn create_from<T>(
        &self,
        pod: &Pod,
        id: &str,
        volumes: &[(String, String)],
        work: impl FnOnce(&str) -> T,
    ) -> Result<T, Waiting> {
        let logs = self.logs.join(pod.uid());
        directory::make(&logs);
        let sandbox = pod.sandbox_config(&logs);
        self.runtime.block_on(async {
            let sandbox_id = self.client.run_pod_sandbox(&sandbox).await;
            let config = pod.container_config(id, User::Number(1000), volumes);
            let created = self.client.create_container(&sandbox_id, config, &sandbox).await;
            let done = match created {
                Ok(container) => {
                    let result = work(&container);
                    self.client.remove_container(&container).await;
                    Ok(result)
                }
                Err(status) => Err(create_failed(status)),
            };
            self.client.remove_pod_sandbox(&sandbox_id).await;
            done
        })
    }

    /// Ensures that the pod's image is present, and returns its id.
    ///
    /// # Errors
    /// Why the container waits for its image.
    pub fn ensure_image(&self, pod: &Pod) -> Result<String, Waiting> {
        self.runtime.block_on(self.ensure_image_exists(pod, pod.image(), &pod.sandbox_config(&self.logs)))
    }

    /// One PullImage, as kubelet makes it.
    ///
    /// # Errors
    /// The gRPC status.
    pub fn pull(&self, pod: &Pod) -> Result<String, Status> {
        self.runtime.block_on(self.client.pull_image(pod.pull_request(&self.logs)))
    }

    /// A PullImage that the caller cancels after some time.
    ///
    /// # Panics
    /// If there is an answer before.
    pub fn pull_and_give_up(&self, pod: &Pod, after: Duration) {
        let pull = self.client.pull_image(pod.pull_request(&self.logs));
        let answer = self.runtime.block_on(async { tokio::time::timeout(after, pull).await });
        assert!(answer.is_err(), "the pull was answered before it was given up: {answer:?}");
    }

    /// # Errors
    /// The gRPC status.
    pub fn image_status(&self, name: &str) -> Result<Option<Image>, Status> {
        self.runtime.block_on(self.client.image_status(name))
    }

    /// # Errors
    /// The gRPC status.
    pub fn list_images(&self) -> Result<Vec<Image>, Status> {
        self.runtime.block_on(self.client.list_images())
    }

    /// # Errors
    /// The gRPC status.
    pub fn image_fs_info(&self) -> Result<ImageFsInfoResponse, Status> {
        self.runtime.block_on(self.client.image_fs_info())
    }

    /// # Errors
    /// The gRPC status.
    pub fn remove_image(&self, name: &str) -> Result<(), Status> {
        self.runtime.block_on(self.client.remove_image(name))
    }

    /// Calls any method by its path at the image endpoint, with any message.
    pub fn call<M>(&self, path: &'static str, message: M) -> Code
    where
        M: prost::Message + Default + Send + Sync + 'static,
    {
        self.runtime.block_on(self.client.call(path, message))
    }

    /// Calls a method at the image endpoint with this exact body, and returns the status.
    pub fn call_raw(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Status {
        self.runtime.block_on(self.client.call_raw(path, headers, body))
    }

    async fn ensure_image_exists(
        &self,
        pod: &Pod,
        name: &str,
        sandbox: &api::PodSandboxConfig,
    ) -> Result<String, Waiting> {
        if !pod.pulls_always() {
            let present = self.client.image_status_of(pod::annotated(name)).await.map_err(inspect_failed)?;
            if let Some(present) = present {
                return Ok(present.id);
            }
        }
        if pod.pulls_never() {
            let message = format!("Container image {name:?} is not present with pull policy of Never");
            return Err(Waiting { reason: "ErrImageNeverPull", message });
        }
        let pulled = self.client.pull_image(pod.pull_request_in(name, sandbox)).await;
        let id = pulled.map_err(|status| pull_failed(name, &status))?;
        assert!(!id.is_empty(), "kubelet: the pull of {name} succeeded without an image reference");
        // GetImageSize; kubelet ignores its failure.
        let _ = self.client.image_status_of(pod::annotated(name)).await;
        Ok(id)
    }

    async fn start_container(
        &self,
        pod: &Pod,
        sandbox_id: &str,
        sandbox: &api::PodSandboxConfig,
        logs: &Path,
    ) -> Result<Ran, Waiting> {
        let mut volumes = Vec::new();
        for name in pod.volumes() {
            volumes.push((name.clone(), self.ensure_image_exists(pod, name, sandbox).await?));
        }
        let image_id = self.ensure_image_exists(pod, pod.image(), sandbox).await?;
        let user = self.image_user(pod.image()).await?;
        let config = pod.container_config(&image_id, user, &volumes);
        let created = self.client.create_container(sandbox_id, config, sandbox).await;
        let container = created.map_err(create_failed)?;
        self.client.start_container(&container).await;
        let user = client::user_in_log(&logs.join(pod::CONTAINER_LOG)).await;
        self.client.remove_container(&container).await;
        Ok(Ran { image_id, user })
    }

    /// getImageUser: an image that is not found by the name in the pod silently counts as root's.
    async fn image_user(&self, name: &str) -> Result<User, Waiting> {
        let Some(image) = self.client.image_status(name).await.map_err(inspect_failed)? else {
            return Ok(User::Number(0));
        };
        Ok(match (image.uid, image.username) {
            (Some(user), _) => User::Number(user.value),
            (None, name) if !name.is_empty() => User::Name(name),
            (None, _) => User::Number(0),
        })
    }
}

/// The user of the container.
enum User {
    Number(i64),
    Name(String),
}

fn inspect_failed(status: Status) -> Waiting {
    Waiting { reason: "ImageInspectError", message: status.message().to_owned() }
}

/// startContainer: only the message of the status is shown.
fn create_failed(status: Status) -> Waiting {
    Waiting { reason: "CreateContainerError", message: status.message().to_owned() }
}

/// pullImageV1 and evalCRIPullErr: only the code Unknown loses its gRPC prefix, and only a prefix is a reason.
fn pull_failed(image: &str, status: &Status) -> Waiting {
    let message = match status.code() {
        Code::Unknown => status.message().to_owned(),
        code => format!("rpc error: code = {code:?} desc = {}", status.message()),
    };
    for (reason, why) in [
        ("RegistryUnavailable", "the registry is unavailable"),
        ("SignatureValidationFailed", "the signature validation failed"),
    ] {
        if let Some(rest) = message.strip_prefix(reason) {
            let message = format!("image pull failed for {image} because {why}{rest}");
            return Waiting { reason, message };
        }
    }
    Waiting { reason: "ErrImagePull", message }
}
