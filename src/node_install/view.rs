//! What the node's kubelet is configured to use, for `pullgate doctor`.

use std::path::Path;

use super::host::Host;
use super::kubelet::{self, Kubelet};
use super::tree::Tree;
use super::{NodeError, kubelet::Endpoint};

/// The kubelet of a node, by its unit and its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfiguredKubelet {
    pub(crate) unit: &'static str,
    pub(crate) running: bool,
    pub(crate) version: (u32, u32),
    /// The path of the image endpoint, and where it is set.
    pub(crate) image_endpoint: Option<(String, String)>,
}

/// Finds the kubelet of the node whose root is `root`.
///
/// # Errors
/// When there is none, or it cannot use pullgate.
pub(crate) fn configured_kubelet(host: &impl Host, root: &Path) -> Result<ConfiguredKubelet, NodeError> {
    let tree = Tree::new(root);
    let kubelet = Kubelet::find(host, &tree)?;
    let (file, _) = kubelet.endpoint_file("");
    // Of all files in the directory, with the one that `install` writes.
    let last = file.with_file_name("~").with_extension(file.extension().unwrap_or_default());
    let endpoint = kubelet.endpoint(&tree, &last).map_err(|error| NodeError::file("read", &file, error))?;
    Ok(ConfiguredKubelet {
        unit: kubelet.unit,
        running: kubelet.state.running,
        version: kubelet.version,
        image_endpoint: endpoint.map(|Endpoint { value, place, .. }| (value, place)),
    })
}

/// The version of the kubelet that was started with these arguments.
///
/// # Errors
/// When the program does not say.
pub(crate) fn kubelet_version(host: &impl Host, arguments: &[String]) -> Result<(u32, u32), NodeError> {
    kubelet::version(host, arguments)
}
