//! Which token services may be used, and which may receive credentials.
//!
//! containerd contacts any realm that the challenge names and sends it the credentials. Here a realm must be HTTPS (or the
//! same loopback host as a plain-HTTP registry), and for credentials also related to the registry: the same host, one below
//! the domain of the registry, or one that the operator trusts.

use reqwest::Url;

use super::address_scope::{AddressScope, address_scope, may_redirect_to};
use super::error::RegistryError;
use super::hosts::is_local;
use super::redirect::authority;
use pullgate_core::untrusted::excerpt;

/// The registry that named a realm.
pub(super) struct Registry<'a> {
    /// Host and port.
    pub(super) authority: &'a str,
    /// Whether it was contacted over TLS.
    pub(super) secure: bool,
    /// Whether there are credentials for it.
    pub(super) credentials: bool,
}

/// The realm as a URL that may be used. `trusted` are the token services that get credentials from every registry.
///
/// # Errors
/// With the rule that forbids it.
pub(super) fn check(registry: &Registry<'_>, realm: &str, trusted: &[String]) -> Result<Url, RegistryError> {
    let refused = |shown: String, reason| RegistryError::RealmRefused {
        host: registry.authority.to_owned(),
        realm: shown,
        reason,
    };
    let base = registry_url(registry.authority, registry.secure);
    let (Ok(url), Some(base)) = (Url::parse(realm), base) else {
        return Err(refused(excerpt(realm.split('?').next().unwrap_or_default()), "it is not a URL"));
    };
    match rule(&base, &url, registry.credentials, trusted) {
        None => Ok(url),
        Some(reason) => {
            let shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
            Err(refused(excerpt(&shown), reason))
        }
    }
}

pub(super) fn registry_url(authority: &str, secure: bool) -> Option<Url> {
    Url::parse(&format!("{}://{authority}/", if secure { "https" } else { "http" })).ok()
}

fn rule(registry: &Url, realm: &Url, credentials: bool, trusted: &[String]) -> Option<&'static str> {
    let (Some(registry_host), Some(realm_host)) = (registry.host_str(), realm.host_str()) else {
        return Some("it names no host");
    };
    if !realm.username().is_empty() || realm.password().is_some() {
        return Some("its URL contains a user name or password");
    }
    let same_host = registry_host == realm_host;
    let loopback = is_local(registry_host) || address_scope(registry) == AddressScope::Loopback;
    match realm.scheme() {
        "https" => {}
        "http" if registry.scheme() == "http" && same_host && (loopback || !credentials) => {}
        "http" => return Some("it is not HTTPS"),
        _ => return Some("it is neither HTTP nor HTTPS"),
    }
    if !same_host && !may_redirect_to(registry, realm) {
        return Some("it is an address of this node or of a private network");
    }
    if !credentials {
        return None;
    }
    if trusted.iter().any(|name| name == realm_host || *name == authority(realm)) {
        return None;
    }
    if registry.scheme() == "http" && !loopback {
        return Some(
            "the registry uses plain HTTP, so anyone on the network could have named this token service",
        );
    }
    if same_host || related(registry_host, realm_host) {
        return None;
    }
    Some(
        "the token service is not in the domain of the registry, so pullgate sends it no credentials; if you trust it, add it to `token-services` in [registry]",
    )
}

/// Whether the realm is below the registry's own name or below the domain of the registry: `auth.docker.io` is related to
/// `registry-1.docker.io`, `gitlab.com` to `registry.gitlab.com`.
fn related(registry: &str, realm: &str) -> bool {
    let below = |parent: &str| {
        realm == parent || realm.strip_suffix(parent).is_some_and(|prefix| prefix.ends_with('.'))
    };
    if registry.parse::<std::net::IpAddr>().is_ok() || registry.starts_with('[') {
        return false;
    }
    below(registry)
        || registry.split_once('.').is_some_and(|(_, parent)| has_one_owner(parent) && below(parent))
}

/// Whether a domain probably has one owner: it has two labels and is not like `co.uk`.
fn has_one_owner(domain: &str) -> bool {
    match domain.split('.').collect::<Vec<_>>().as_slice() {
        [] | [_] => false,
        [second, top] => !(top.len() == 2 && second.len() <= 3),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_only_to_related_hosts() {
        let trusted = ["sso.corp.example".to_owned()];
        // Registry, realm, allowed without credentials, allowed with them.
        for (registry, realm, anonymous, credentials) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token", true, true),
            ("https://ghcr.io", "https://ghcr.io/token", true, true),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true, true),
            (
                "https://registry.cn-hangzhou.aliyuncs.com",
                "https://dockerauth.cn-hangzhou.aliyuncs.com/auth",
                true,
                true,
            ),
            ("https://quay.io", "https://auth.quay.io/token", true, true),
            ("https://r.example.net", "https://sso.corp.example/token", true, true),
            ("https://r.example.net", "https://evil.example/token", true, false),
            ("https://quay.io", "https://evil.io/token", true, false),
            ("https://shop.co.uk", "https://evil.co.uk/token", true, false),
            ("https://r.example.net", "https://r.example.net.evil.example/token", true, false),
            ("https://r.example.net", "https://evilexample.net/token", true, false),
            ("https://r.example.net", "http://r.example.net/token", false, false),
            ("https://r.example.net", "ftp://r.example.net/token", false, false),
            ("https://r.example.net", "https://user@r.example.net/token", false, false),
            ("https://r.example.net", "https://169.254.169.254/token", false, false),
            ("https://r.example.net", "https://127.0.0.1/token", false, false),
            ("https://r.example.net", "https://10.0.0.1/token", false, false),
            ("https://10.0.0.1:5000", "https://10.0.0.1/token", true, true),
            ("https://10.0.0.1:5000", "https://10.0.0.2/token", true, false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true, true),
            ("http://127.0.0.1:5000", "http://127.0.0.2:5001/token", false, false),
            ("http://localhost:5000", "http://evil.example/token", false, false),
            ("http://r.example.net:5000", "http://r.example.net/token", true, false),
            ("http://r.example.net:5000", "https://auth.example.net/token", true, false),
            ("http://r.example.net:5000", "https://sso.corp.example/token", true, true),
            ("http://r.example.net:5000", "http://sso.corp.example/token", false, false),
        ] {
            let [registry, realm] = [registry, realm].map(|text| Url::parse(text).unwrap());
            assert_eq!(rule(&registry, &realm, false, &trusted).is_none(), anonymous, "{registry} {realm}");
            assert_eq!(
                rule(&registry, &realm, true, &trusted).is_none(),
                credentials,
                "{registry} {realm} with"
            );
        }
    }
}
