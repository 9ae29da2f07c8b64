//! Targets of redirects, and the client that requests them.

use std::net::Ipv6Addr;

use http::Method;
use http::header::LOCATION;
use reqwest::{Response, Url};

use super::address_scope::may_redirect_to;
use super::client_pool::Audience;
use super::error::RegistryError;
use super::host_request::HostRequest;
use super::hosts::{Host, is_local};
use pullgate_core::untrusted::excerpt;

/// The target of a redirect, if it may be followed: only for reads, never from HTTPS to HTTP, and not to an address that is
/// out of scope for the registry.
pub(super) fn redirect(
    host: &Host,
    ask: &HostRequest,
    first: &Url,
    from: &Url,
    response: &Response,
) -> Result<Url, RegistryError> {
    let refused = |reason: String| RegistryError::RedirectRefused { host: host.authority.clone(), reason };
    if !matches!(ask.method, Method::GET | Method::HEAD) {
        return Err(refused("only GET and HEAD requests may be redirected".to_owned()));
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| refused("its header Location is missing or not a URL".to_owned()))?;
    let shown = excerpt(&format!("{}://{}", next.scheme(), next.host_str().unwrap_or_default()));
    if !matches!(next.scheme(), "http" | "https") {
        return Err(refused(format!("{shown} is neither HTTP nor HTTPS")));
    }
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(refused(format!("{shown} uses plain HTTP, but the registry uses HTTPS")));
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(refused(format!("the URL at {shown} contains a user name or password")));
    }
    if !same_origin(first, &next) && !may_redirect_to(first, &next) {
        return Err(refused(format!("{shown} is an address of this node or of a private network")));
    }
    Ok(next)
}

/// The audience of a request to `url`; `own` when it is the host of the original request.
pub(super) fn audience(url: &Url, own: bool) -> Audience {
    if url.host_str().is_some_and(|host| is_local(host) || is_local_ipv6(host)) {
        Audience::Local
    } else if own {
        Audience::Configured
    } else {
        Audience::Named
    }
}

/// Whether the host of a URL is an IPv6 address of this machine, also of IPv4 in IPv6.
fn is_local_ipv6(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = address.and_then(|address| address.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| address.to_canonical().is_loopback())
}

/// Whether two URLs have the same scheme, host and port.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Host and port of a URL, for messages.
pub(super) fn authority(url: &Url) -> String {
    match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No proxy gets what is for this machine, a token for example.
    #[test]
    fn this_machine_is_local_in_every_spelling() {
        for (url, expected) in [
            ("http://localhost:8080/", Audience::Local),
            ("http://127.0.0.1/", Audience::Local),
            ("http://[::1]:8080/", Audience::Local),
            ("http://[::ffff:127.0.0.1]:8080/", Audience::Local),
            ("http://[2001:db8::1]/", Audience::Configured),
            ("http://registry.example/", Audience::Configured),
        ] {
            assert_eq!(audience(&Url::parse(url).unwrap(), true), expected, "{url}");
        }
    }
}
