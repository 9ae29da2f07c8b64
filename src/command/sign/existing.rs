//! What is in a registry already: the repositories of a scope, and the images under their tags.

use std::collections::VecDeque;

use super::super::output;
use super::report::Report;
use super::source::Item;
use crate::policy::{Scope, Tags};
use crate::reference::Repository;
use crate::registry::{
    Class, Credentials, Registry, RegistryError, RepositoryPages, TagPages, is_attachment_tag,
};

/// Repositories of a registry, and tags of a repository, that are looked at.
const MOST: usize = 1_000_000;

const NO_REPOSITORY: &str = "there is no repository with an image of this name, nor one below it";
const NO_TAG: &str = "no tag matches";

/// Reads lists as they are needed, and says on standard error how far it is.
pub(super) struct Existing {
    registry: Registry,
    credentials: Credentials,
    scope: Scope,
    tags: Tags,
    /// The repository that the scope names, before it was listed.
    named: Option<Repository>,
    /// Whether the scope names a repository that there is.
    is_repository: bool,
    /// Why the named one could not be listed, if that may mean that there is none.
    denied: Option<RegistryError>,
    catalogue: Catalogue,
    repositories: VecDeque<Repository>,
    open: Option<(Repository, TagPages, usize)>,
    found: VecDeque<String>,
    seen: Seen,
}

/// What came of it so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    /// A repository with tags, none of which was wanted.
    Tags,
    /// An image, or something that went wrong; in any case the reader has been told something.
    Told,
}

enum Catalogue {
    NotAsked,
    Open(Box<RepositoryPages>),
    Done,
}

impl Existing {
    pub(super) fn new(registry: Registry, credentials: Credentials, scope: Scope, tags: Tags) -> Self {
        let named = Repository::parse(scope.as_str())
            .ok()
            .filter(|_| scope.is_literal() && scope.as_str().contains('/'));
        Self {
            registry,
            credentials,
            scope,
            tags,
            named,
            is_repository: false,
            denied: None,
            catalogue: Catalogue::NotAsked,
            repositories: VecDeque::new(),
            open: None,
            found: VecDeque::new(),
            seen: Seen::Nothing,
        }
    }

    /// The next image. Where there is none at all, that is told as something that went wrong: a name with a mistake in it
    /// would look as if all was signed.
    pub(super) async fn next(&mut self) -> Option<Item> {
        let item = match (self.read().await, self.seen) {
            (Some(item), _) => item,
            (None, Seen::Told) => return None,
            (None, Seen::Nothing) => Item::Failed(Report::nothing(self.scope.as_str(), NO_REPOSITORY)),
            (None, Seen::Tags) => Item::Failed(Report::nothing(self.scope.as_str(), NO_TAG)),
        };
        self.seen = Seen::Told;
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
            } else if let Some(repository) = self.named.take() {
                self.begin(repository);
            } else if let Some(repository) = self.repositories.pop_front() {
                self.begin(repository);
            } else if matches!(self.catalogue, Catalogue::Done) {
                return None;
            } else if let Some(report) = self.read_catalogue().await {
                return Some(Item::Failed(report));
            }
        }
    }

    fn begin(&mut self, repository: Repository) {
        if let Ok(pages) = self.registry.tag_pages(&repository, &self.credentials, MOST) {
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
                self.is_repository |= matches!(self.catalogue, Catalogue::NotAsked);
                None
            }
            Ok(None) => {
                output::note(&format!("{repository}: {count} tags"));
                self.open = None;
                None
            }
            Err(error) => {
                let name = repository.to_string();
                let first = matches!(self.catalogue, Catalogue::NotAsked);
                self.open = None;
                match error.class() {
                    // Emptied, and still in the list; or the scope is a namespace only.
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
            _ => match self.registry.repository_pages(host, &self.credentials, MOST) {
                Ok(pages) => {
                    self.catalogue = Catalogue::Open(Box::new(pages));
                    return None;
                }
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(Some(page)) => {
                let itself = |repository: &Repository| {
                    self.is_repository && repository.as_str() == self.scope.as_str()
                };
                let wanted = page.into_iter().filter(|it| self.scope.covers(it) && !itself(it));
                self.repositories.extend(wanted);
                None
            }
            Ok(None) => {
                // Had it been there, it would have been listed.
                self.catalogue = Catalogue::Done;
                None
            }
            Err(error) => {
                self.catalogue = Catalogue::Done;
                let offered = !matches!(
                    error,
                    RegistryError::NotFound { .. }
                        | RegistryError::Unauthorized { .. }
                        | RegistryError::Status { status: 400 | 405 | 501, .. }
                );
                if self.is_repository && !offered {
                    let scope = self.scope.as_str();
                    output::note(&format!("{scope}: this registry does not list what is below it ({error})"));
                    return None;
                }
                let error = self.denied.take().unwrap_or(error);
                Some(Report::not_listed(self.scope.as_str(), error))
            }
        }
    }
}
