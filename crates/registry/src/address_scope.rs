//! Which addresses a registry may send us to.
//!
//! A redirect or a token service that a registry names must not give access to the node's own services: loopback,
//! link-local (cloud metadata) and, by address, private networks are refused, unless the registry itself is there.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How close to this node an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AddressScope {
    /// A name, or an address of the internet.
    Public,
    /// An address of a private network.
    Private,
    /// This machine.
    Loopback,
    /// Link-local (where clouds have their metadata), multicast, unspecified, broadcast: never a valid target.
    Never,
}

/// The scope of a URL's host as it is written. A name counts as public: [`Guarded`] checks it again when it is resolved.
pub(super) fn address_scope(url: &Url) -> AddressScope {
    let Some(host) = url.host_str() else { return AddressScope::Never };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return of_address(address);
    }
    let name = host.trim_end_matches('.');
    if name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost") {
        AddressScope::Loopback
    } else {
        AddressScope::Public
    }
}

/// Whether a registry at `from` may redirect to `to`.
pub(super) fn may_redirect_to(from: &Url, to: &Url) -> bool {
    match (address_scope(from), address_scope(to)) {
        (_, AddressScope::Never) => false,
        (_, AddressScope::Public) => true,
        (from, to) => from >= to,
    }
}

fn of_address(address: IpAddr) -> AddressScope {
    match address.to_canonical() {
        address if address.is_loopback() => AddressScope::Loopback,
        address if address.is_unspecified() || address.is_multicast() => AddressScope::Never,
        IpAddr::V4(v4) => {
            if v4.is_link_local() || v4.is_broadcast() || v4.octets().first() == Some(&0) {
                AddressScope::Never
            } else if v4.is_private() || is_shared(v4) {
                AddressScope::Private
            } else {
                AddressScope::Public
            }
        }
        IpAddr::V6(v6) => {
            if v6.is_unicast_link_local() {
                AddressScope::Never
            } else if v6.is_unique_local() {
                AddressScope::Private
            } else {
                AddressScope::Public
            }
        }
    }
}

/// 100.64.0.0/10 (carrier-grade NAT); some clouds have metadata there.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

/// A DNS resolver that drops addresses that no name may resolve to. Private networks stay: an operator's own storage is
/// found by name there.
#[derive(Debug)]
pub(super) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found
                .filter(|address| {
                    !matches!(of_address(address.ip()), AddressScope::Loopback | AddressScope::Never)
                })
                .collect();
            if kept.is_empty() {
                return Err(Box::<dyn Error + Send + Sync>::from(
                    "the host name has no address that pullgate may use",
                ));
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_targets_stay_in_scope() {
        let names = [
            ("https://registry.example", 0),
            ("https://8.8.8.8", 0),
            ("https://10.1.2.3", 1),
            ("https://[fd00::1]", 1),
            ("https://100.100.100.200", 1),
            ("https://127.0.0.1:5000", 2),
            ("https://2130706433", 2),
            ("https://localhost", 2),
            ("https://a.localhost.", 2),
            ("https://[::1]", 2),
            ("https://[::ffff:127.0.0.1]", 2),
            ("https://169.254.169.254", 3),
            ("https://[fe80::1]", 3),
            ("https://0.0.0.0", 3),
            ("https://224.0.0.1", 3),
        ];
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, from_level) in names {
            for (to, to_level) in names {
                let allowed = to_level != 3 && (to_level == 0 || from_level >= to_level);
                assert_eq!(may_redirect_to(&url(from), &url(to)), allowed, "{from} to {to}");
            }
        }
    }
}
