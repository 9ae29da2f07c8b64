//! The image of pod sandboxes, which the runtime pulls itself, without a call to an image endpoint.

use super::Upstream;
use crate::api::StatusRequest;
use crate::api::runtime_service_client::RuntimeServiceClient;

/// Maximum size of the runtime's configuration, in bytes.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// The name of the sandbox image in the runtime's verbose status (kubeadm reads it in the same way: `SandboxImage` in
/// `cmd/kubeadm/app/util/runtime`). `None` if the runtime does not report it.
///
/// # Errors
/// When the request fails.
pub async fn image_name(upstream: &Upstream) -> Result<Option<String>, Box<tonic::Status>> {
    let mut client = RuntimeServiceClient::new(upstream.clone()).max_decoding_message_size(MAX_CONFIG_BYTES);
    let status = client.status(StatusRequest { verbose: true }).await.map_err(Box::new)?.into_inner();
    Ok(status.info.get("config").and_then(|config| name_in(config)))
}

/// containerd 1.6 and 1.7 report it as `sandboxImage`, 2.1 does not; other runtimes may report the pinned images.
fn name_in(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    let candidates = ["/sandboxImage", "/pinnedImages/sandbox", "/images/pinnedImages/sandbox"];
    let mut found = candidates.iter().filter_map(|path| config.pointer(path)?.as_str());
    found.find(|name| !name.is_empty()).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_name_if_it_is_reported() {
        for (config, expected) in [
            (
                r#"{"sandboxImage":"registry.k8s.io/pause:3.10","other":1}"#,
                Some("registry.k8s.io/pause:3.10"),
            ),
            (
                r#"{"pinnedImages":{"sandbox":"registry.k8s.io/pause:3.10"}}"#,
                Some("registry.k8s.io/pause:3.10"),
            ),
            (r#"{"sandboxImage":""}"#, None),
            (r#"{"sandboxImage":1}"#, None),
            ("{}", None),
            ("no JSON", None),
        ] {
            assert_eq!(name_in(config).as_deref(), expected, "{config}");
        }
    }
}
