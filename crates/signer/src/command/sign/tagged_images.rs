//! The images that a registry has: the repositories of a scope, and their tags.

use std::collections::VecDeque;

use super::report::{Item, Report};
use pullgate_cli::output;
use pullgate_core::policy::{Scope, Tags};
use pullgate_core::reference::Repository;
use pullgate_registry::{Class, Credentials, Pages, Registry, RegistryError, is_attachment_tag};

/// The limit for the repositories of a registry, and for the tags of a repository.
const MAX_LISTED: usize = 1_000_000;

const NO_REPOSITORY: &str = "no repository of this name or below it contains an image";
const NO_TAG: &str = "no tag matches --tag and --exclude-tag";

/// Requests pages as they are needed, and reports progress on standard error.
pub(super) struct TaggedImages {
    registry: Registry,
    credentials: Credentials,
    scope: Scope,
    tags: Tags,
    /// The repository with exactly the name of the scope, until it is listed.
    exact: Option<Repository>,
    /// Whether that repository exists.
    is_repository: bool,
    /// Why it could not be listed, if it may not exist.
    denied: Option<RegistryError>,
    catalogue: Catalogue,
    repositories: VecDeque<Repository>,
    open: Option<(Repository, Pages<String>, usize)>,
    found: VecDeque<String>,
    seen: Seen,
}

/// What was found so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    /// A repository with tags, none of which matches.
    Tags,
    /// An image or an error. The result list is not empty.
    Item,
}

enum Catalogue {
    NotRequested,
    Open(Box<Pages<Repository>>),
    Done,
}

impl TaggedImages {
    pub(super) fn new(registry: Registry, credentials: Credentials, scope: Scope, tags: Tags) -> Self {
        let exact = Repository::parse(scope.as_str())
            .ok()
            .filter(|_| scope.is_literal() && scope.as_str().contains('/'));
        Self {
            registry,
            credentials,
            scope,
            tags,
            exact,
            is_repository: false,
            denied: None,
            catalogue: Catalogue::NotRequested,
            repositories: VecDeque::new(),
            open: None,
            found: VecDeque::new(),
            seen: Seen::Nothing,
        }
    }

    /// The next image. If there is no image at all, the result is an error: otherwise a misspelled name would look as if
    /// everything was signed.
    pub(super) async fn next(&mut self) -> Option<Item> {
        let item = match (self.read().await, self.seen) {
            (Some(item), _) => item,
            (None, Seen::Item) => return None,
            (None, Seen::Nothing) => Item::Failed(Report::not_found(self.scope.as_str(), NO_REPOSITORY)),
            (None, Seen::Tags) => Item::Failed(Report::not_found(self.scope.as_str(), NO_TAG)),
        };
        self.seen = Seen::Item;
        Some(item)
    }

    async fn read(&mut self) -> Option<Item> {
        loop {
            if let Some(image) = self.found.pop_front() {
                return Some(Item::Image(image));
            }
            if self.open.is_some() {
                if let Some(report) = self.read_tags().await {
                    return Some(Item::Failed(report));
                }
            } else if let Some(repository) = self.exact.take() {
                self.open_repository(repository);
            } else if let Some(repository) = self.repositories.pop_front() {
                self.open_repository(repository);
            } else if matches!(self.catalogue, Catalogue::Done) {
                return None;
            } else if let Some(report) = self.read_catalogue().await {
                return Some(Item::Failed(report));
            }
        }
    }

    fn open_repository(&mut self, repository: Repository) {
        if let Ok(pages) = self.registry.tag_pages(&repository, &self.credentials, MAX_LISTED) {
            self.open = Some((repository, pages, 0));
        }
    }

    async fn read_tags(&mut self) -> Option<Report> {
        let (repository, pages, count) = self.open.as_mut()?;
        match pages.next().await {
            Ok(Some(tags)) => {
                if tags.iter().any(|tag| !is_attachment_tag(tag)) {
                    self.seen = self.seen.max(Seen::Tags);
                }
                let wanted = tags.into_iter().filter(|tag| !is_attachment_tag(tag) && self.tags.cover(tag));
                let images: Vec<String> = wanted.map(|tag| format!("{repository}:{tag}")).collect();
                *count += images.len();
                self.found.extend(images);
                self.is_repository |= matches!(self.catalogue, Catalogue::NotRequested);
                None
            }
            Ok(None) => {
                output::note(&format!("{repository}: {count} tags"));
                self.open = None;
                None
            }
            Err(error) => {
                let name = repository.to_string();
                let first = matches!(self.catalogue, Catalogue::NotRequested);
                self.open = None;
                match error.class() {
                    // The repository was emptied and is still in the catalogue, or the scope is only a namespace.
                    Class::NotFound => None,
                    Class::Unauthorized if first => {
                        self.denied = Some(error);
                        None
                    }
                    _ => Some(Report::not_listed(&name, error)),
                }
            }
        }
    }

    async fn read_catalogue(&mut self) -> Option<Report> {
        let host = self.scope.as_str().split('/').next().unwrap_or_default();
        let read = match &mut self.catalogue {
            Catalogue::Open(pages) => pages.next().await,
            _ => match self.registry.repository_pages(host, &self.credentials, MAX_LISTED) {
                Ok(pages) => {
                    self.catalogue = Catalogue::Open(Box::new(pages));
                    return None;
                }
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(Some(page)) => {
                let is_exact = |repository: &Repository| {
                    self.is_repository && repository.as_str() == self.scope.as_str()
                };
                let wanted = page.into_iter().filter(|it| self.scope.covers(it) && !is_exact(it));
                self.repositories.extend(wanted);
                None
            }
            Ok(None) => {
                self.catalogue = Catalogue::Done;
                None
            }
            Err(error) => {
                self.catalogue = Catalogue::Done;
                let supported = !matches!(
                    error,
                    RegistryError::NotFound { .. }
                        | RegistryError::Unauthorized { .. }
                        | RegistryError::Status { status: 400 | 405 | 501, .. }
                );
                if self.is_repository && !supported {
                    let scope = self.scope.as_str();
                    output::note(&format!(
                        "{scope}: this registry cannot list the repositories below it ({error})"
                    ));
                    return None;
                }
                let error = self.denied.take().unwrap_or(error);
                Some(Report::not_listed(self.scope.as_str(), error))
            }
        }
    }
}
