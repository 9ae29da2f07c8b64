//! The hosts of a registry, tried in order until one answers.

use http::{HeaderName, HeaderValue, Method};

use super::error::{Class, RegistryError};
use super::host_client::ApiResponse;
use super::host_request::HostRequest;
use super::hosts::{Capability, Host};
use super::request_context::RequestContext;
use super::state::RegistryState;
use pullgate_core::reference::Repository;

/// What containerd accepts for a manifest, in its order (`core/remotes/docker/resolver.go`).
pub(super) const ACCEPT_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, */*";

/// A request about a repository, before a host is chosen.
#[derive(Clone, Debug)]
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// The path after the repository's: `manifests/latest`.
    pub(super) object: String,
    pub(super) accept: Option<&'static str>,
    pub(super) what: String,
    pub(super) limit: u64,
    /// The condition of a request (RFC 9110, 13).
    pub(super) condition: Option<(HeaderName, HeaderValue)>,
}

impl ApiRequest {
    pub(super) fn get(object: String, accept: Option<&'static str>, what: String, limit: u64) -> Self {
        Self { method: Method::GET, object, accept, what, limit, condition: None }
    }

    /// The request to one host.
    pub(super) fn to(&self, host: &Host, repository: &Repository) -> HostRequest {
        let path = host.rewrites.apply(repository.path());
        let mut target = format!("{}/{path}/{}", host.path, self.object);
        if host.is_proxy_for(repository.domain()) {
            target.push_str("?ns=");
            target.push_str(&repository.domain().replace(':', "%3A").replace('[', "%5B").replace(']', "%5D"));
        }
        HostRequest {
            method: self.method.clone(),
            target,
            accept: self.accept,
            body: None,
            condition: self.condition.clone(),
            what: self.what.clone(),
            limit: self.limit,
            repository: path.into_owned(),
            push: false,
        }
    }
}

/// The hosts of a repository with a capability, in order; for writes only the first, as in containerd.
pub(super) fn hosts(
    state: &RegistryState,
    repository: &Repository,
    need: Capability,
) -> Result<Vec<Host>, RegistryError> {
    let list = state.hosts.of(repository.domain())?;
    let mut hosts: Vec<Host> =
        list.hosts.iter().filter(|host| need.is_met_by(host.capabilities)).cloned().collect();
    if hosts.is_empty() {
        let domain = repository.domain().to_owned();
        return Err(RegistryError::NoHost { domain, capability: need.name() });
    }
    if need == Capability::Push {
        hosts.truncate(1);
    }
    Ok(hosts)
}

/// Tries the hosts in order until one answers, and retries if the failure is transient.
///
/// # Errors
/// The most specific error of all hosts.
pub(super) async fn ask(
    state: &RegistryState,
    repository: &Repository,
    need: Capability,
    request: &ApiRequest,
    context: &RequestContext,
) -> Result<(ApiResponse, Host), Vec<RegistryError>> {
    let hosts = hosts(state, repository, context.need(need)).map_err(|error| vec![error])?;
    let mut tried = 0;
    loop {
        let mut errors = Vec::new();
        for host in &hosts {
            match state.host_client.send(host, &request.to(host, repository), context).await {
                Ok(answer) => return Ok((answer, host.clone())),
                Err(error) => errors.push(error),
            }
        }
        // Only when all hosts failed: trying another host is faster than waiting.
        let transient = most_specific_error(errors.clone()).is_transient();
        if !transient || !context.wait_for_retry(tried).await {
            return Err(errors);
        }
        tried += 1;
    }
}

/// The most specific of several hosts' errors, ranked as in containerd: no answer, not found, another refusal, too large;
/// the first of equal rank.
pub(super) fn most_specific_error(errors: Vec<RegistryError>) -> RegistryError {
    let rank = |error: &RegistryError| match error {
        RegistryError::TooLarge { .. } => 4,
        RegistryError::Status { .. } | RegistryError::Unauthorized { .. } => 3,
        RegistryError::NotFound { .. } => 2,
        _ => 1,
    };
    let mut errors = errors.into_iter();
    let nothing = RegistryError::NoHost { domain: "(none)".to_owned(), capability: "pull" };
    let first = errors.next().unwrap_or(nothing);
    errors.fold(first, |best, next| if rank(&next) > rank(&best) { next } else { best })
}

/// The least conclusive of several hosts' errors: "did not answer" before "not found".
pub(super) fn inconclusive_error(errors: Vec<RegistryError>) -> RegistryError {
    let open = |error: &&RegistryError| matches!(error.class(), Class::Unanswered | Class::Unauthorized);
    match errors.iter().find(open) {
        Some(error) => error.clone(),
        None => most_specific_error(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Bound;
    use super::*;

    #[test]
    fn errors_rank_as_in_containerd() {
        let host = || "h".to_owned();
        let gone = RegistryError::Unavailable { host: host(), reason: host() };
        let none = RegistryError::NotFound { host: host(), what: host() };
        let down = RegistryError::Status { host: host(), what: host(), status: 500, reason: host() };
        let large = RegistryError::TooLarge { bound: Bound::Manifest, what: host(), limit: 1 };
        for (errors, expected) in [
            (vec![&gone, &none], &none),
            (vec![&none, &gone], &none),
            (vec![&none, &down], &down),
            (vec![&large, &down, &none], &large),
            (vec![&gone], &gone),
        ] {
            assert_eq!(most_specific_error(errors.into_iter().cloned().collect()), *expected);
        }
        for (errors, expected) in
            [(vec![&none, &gone], &gone), (vec![&none, &large], &large), (vec![&none], &none)]
        {
            assert_eq!(inconclusive_error(errors.into_iter().cloned().collect()), *expected);
        }
    }
}
