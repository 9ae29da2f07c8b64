//! The canonical form of a registry's host: one registry has one, however a name spells it.
//!
//! containerd asks `registry.example.com` and `registry.example.com:443` at the same address, and does so for
//! `registry-1.docker.io` as for `docker.io` (`docker.ConfigureDefaultRegistries`, `config.ConfigureHosts`). Go's
//! dialer ignores zeros before a port, and reads every spelling of an IPv6 address. Nothing here changes the name that is
//! requested: only rules and signatures are compared in this form. A period at the end of a host is not in the grammar.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::{DEFAULT_DOMAIN, LEGACY_DEFAULT_DOMAIN};

/// Hosts that serve the repositories of [`DEFAULT_DOMAIN`] under the same paths.
pub const DOCKER_HUB_ALIASES: [&str; 3] =
    [LEGACY_DEFAULT_DOMAIN, "registry-1.docker.io", "registry.hub.docker.com"];

/// The port of a registry whose name has none.
pub const DEFAULT_PORT: &str = "443";

/// The host in lower case, without the default port, with one spelling of ports and IPv6 addresses, and `docker.io` for
/// each of [`DOCKER_HUB_ALIASES`]. A `*` in it, as in the host of a scope, is kept.
pub fn canonical_host(host: &str) -> Cow<'_, str> {
    let lower = lower_case(host);
    let (name, port) = split_port(&lower);
    let name = canonical_address(name);
    let canonical = match port.map(canonical_port).filter(|port| *port != DEFAULT_PORT) {
        Some(port) => Cow::Owned(format!("{name}:{port}")),
        None if DOCKER_HUB_ALIASES.contains(&&*name) => Cow::Borrowed(DEFAULT_DOMAIN),
        None => name,
    };
    if canonical == host { Cow::Borrowed(host) } else { Cow::Owned(canonical.into_owned()) }
}

/// The host without its port, and the port; the colons of an IPv6 address are within brackets.
pub fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn canonical_address(name: &str) -> Cow<'_, str> {
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        // The kernel connects a mapped address by IPv4.
        Some(address) => Cow::Owned(match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => format!("[{address}]"),
        }),
        None => Cow::Borrowed(name),
    }
}

fn canonical_port(port: &str) -> &str {
    match port.trim_start_matches('0') {
        "" => "0",
        port => port,
    }
}

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::canonical_host;

    #[test]
    fn b9_one_registry_has_one_canonical_host() {
        for (host, canonical) in [
            ("registry.example.com", "registry.example.com"),
            ("REGISTRY.Example.com", "registry.example.com"),
            ("registry.example.com:443", "registry.example.com"),
            ("Registry.example.com:0443", "registry.example.com"),
            ("registry.example.com:80", "registry.example.com:80"),
            ("registry.example.com:05000", "registry.example.com:5000"),
            ("registry.example.com:4430", "registry.example.com:4430"),
            ("registry.example.com:000", "registry.example.com:0"),
            ("docker.io", "docker.io"),
            ("docker.io:443", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("INDEX.docker.io:443", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
            ("registry.hub.docker.com", "docker.io"),
            ("registry.hub.docker.com:443", "docker.io"),
            ("registry-1.docker.io:5000", "registry-1.docker.io:5000"),
            ("registry-2.docker.io", "registry-2.docker.io"),
            ("localhost:443", "localhost"),
            ("[::1]", "[::1]"),
            ("[::1]:443", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:5000", "[::1]:5000"),
            ("[2001:DB8::0]:5000", "[2001:db8::]:5000"),
            ("[::ffff:a00:1]:5000", "10.0.0.1:5000"),
            ("[1:2]", "[1:2]"),
            ("my_host.example", "my_host.example"),
            ("*.example.com:443", "*.example.com"),
            ("*.example.com:*", "*.example.com:*"),
        ] {
            assert_eq!(canonical_host(host), canonical, "{host}");
            assert_eq!(canonical_host(canonical), canonical, "{canonical} is canonical");
        }
    }
}
