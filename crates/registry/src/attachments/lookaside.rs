//! GPG signatures beside a registry: files `signature-1`, `signature-2` … on a server or in a directory.
//!
//! Source: containers/image `docs/signature-protocols.md` and `docker/docker_image_src.go` (`getSignaturesFromLookaside`). The
//! files are read in order until one is missing. Nothing is sent but the request: a lookaside server is neither the
//! registry nor in its domain, so it gets no credentials, also none of the operator, and a challenge is an error.

use std::path::Path;

use super::super::error::{Bound, Class, RegistryError};
use super::super::host_client::ApiResponse;
use super::super::host_request::HostRequest;
use super::super::hosts::{Host, Scheme};
use super::super::limits::Limits;
use super::super::lookaside::Lookaside;
use super::super::request_context::RequestContext;
use super::super::state::RegistryState;
use super::budget::Budget;
use super::{Attachment, Collected, Digest, Search, directory};
use pullgate_core::reference::Repository;
use pullgate_core::trust::openpgp::MAX_MESSAGE_BYTES;

/// The signatures of the image of a search.
pub(super) async fn signatures(search: &Search<'_>, lookaside: &Lookaside) -> Collected {
    match lookaside {
        Lookaside::Server { secure, authority, path } => {
            let scheme = if *secure { Scheme::Https } else { Scheme::Http };
            let host = Host { scheme, ..Host::plain(authority) };
            served(search, &host, path).await
        }
        Lookaside::Directory(root) => {
            let directory = root.join(directory_of(search.image, search.digest));
            let limits = *search.state.limits();
            let read = move || local(&directory, &limits);
            tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| {
                let mut lost = Collected::default();
                lost.problem("lookaside", RegistryError::Lost);
                lost
            })
        }
    }
}

/// The directory of an image's signatures: its repository without the registry, and its digest.
fn directory_of(image: &Repository, digest: &Digest) -> String {
    format!("{}@{}={}", image.path(), digest.algorithm().name(), digest.hex())
}

async fn served(search: &Search<'_>, host: &Host, path: &str) -> Collected {
    let Search { state, image, digest, .. } = *search;
    let context = search.context.unauthenticated(state.limits());
    let mut found = Signatures::new(state.limits());
    for number in 1.. {
        let name = format!("signature-{number}");
        let request = HostRequest {
            method: http::Method::GET,
            target: format!("{path}/{}/{name}", directory_of(image, digest)),
            accept: None,
            body: None,
            condition: None,
            what: format!("GPG {name}"),
            limit: found.limit(),
            repository: image.path().to_owned(),
            push: false,
        };
        let read = ask(state, host, &request, &context).await.map(|answer| answer.body);
        if !found.add(number, read.map_err(of_signature)) {
            break;
        }
    }
    found.collected
}

/// Asks one host, again if the failure may be transient.
pub(super) async fn ask(
    state: &RegistryState,
    host: &Host,
    request: &HostRequest,
    context: &RequestContext,
) -> Result<ApiResponse, RegistryError> {
    let mut tried = 0;
    loop {
        match state.host_client.send(host, request, context).await {
            Err(error) if error.is_transient() && context.wait_for_retry(tried).await => tried += 1,
            answer => return answer,
        }
    }
}

/// The error of a request, whose body is a signature.
fn of_signature(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::TooLarge { bound: Bound::Manifest, what, limit } => {
            RegistryError::TooLarge { bound: Bound::Signature, what, limit }
        }
        error => error,
    }
}

/// Blocks: call it on a blocking thread.
fn local(directory: &Path, limits: &Limits) -> Collected {
    let mut found = Signatures::new(limits);
    for number in 1.. {
        let path = directory.join(format!("signature-{number}"));
        let read = match path.try_exists() {
            Ok(false) => {
                let host = "(this node)".to_owned();
                Err(RegistryError::NotFound { host, what: format!("GPG signature-{number}") })
            }
            _ => directory::read(&path, found.limit(), Bound::Signature),
        };
        if !found.add(number, read) {
            break;
        }
    }
    found.collected
}

/// The signatures that were read so far.
struct Signatures<'a> {
    limits: &'a Limits,
    budget: Budget,
    collected: Collected,
}

impl<'a> Signatures<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self { limits, budget: Budget::new(limits), collected: Collected::default() }
    }

    /// The most bytes of one.
    fn limit(&self) -> u64 {
        self.limits.signature_max_size.min(u64::try_from(MAX_MESSAGE_BYTES).unwrap_or(u64::MAX))
    }

    /// Adds what was read of a file; whether to read the next one.
    fn add(&mut self, number: usize, read: Result<bytes::Bytes, RegistryError>) -> bool {
        let place = format!("lookaside signature-{number}");
        let document = match read {
            Ok(document) => document,
            Err(error) if error.class() == Class::NotFound => return false,
            Err(error) => {
                self.collected.problem(place, error);
                return false;
            }
        };
        if number > self.limits.signatures {
            let limit = self.limits.signatures;
            let error = RegistryError::TooMany { bound: Bound::Signatures, what: "signatures", limit };
            self.collected.problem("lookaside", error);
            return false;
        }
        if let Err(error) = self.budget.take(u64::try_from(document.len()).unwrap_or(u64::MAX)) {
            self.collected.problem(place, error);
            return false;
        }
        // A server that answers with a page instead of "not found" does so for every number.
        let may_follow = document.first().is_some_and(|byte| byte & 0x80 != 0);
        self.collected.attachments.push(Attachment::Gpg { place, document });
        may_follow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_directory_below_the_path_of_its_repository() {
        let digest = Digest::of(b"image");
        for (repository, above) in
            [("registry.example:5000/team/app", "team/app"), ("nginx", "library/nginx")]
        {
            let directory = directory_of(&Repository::parse(repository).unwrap(), &digest);
            assert_eq!(directory, format!("{above}@sha256={}", digest.hex()), "{repository}");
        }
    }
}
