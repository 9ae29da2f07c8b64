//! Listing a registry: its repositories, and their tags.
//!
//! Sources: the distribution specification 1.1, "Listing Tags"; distribution's own API, "Listing Repositories"
//! (`_catalog`), which the specification does not have and not every registry implements. It uses the host that is written
//! to, because only the signer lists. Results come in pages, so that a large registry need not fit into memory.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::attachments::next_page;
use super::credentials::Credentials;
use super::error::{Bound, RegistryError};
use super::host_request::HostRequest;
use super::hosts::Host;
use super::mirrors::ApiRequest;
use super::request_context::RequestContext;
use super::state::RegistryState;
use super::upload::{push, writing};
use pullgate_core::json::{self, Bounds, Keys};
use pullgate_core::reference::{self, Repository};

/// Entries per page that are requested.
const PAGE: usize = 500;
/// Bytes of a page; registries may send more entries than requested.
const PAGE_BYTES: u64 = 4 << 20;

/// The repositories of a registry or the tags of a repository, page by page.
#[derive(Debug)]
pub struct Pages<T> {
    state: Arc<RegistryState>,
    host: Host,
    context: RequestContext,
    kind: Kind,
    domain: String,
    /// An entry of the list in this domain; `None` if it is of no use.
    read: fn(&str, String) -> Option<T>,
    next: Option<HostRequest>,
    /// Requested pages: one that repeats ends the listing.
    requested: HashSet<String>,
    most: usize,
    left: usize,
}

/// As [`super::Registry::repository_pages`].
pub(super) fn repository_pages(
    state: &Arc<RegistryState>,
    domain: &str,
    credentials: &Credentials,
    most: usize,
) -> Result<Pages<Repository>, RegistryError> {
    // Hosts are looked up by repository; this one is not requested.
    let any = Repository::parse(&format!("{domain}/catalog"))
        .map_err(|_| malformed(Kind::Repositories, "the host is not a valid registry name"))?;
    let pages = pages(state, &any, Kind::Repositories, credentials, |domain, name| {
        // A name that is not valid for an image cannot be signed.
        Repository::parse(&format!("{domain}/{name}")).ok().filter(|it| it.path() == name)
    })?;
    Ok(Pages { domain: domain.to_owned(), ..pages.at_most(most) })
}

/// As [`super::Registry::tag_pages`].
pub(super) fn tag_pages(
    state: &Arc<RegistryState>,
    repository: &Repository,
    credentials: &Credentials,
    most: usize,
) -> Result<Pages<String>, RegistryError> {
    let read = |_: &str, tag: String| reference::is_tag(&tag).then_some(tag);
    Ok(pages(state, repository, Kind::Tags, credentials, read)?.at_most(most))
}

fn pages<T>(
    state: &Arc<RegistryState>,
    repository: &Repository,
    kind: Kind,
    credentials: &Credentials,
    read: fn(&str, String) -> Option<T>,
) -> Result<Pages<T>, RegistryError> {
    let (host, context) = writing(state, repository, credentials)?;
    let request = ApiRequest::get(format!("tags/list?n={PAGE}"), None, kind.what().to_owned(), PAGE_BYTES);
    let mut ask = request.to(&host, repository);
    if kind == Kind::Repositories {
        ask.target = format!("{}/_catalog?n={PAGE}", host.path);
        ask.repository = String::new();
    }
    let (requested, state) = (HashSet::new(), Arc::clone(state));
    let domain = String::new();
    Ok(Pages { state, host, context, kind, domain, read, next: Some(ask), requested, most: 0, left: 0 })
}

impl<T> Pages<T> {
    fn at_most(self, most: usize) -> Self {
        Self { most, left: most, ..self }
    }

    /// The next entries, in the registry's order; `None` at the end. A page may be empty.
    ///
    /// # Errors
    /// When the registry does not list them, or has more than the limit.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, RegistryError> {
        let Some(ask) = self.next.take() else { return Ok(None) };
        if !self.requested.insert(ask.target.clone()) {
            return Err(malformed(self.kind, "its pages form a loop"));
        }
        let answer = push(&self.state, &self.host, ask.clone(), &self.context).await?;
        let entries = entries(&answer.body, self.kind)?;
        // An empty page counts as one entry, so that the listing ends.
        let left = self.left.checked_sub(entries.len().max(1));
        self.left = left.ok_or(RegistryError::TooMany {
            bound: Bound::Pages,
            what: self.kind.what(),
            limit: self.most,
        })?;
        self.next = next_page(&answer)?.map(|target| HostRequest { target, ..ask });
        Ok(Some(entries.into_iter().filter_map(|entry| (self.read)(&self.domain, entry)).collect()))
    }

    /// The entries of all pages.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn all(mut self) -> Result<Vec<T>, RegistryError> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Repositories,
    Tags,
}

impl Kind {
    fn what(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Tags => "tags",
        }
    }
}

/// The tags on one page of a list.
pub(super) fn tags(body: &[u8]) -> Result<Vec<String>, RegistryError> {
    entries(body, Kind::Tags)
}

fn entries(body: &[u8], kind: Kind) -> Result<Vec<String>, RegistryError> {
    let bounds = Bounds { depth: 4, values: 200_000, keys: Keys::Exact };
    let document = json::parse(body, bounds).map_err(|error| malformed(kind, &error.to_string()))?;
    match document.get(kind.what()) {
        // Go's JSON of an empty list.
        Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => {
            let entries: Option<Vec<String>> =
                entries.iter().map(|entry| entry.as_str().map(ToOwned::to_owned)).collect();
            entries.ok_or_else(|| malformed(kind, "an entry is not a string"))
        }
        _ => Err(malformed(kind, "it contains no list")),
    }
}

fn malformed(kind: Kind, reason: &str) -> RegistryError {
    RegistryError::Malformed { what: kind.what().to_owned(), reason: reason.to_owned() }
}
