//! `[limits]` of pullgate.toml: the bounds of the registry client, and those of the node.

use pullgate_config::bound::{Bound, SECOND};
use pullgate_config::bounded_options;
use pullgate_config::document::{Document, Value};

use crate::registry;

bounded_options! {
    /// The bounds of the node itself.
    pub struct NodeLimits {
        pull_timeout: time = "pull-timeout", default 120 * SECOND, from SECOND, to 600 * SECOND,
            "how long verifying one image may take, before it is handed to containerd";
        tag_record_timeout: time = "tag-record-timeout", default 5 * SECOND, from 100, to 60 * SECOND,
            "how long to wait until the runtime knows the image by its tag";
        connections: count = "connections", default 256, from 16, to 4096,
            "how many connections of callers are open; unused ones make room for others";
    }
}

/// `[limits]`: each within its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub node: NodeLimits,
    pub registry: registry::Limits,
}

impl Limits {
    /// Every bound of the section.
    pub fn bounds() -> impl Iterator<Item = &'static Bound> {
        registry::Limits::BOUNDS.iter().chain(NodeLimits::BOUNDS)
    }

    /// Reads `[limits]`; what is missing has its default.
    pub(super) fn read(document: &mut Document<'_>, value: Value<'_>) -> Self {
        let keys: Vec<&str> = Self::bounds().map(|bound| bound.key).collect();
        let Some(mut table) = document.table(value, "[limits]", &keys) else { return Self::default() };
        let span = table.span.clone();
        let node = NodeLimits::read(document, &mut table);
        let registry = registry::Limits::read(document, &mut table);
        if registry.request_timeout > node.pull_timeout {
            let hint = "a pull is several requests; raise `pull-timeout` or lower `request-timeout`";
            document.problem(span, "`request-timeout` is longer than `pull-timeout`", hint);
        }
        Self { node, registry }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_default_is_within_its_bounds_and_is_in_the_limits() {
        for bound in Limits::bounds() {
            assert!(bound.minimum <= bound.default && bound.default <= bound.maximum, "{}", bound.key);
        }
        let limits = Limits::default();
        assert_eq!(limits.registry.manifest_bytes, 4 * 1024 * 1024);
        assert_eq!(limits.registry.signature_max_size, 1024 * 1024);
        assert_eq!((limits.registry.signatures, limits.registry.concurrent_pulls), (64, 64));
        assert_eq!(limits.node.pull_timeout, Duration::from_secs(120));
        assert_eq!(limits.registry.request_timeout, Duration::from_secs(15));
        assert_eq!(limits.node.tag_record_timeout, Duration::from_secs(5));
        assert_eq!(limits.node.connections, crate::cri::CriSettings::default().connections);
    }

    /// The node, the signing service and `pullgate-signer sign` read the same number of referrers.
    #[test]
    fn every_client_of_a_registry_has_the_same_defaults() {
        assert_eq!(Limits::default().registry, registry::Limits::default());
        assert_eq!(registry::RegistrySettings::default().limits, registry::Limits::default());
        assert_eq!(registry::Limits::default().referrers, 256);
    }
}
