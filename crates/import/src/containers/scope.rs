//! Scopes of the `docker` transport.
//!
//! containers/image compares a scope as text (`docker/policyconfiguration/naming.go`, `signature/policy_eval.go`): first with
//! the whole name of an image, `host/path:tag` or `host/path@digest`; then with the repository and each of its parents up to
//! the host with its port; then, without the port, with `*.` and each parent domain of the host. Names are in their long form,
//! `docker.io/library/nginx`. Nothing else is a wildcard, so a scope that is spelled otherwise covers nothing.

use pullgate_core::digest::Digest;
use pullgate_core::policy::{Scope, ScopeError};
use pullgate_core::reference::{DEFAULT_DOMAIN, Reference, Repository};

/// What a scope covers, in pullgate's form. `folded`: its host has upper-case letters, which the original compares and pullgate
/// does not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Covered {
    /// A host or a repository, and everything below it.
    Below { scope: String, folded: bool },
    /// The hosts below a domain, with any port.
    Hosts { domain: String, folded: bool },
    /// One tag or one digest of a repository.
    Image { scope: String, folded: bool, digest: Option<Digest> },
    /// No name that an image can have.
    Nothing,
}

/// Reads a scope.
///
/// # Errors
/// When it covers names, but is not a scope of pullgate.
pub(crate) fn read(text: &str) -> Result<Covered, ScopeError> {
    if let Some(domain) = text.strip_prefix("*.") {
        if domain.contains([':', '/']) || !is_canonical(&format!("a.{domain}/a")) {
            return Ok(Covered::Nothing);
        }
        return Ok(Covered::Hosts { domain: domain.to_ascii_lowercase(), folded: is_folded(domain) });
    }
    if is_canonical(text) || is_canonical(&format!("{text}/a")) || text == DEFAULT_DOMAIN {
        return Ok(Covered::Below { scope: canonical(text)?, folded: is_folded(text) });
    }
    match image(text) {
        Some((repository, digest)) => {
            Ok(Covered::Image { scope: canonical(repository)?, folded: is_folded(repository), digest })
        }
        None => Ok(Covered::Nothing),
    }
}

/// Whether this is a repository in the form in which names are compared.
fn is_canonical(text: &str) -> bool {
    Repository::parse(text).is_ok_and(|repository| repository.as_str() == text)
}

fn is_folded(text: &str) -> bool {
    text.split('/').next().is_some_and(|host| host.bytes().any(|byte| byte.is_ascii_uppercase()))
}

fn canonical(text: &str) -> Result<String, ScopeError> {
    // `docker.io/team` covers the repositories of a user and is no repository itself. pullgate refuses this spelling, because
    // it could also mean `docker.io/library/team`.
    let user = match text.split_once('/') {
        Some((DEFAULT_DOMAIN, path)) => !path.contains('/') && path != "library",
        _ => false,
    };
    let scope = if user { Scope::parse(&format!("{text}/*"))? } else { Scope::parse(text)? };
    Ok(scope.to_string())
}

/// The repository of a name with a tag or a digest. A name with both has no scope in the original.
fn image(text: &str) -> Option<(&str, Option<Digest>)> {
    if let Some((repository, digest)) = text.split_once('@') {
        return is_canonical(repository).then(|| (repository, Digest::parse(digest).ok()));
    }
    let (repository, tag) = text.rsplit_once(':')?;
    let known = Repository::parse(repository).ok().filter(|known| known.as_str() == repository)?;
    Reference::tagged(&known, tag).ok().map(|_| (repository, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_names_as_in_containers_image() {
        let below = |scope: &str, folded| Covered::Below { scope: scope.to_owned(), folded };
        let hosts = |domain: &str, folded| Covered::Hosts { domain: domain.to_owned(), folded };
        let image = |scope: &str, digest| Covered::Image { scope: scope.to_owned(), folded: false, digest };
        let hex = format!("sha256:{}", "a".repeat(64));
        let digest = Digest::parse(&hex).unwrap();
        for (text, expected) in [
            ("docker.io", below("docker.io", false)),
            ("docker.io/library", below("docker.io/library", false)),
            ("docker.io/library/nginx", below("docker.io/library/nginx", false)),
            ("docker.io/team", below("docker.io/team/*", false)),
            ("localhost", below("localhost", false)),
            ("localhost:5000", below("localhost:5000", false)),
            ("nginx:1", below("nginx:1", false)),
            ("[::1]:5000/app", below("[::1]:5000/app", false)),
            ("Reg.example.com/app", below("reg.example.com/app", true)),
            ("*.example.com", hosts("example.com", false)),
            ("*.com", hosts("com", false)),
            ("*.Example.com", hosts("example.com", true)),
            ("*.example.com:5000", Covered::Nothing),
            ("*.example.com/app", Covered::Nothing),
            ("*.*.example.com", Covered::Nothing),
            ("*.", Covered::Nothing),
            ("reg.example.com/app:1", image("reg.example.com/app", None)),
            ("reg.example.com:5000/app:1", image("reg.example.com:5000/app", None)),
            (&format!("docker.io/library/nginx@{hex}"), image("docker.io/library/nginx", Some(digest))),
            (&format!("reg.example.com/app:1@{hex}"), Covered::Nothing),
            ("docker.io/nginx:1", Covered::Nothing),
            ("reg.example.com/app:", Covered::Nothing),
            ("nginx", Covered::Nothing),
            ("library/nginx", Covered::Nothing),
            ("index.docker.io/library/nginx", Covered::Nothing),
            ("reg.example.com/", Covered::Nothing),
            ("reg.example.com/App", Covered::Nothing),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }
}
