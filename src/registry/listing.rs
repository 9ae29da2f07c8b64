//! What a registry holds: its repositories, and their tags.
//!
//! Sources: the distribution specification 1.1, "Listing Tags"; distribution's own API, "Listing Repositories"
//! (`_catalog`), which the specification does not have and not every registry. The host that is written to is asked: who
//! lists wants to write there.

use std::collections::HashSet;

use serde_json::Value;

use super::Registry;
use super::attachments::next_page;
use super::credentials::Credentials;
use super::errand::Errand;
use super::error::{Bound, RegistryError};
use super::exchange::Answer;
use super::walk::{Need, Question};
use crate::json::{self, Bounds, Keys};
use crate::reference::{self, Repository};

/// Entries that are asked for at a time.
const PAGE: usize = 500;

/// Bytes of a page; registries may give more entries than they are asked for.
const PAGE_BYTES: u64 = 4 << 20;

impl Registry {
    /// The repositories of the registry `domain`, at most `most` of them.
    ///
    /// # Errors
    /// When the registry does not list them all, or has more.
    pub async fn repositories(
        &self,
        domain: &str,
        credentials: &Credentials,
        most: usize,
    ) -> Result<Vec<Repository>, RegistryError> {
        // Hosts are found by the name of a repository; this one is not asked for.
        let any = Repository::parse(&format!("{domain}/catalog"))
            .map_err(|_| malformed("repositories", "its host has no valid name"))?;
        let names = self.listed(&any, Kind::Repositories, credentials, most).await?;
        let named = |name: &String| Repository::parse(&format!("{domain}/{name}"));
        // A name that no image can have is nothing that can be signed.
        Ok(names.iter().filter_map(|name| named(name).ok().filter(|it| it.path() == name)).collect())
    }

    /// The tags of a repository, at most `most` of them.
    ///
    /// # Errors
    /// When the registry does not list them all, or has more.
    pub async fn tags(
        &self,
        repository: &Repository,
        credentials: &Credentials,
        most: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let mut tags = self.listed(repository, Kind::Tags, credentials, most).await?;
        tags.retain(|tag| reference::is_tag(tag));
        Ok(tags)
    }

    async fn listed(
        &self,
        repository: &Repository,
        kind: Kind,
        credentials: &Credentials,
        most: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let host = self.hosts(repository, Need::Push)?.into_iter().next();
        let none = || RegistryError::NoHost { domain: repository.domain().to_owned(), capability: "push" };
        let host = host.ok_or_else(none)?;
        let errand = Errand::new(credentials.clone(), self.limits());
        let question = Question::get(format!("tags/list?n={PAGE}"), None, kind.what().to_owned(), PAGE_BYTES);
        let mut ask = question.to(&host, repository);
        // The operator's credentials for reading are not for this, as for nothing that leads to a write.
        ask.push = true;
        if kind == Kind::Repositories {
            ask.target = format!("{}/_catalog?n={PAGE}", host.path);
            ask.repository = String::new();
        }
        let mut asked = HashSet::new();
        let mut all = Vec::new();
        loop {
            if !asked.insert(ask.target.clone()) {
                return Err(malformed(kind.what(), "its pages go round in a circle"));
            }
            let answer = self.inner.exchange.send(&host, &ask, &errand).await?;
            all.extend(entries(&answer, kind)?);
            if all.len() > most {
                return Err(RegistryError::TooMany { bound: Bound::Pages, what: kind.what(), limit: most });
            }
            match next_page(&answer)? {
                Some(next) => ask.target = next,
                None => return Ok(all),
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
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

fn entries(answer: &Answer, kind: Kind) -> Result<Vec<String>, RegistryError> {
    let bounds = Bounds { depth: 4, values: 200_000, keys: Keys::Exact };
    let document =
        json::parse(&answer.body, bounds).map_err(|error| malformed(kind.what(), &error.to_string()))?;
    match document.get(kind.what()) {
        // Go writes an empty list so.
        Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => {
            let text = |entry: &Value| entry.as_str().map(ToOwned::to_owned);
            let entries: Option<Vec<String>> = entries.iter().map(text).collect();
            entries.ok_or_else(|| malformed(kind.what(), "an entry is not a text"))
        }
        _ => Err(malformed(kind.what(), "there is no list")),
    }
}

fn malformed(what: &str, reason: &str) -> RegistryError {
    RegistryError::Malformed { what: what.to_owned(), reason: reason.to_owned() }
}
