//! Host names, ports and paths, as Go's `net` and `path` packages read them.

use std::net::IpAddr;

use pullgate_core::untrusted::excerpt;

/// Host and port; an empty port where Go's `net.SplitHostPort` fails (and then the whole text is the host).
pub(in super::super) fn split_host_port(authority: &str) -> (&str, &str) {
    if let Some(rest) = authority.strip_prefix('[') {
        return match rest.split_once("]:") {
            Some((host, port)) => (host, port),
            None => (authority, ""),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port),
        _ => (authority, ""),
    }
}

/// Whether the host is this machine by its name (`docker.IsLocalhost`): `localhost` or a loopback address.
pub(in super::super) fn is_local(authority: &str) -> bool {
    let (host, _) = split_host_port(authority);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The authority of a URL without its user, as Go's `url.Parse` splits it (`parseAuthority`, `validUserinfo`); `None` where
/// Go rejects the URL. containerd sends such a user to no host.
pub(super) fn without_user(authority: &str) -> Option<&str> {
    let Some((user, host)) = authority.rsplit_once('@') else { return Some(authority) };
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    user.bytes().all(is_valid).then_some(host)
}

/// Go's `path.Clean` of an absolute path; the root is an empty string.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().flat_map(|part| ["/", part]).collect()
}

/// A URL for a message: without the query and everything before the last `@`, which may contain a password.
pub(super) fn shown(url: &str) -> String {
    let rest = url.rsplit('@').next().unwrap_or_default();
    excerpt(rest.split(['?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_is_what_go_calls_local() {
        for (authority, local) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.8.9.1:5000", true),
            ("[::1]:5000", true),
            ("::1", true),
            ("[::1]", false),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("0x7f.1", false),
            ("registry.example.com:5000", false),
        ] {
            assert_eq!(is_local(authority), local, "{authority}");
        }
    }
}
