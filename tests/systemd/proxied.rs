//! A registry with TLS and a password that the node reaches only through the proxy of containerd's environment.

use std::path::Path;
use std::sync::Arc;

use pullgate_test::authority::Authority;
use pullgate_test::node::debian::Debian;
use pullgate_test::node::directory;
use pullgate_test::node::registry::Registry;
use pullgate_test::secrets::MARK;
use pullgate_test::tunnel::Tunnel;

pub(crate) struct Proxied {
    /// The name of the registry, which DNS does not resolve.
    name: &'static str,
    pub(crate) authority: Arc<Authority>,
    tunnel: Tunnel,
}

impl Proxied {
    /// Restarts a registry as `name`. Its files are in `home`.
    pub(crate) fn hide(registry: &mut Registry, home: &Path, name: &'static str) -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.server(name);
        let file = |extension: &str, text: &str| {
            let path = home.join(format!("registry.{extension}"));
            directory::write(&path, text);
            path.display().to_string()
        };
        let (certificate, key) = (file("pem", &certificate), file("key", &key));
        let tls = format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        registry.restart_with(&format!("{tls}{}", registry.passwords()));
        let tunnel = Tunnel::start(registry.host(), Some(&format!("proxy:{MARK}-proxy")));
        Self { name, authority, tunnel }
    }

    /// Writes hosts.toml, and the proxy of containerd.
    pub(crate) fn lead(&self, node: &Debian) {
        let Self { name, authority, tunnel } = self;
        let hosts = node.path("/etc/containerd/certs.d").join(name);
        directory::make(&hosts);
        directory::write(&hosts.join("ca.pem"), authority.pem());
        let ca = format!("ca = \"/etc/containerd/certs.d/{name}/ca.pem\"");
        let text = format!("server = \"https://{name}\"\n{ca}\n[host.\"https://{name}\"]\n{ca}\n");
        directory::write(&hosts.join("hosts.toml"), text);
        set_proxy(node, "containerd", tunnel);
    }

    /// Asserts that the proxy was asked for the registry since the last call.
    pub(crate) fn assert_asked(&self) {
        let asked = self.tunnel.take_asked();
        let line = format!("CONNECT {}:443 ", self.name);
        assert!(asked.iter().any(|asked| asked.starts_with(&line)), "{asked:?}");
    }
}

/// Gives a service a proxy, and restarts it if it runs.
pub(crate) fn set_proxy(node: &Debian, service: &str, proxy: &Tunnel) {
    node.add_drop_in(service, "proxy", &format!("Environment=HTTPS_PROXY={}", proxy.url()));
}
