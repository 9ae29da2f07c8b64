//! `[limits]` of pullgate.toml: the bounds of the registry client, of calls, and of a pull.

use std::time::Duration;

use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::kind::time;
use pullgate_config::options::{Options, Pass};

use crate::cri::CriLimits;
use crate::registry;

pullgate_config::options! {
    /// `[limits]`
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Limits {
        /// Maximum time to verify one image, before the pull is forwarded to containerd.
        pull_timeout: Duration = "pull-timeout", time(2 * MINUTE, SECOND, 10 * MINUTE);
        /// Those of calls.
        cri: CriLimits { Options::pass };
        /// Those of the registry client.
        registry: registry::Limits { Options::pass };
    }
    check check_timeouts;
}

fn check_timeouts(limits: &Limits, pass: &mut Pass<'_, '_, '_>) {
    if limits.registry.request_timeout > limits.pull_timeout {
        let hint = "raise `pull-timeout` or lower `request-timeout`, because a pull needs several requests";
        pass.problem("", "`request-timeout` is longer than `pull-timeout`", hint);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_default_is_in_the_limits() {
        let limits = Limits::default();
        assert_eq!(limits.registry.manifest_bytes, 4 * 1024 * 1024);
        assert_eq!(limits.registry.signature_max_size, 1024 * 1024);
        assert_eq!((limits.registry.signatures, limits.registry.concurrent_pulls), (64, 64));
        assert_eq!(limits.pull_timeout, Duration::from_secs(120));
        assert_eq!(limits.registry.request_timeout, Duration::from_secs(15));
        assert_eq!(limits.cri.tag_record_timeout, Duration::from_secs(5));
        assert_eq!(limits.cri.connections, 256);
    }

    /// The node, the signing service and `pullgate-signer sign` read the same number of referrers.
    #[test]
    fn every_client_of_a_registry_has_the_same_defaults() {
        assert_eq!(Limits::default().registry, registry::Limits::default());
        assert_eq!(registry::RegistrySettings::default().limits, registry::Limits::default());
        assert_eq!(registry::Limits::default().referrers, 256);
    }
}
