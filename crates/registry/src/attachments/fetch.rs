//! Fetches content by digest, within its declared size, and hashes it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::super::error::{Bound, RegistryError};
use super::super::hosts::Capability;
use super::super::limits::CONCURRENCY;
use super::super::manifest::{Descriptor, ParsedManifest, parsed};
use super::super::mirrors::{ApiRequest, ask, inconclusive_error};
use super::super::request_context::RequestContext;
use super::super::resolve::hashed;
use super::super::state::RegistryState;
use pullgate_core::reference::Repository;

/// Fetches by digest in one repository; cheap to clone, for concurrent fetches.
#[derive(Clone)]
pub(in super::super) struct Fetch {
    pub(in super::super) state: Arc<RegistryState>,
    pub(in super::super) repository: Repository,
    pub(in super::super) context: RequestContext,
}

enum Kind {
    Blob(Bound),
    Manifest,
}

impl Fetch {
    /// A blob of at most `limit` bytes, and what that limits.
    pub(in super::super) async fn blob(
        &self,
        descriptor: &Descriptor,
        (limit, bound): (u64, Bound),
    ) -> Result<Bytes, RegistryError> {
        self.get(&Kind::Blob(bound), descriptor, limit).await.map(|(bytes, _)| bytes)
    }

    /// A manifest of at most `limit` bytes.
    pub(super) async fn manifest(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<ParsedManifest, RegistryError> {
        let what = format!("manifest {}", descriptor.digest);
        let (bytes, content_type) = self.get(&Kind::Manifest, descriptor, limit).await?;
        parsed(&bytes, content_type.as_deref(), &what, std::convert::identity).await
    }

    async fn get(
        &self,
        kind: &Kind,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<(Bytes, Option<String>), RegistryError> {
        let Descriptor { digest, size, .. } = descriptor;
        let (path, name, accept) = match kind {
            Kind::Blob(_) => ("blobs", "blob", None),
            Kind::Manifest => ("manifests", "manifest", Some(super::OCI_MANIFEST)),
        };
        let what = format!("{name} {digest}");
        if *size > limit {
            let bound = match kind {
                Kind::Blob(bound) => *bound,
                Kind::Manifest => Bound::Manifest,
            };
            return Err(RegistryError::TooLarge { bound, what, limit });
        }
        let request = ApiRequest::get(format!("{path}/{digest}"), accept, what.clone(), *size);
        let fetched = ask(&self.state, &self.repository, Capability::Pull, &request, &self.context).await;
        let (answer, _) = match fetched.map_err(inconclusive_error) {
            // The limit was the size in the descriptor.
            Err(RegistryError::TooLarge { .. }) => {
                return Err(RegistryError::SizeMismatch {
                    what,
                    expected: *size,
                    found: size.saturating_add(1),
                });
            }
            // An attacker can attach any digest, so a registry that rejects one says nothing about others.
            Err(RegistryError::Status { status: 400 | 405..=407 | 410..=428, reason, .. }) => {
                return Err(RegistryError::Malformed {
                    what,
                    reason: format!("the registry refused the request: {reason}"),
                });
            }
            other => other?,
        };
        hashed(&answer, Some(digest), &what).await?;
        let found = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
        if found != *size {
            return Err(RegistryError::SizeMismatch { what, expected: *size, found });
        }
        let content_type = answer.content_type().map(str::to_owned);
        Ok((answer.body, content_type))
    }
}

/// Runs `work` on each item, [`CONCURRENCY`] at a time, and returns the results in the order of the items. Dropping the
/// future cancels them.
pub(super) async fn each<I, T, F, W>(items: Vec<I>, work: W) -> Vec<(usize, T)>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
    W: Fn(I) -> F,
{
    let mut results = Vec::with_capacity(items.len());
    let mut running = JoinSet::new();
    let mut waiting = items.into_iter().enumerate();
    loop {
        while running.len() < CONCURRENCY
            && let Some((index, item)) = waiting.next()
        {
            let work = work(item);
            running.spawn(async move { (index, work.await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok(result)) => results.push(result),
            // The task panicked; the caller sees that an item is missing.
            Some(Err(_)) => {}
        }
    }
    results.sort_by_key(|(index, _)| *index);
    results
}
