//! `[registry]`: the hosts of registries, and where credentials and signatures come from.

use std::path::PathBuf;
use std::time::Duration;

use super::credentials::{HOST, keyring};
use super::sources::source;
use crate::registry::{Keyring, SignatureSource};
use pullgate_config::bound::MINUTE;
use pullgate_config::kind::{PATH, PATHS, Tables, time};

pullgate_config::options! {
    /// `[registry]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Registry {
        /// containerd's own configuration. It is read for its `config_path`, so that both use the same hosts; if it sets none,
        /// containerd's default applies: /etc/containerd/certs.d and /etc/docker/certs.d.
        containerd_config: PathBuf = "containerd-config", PATH.or("/etc/containerd/config.toml");
        /// The directories of hosts.toml files, instead of those in `containerd-config`.
        hosts: Option<Vec<PathBuf>> = "hosts", PATHS.optional("as containerd's configuration says", "\"/etc/containerd/certs.d\"");
        /// Token services that receive the credentials of a pull although they are neither the registry itself nor in its
        /// domain.
        token_services: Vec<String> = "token-services", HOST.list(64, &[]);
        /// How long to wait for the first signature of an image that has none, for registries that sign just after the push.
        /// A kubelet gives up on a pull that makes no progress after a minute.
        wait_for_signature: Duration = "wait-for-signature", time(0, 0, MINUTE);
        /// The operator's credentials, for pulls without credentials.
        keyring: Keyring { keyring };
        /// Where signatures are looked for: beside the image, unless the most specific scope here names other places. All
        /// places that it names are used.
        sources: Vec<SignatureSource> = "signatures", Tables("[[registry.signatures]]", 256, source);
    }
}
