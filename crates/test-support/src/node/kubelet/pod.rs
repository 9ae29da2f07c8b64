//! A pod with one container, and kubelet's messages for it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use pullgate::api::{
    AuthConfig, ContainerConfig, ContainerMetadata, ImageSpec, Int64Value, LinuxContainerConfig,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, Mount, NamespaceMode,
    NamespaceOption, PodSandboxConfig, PodSandboxMetadata, PullImageRequest,
};

use super::User;
use crate::secrets::Secret;

/// The container's log, below the pod's log directory.
pub(super) const CONTAINER_LOG: &str = "app.log";

/// A pod on the host's network.
#[derive(Clone, Debug)]
pub struct Pod {
    image: String,
    namespace: String,
    number: u64,
    secret: Option<(String, String)>,
    policy: PullPolicy,
    volumes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl Pod {
    /// A pod of this image in the namespace `default`, with `imagePullPolicy: Always`.
    pub fn of(image: impl Into<String>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            image: image.into(),
            namespace: "default".to_owned(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            secret: None,
            policy: PullPolicy::Always,
            volumes: Vec::new(),
        }
    }

    pub fn in_namespace(self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self }
    }

    pub fn with_pull_secret(self, user: &str, password: impl Into<Secret>) -> Self {
        Self { secret: Some((user.to_owned(), password.into().as_str().to_owned())), ..self }
    }

    /// With `imagePullPolicy: IfNotPresent`.
    pub fn if_not_present(self) -> Self {
        Self { policy: PullPolicy::IfNotPresent, ..self }
    }

    /// With `imagePullPolicy: Never`.
    pub fn never(self) -> Self {
        Self { policy: PullPolicy::Never, ..self }
    }

    /// With another image as a volume.
    pub fn mounting(mut self, image: impl Into<String>) -> Self {
        self.volumes.push(image.into());
        self
    }

    pub fn image(&self) -> &str {
        &self.image
    }

    pub fn name(&self) -> String {
        format!("pod-{}", self.number)
    }

    pub(super) fn uid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.number)
    }

    pub(super) fn pulls_always(&self) -> bool {
        self.policy == PullPolicy::Always
    }

    pub(super) fn pulls_never(&self) -> bool {
        self.policy == PullPolicy::Never
    }

    pub(super) fn volumes(&self) -> &[String] {
        &self.volumes
    }

    pub(super) fn pull_request(&self, logs: &Path) -> PullImageRequest {
        self.pull_request_in(&self.image, &self.sandbox_config(logs))
    }

    pub(super) fn pull_request_in(&self, name: &str, sandbox: &PodSandboxConfig) -> PullImageRequest {
        // As kubelet's keyring does: the server's address stays empty.
        let auth = self.secret.as_ref().map(|(user, password)| AuthConfig {
            username: user.clone(),
            password: password.clone(),
            ..Default::default()
        });
        PullImageRequest { image: Some(annotated(name)), auth, sandbox_config: Some(sandbox.clone()) }
    }

    fn labels(&self) -> HashMap<String, String> {
        let labels = [
            ("io.kubernetes.pod.name", self.name()),
            ("io.kubernetes.pod.namespace", self.namespace.clone()),
            ("io.kubernetes.pod.uid", self.uid()),
        ];
        labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(super) fn sandbox_config(&self, logs: &Path) -> PodSandboxConfig {
        let security =
            LinuxSandboxSecurityContext { namespace_options: Some(namespaces()), ..Default::default() };
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: self.name(),
                uid: self.uid(),
                namespace: self.namespace.clone(),
                attempt: 0,
            }),
            log_directory: logs.display().to_string(),
            labels: self.labels(),
            annotations: annotations(),
            linux: Some(LinuxPodSandboxConfig { security_context: Some(security), ..Default::default() }),
            ..Default::default()
        }
    }

    pub(super) fn container_config(
        &self,
        image_id: &str,
        user: User,
        volumes: &[(String, String)],
    ) -> ContainerConfig {
        let mounts = volumes.iter().enumerate().map(|(number, (name, id))| Mount {
            container_path: format!("/volume-{number}"),
            readonly: true,
            image: Some(ImageSpec { image: id.clone(), user_specified_image: name.clone(), ..annotated(id) }),
            ..Default::default()
        });
        let (number, name) = match user {
            User::Number(number) => (Some(Int64Value { value: number }), String::new()),
            User::Name(name) => (None, name),
        };
        let security = LinuxContainerSecurityContext {
            namespace_options: Some(namespaces()),
            run_as_user: number,
            run_as_username: name,
            ..Default::default()
        };
        ContainerConfig {
            metadata: Some(ContainerMetadata { name: "app".to_owned(), attempt: 0 }),
            image: Some(ImageSpec {
                image: image_id.to_owned(),
                user_specified_image: self.image.clone(),
                ..Default::default()
            }),
            mounts: mounts.collect(),
            labels: self.labels(),
            log_path: CONTAINER_LOG.to_owned(),
            linux: Some(LinuxContainerConfig { security_context: Some(security), ..Default::default() }),
            ..Default::default()
        }
    }
}

/// kubelet's ImageSpec for a pod (`ToRuntimeAPIImageSpec`).
pub(super) fn annotated(name: &str) -> ImageSpec {
    ImageSpec { image: name.to_owned(), annotations: annotations(), ..Default::default() }
}

fn annotations() -> HashMap<String, String> {
    HashMap::from([("kubernetes.io/config.source".to_owned(), "api".to_owned())])
}

fn namespaces() -> NamespaceOption {
    NamespaceOption {
        network: NamespaceMode::Node.into(),
        pid: NamespaceMode::Container.into(),
        ..Default::default()
    }
}
