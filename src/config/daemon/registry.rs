//! `[registry]`: the hosts of registries, and where credentials and signatures come from.

use std::path::PathBuf;
use std::time::Duration;

use super::credentials::keyring;
use super::host::HOST;
use super::sources::source;
use crate::registry::{Keyring, SignatureSource};
use pullgate_config::bound::MINUTE;
use pullgate_config::kind::{PATH, PATHS, Tables, time};

pullgate_config::options! {
    /// `[registry]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Registry {
        /// containerd's configuration file. The daemon reads `config_path` from it, so that pullgate and containerd use the
        /// same registry hosts. If it sets no `config_path`, containerd's default applies: /etc/containerd/certs.d and
        /// /etc/docker/certs.d.
        containerd_config: PathBuf = "containerd-config", PATH.or("/etc/containerd/config.toml");
        /// The directories of the hosts.toml files, separated by `:` as in "/a:/b". Set it if containerd's configuration
        /// does not name these directories.
        hosts: Option<Vec<PathBuf>> = "hosts", PATHS.optional("containerd's", "\"/etc/containerd/certs.d\"");
        /// Token services outside the registry's own host and domain that may receive the credentials of a pull.
        token_services: Vec<String> = "token-services", HOST.list(64, &[]);
        /// How long to wait for the first signature of an image that has no signature yet. Set it if images are signed
        /// shortly after they are pushed. The wait delays the refusal of every unsigned image, and kubelet gives up a pull
        /// that makes no progress for a minute.
        wait_for_signature: Duration = "wait-for-signature", time(0, 0, MINUTE);
        /// The operator's credentials, for pulls without credentials.
        keyring: Keyring { keyring };
        /// Where to look for signatures. The default is the image's own repository; the longest matching scope applies, and
        /// all places that it names are searched.
        sources: Vec<SignatureSource> = "signatures", Tables("[[registry.signatures]]", 256, source);
    }
}
