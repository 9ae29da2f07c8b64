//! Tools that are configured to go round pullgate.

use super::{Diagnosis, Finding};
use crate::node_install::{Tree, values_in};

/// The file that crictl reads (cri-tools docs/crictl.md).
const CRICTL: &str = "/etc/crictl.yaml";

/// The endpoints in crictl's configuration, with their lines.
#[must_use]
pub(crate) fn crictl(tree: &Tree) -> Vec<(String, String)> {
    let text = tree.text(CRICTL.as_ref()).ok().flatten().unwrap_or_default();
    let found = values_in(&text, &["image-endpoint", "runtime-endpoint"]).into_iter();
    found
        .filter(|(_, value)| !value.is_empty())
        .map(|(line, value)| (value, format!("{CRICTL}:{line}")))
        .collect()
}

/// The finding, if crictl pulls at none of `ours`: by `image-endpoint`, or by `runtime-endpoint` without one.
#[must_use]
pub fn evaluate(endpoints: &[(String, String)], ours: &[&str]) -> Vec<Finding> {
    let others = endpoints.iter().filter(|(value, _)| !ours.contains(&value.as_str()));
    let others: Vec<_> = others.map(|(value, place)| format!("{value} by {place}")).collect();
    if endpoints.is_empty() || others.len() < endpoints.len() {
        return Vec::new();
    }
    vec![Finding::new(Diagnosis::CrictlAround, &others.join(", "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crictl_at_containerd_is_found() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        let tree = Tree::new(directory.path());
        assert!(crictl(&tree).is_empty());
        for (text, expected) in [
            ("runtime-endpoint: unix:///run/containerd/containerd.sock\n", 1),
            ("runtime-endpoint: unix:///run/c.sock\nimage-endpoint: unix:///run/pullgate/pullgate.sock\n", 0),
            ("# image-endpoint: unix:///run/c.sock\ntimeout: 2\n", 0),
            ("image-endpoint: \"\"\n", 0),
        ] {
            std::fs::write(directory.path().join("etc/crictl.yaml"), text).unwrap();
            let found = evaluate(&crictl(&tree), &["/run/pullgate/pullgate.sock"]);
            assert_eq!(found.len(), expected, "{text}: {found:?}");
        }
    }
}
