//! Writing to a repository: what `pullgate sign` needs.
//!
//! Source: the distribution specification 1.1, "Push". The first host that may be pushed to is asked, as containerd does.

use bytes::Bytes;
use http::Method;
use http::header::LOCATION;
use reqwest::Url;

use super::Registry;
use super::credentials::Credentials;
use super::document::Document;
use super::errand::Errand;
use super::error::RegistryError;
use super::exchange::Ask;
use super::hosts::Host;
use super::limits::ERROR_BODY;
use super::resolve::hashed;
use super::walk::{ACCEPT_IMAGE, Need, Question};
use crate::digest::Digest;
use crate::reference::Repository;

/// What a manifest is stored or found under.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A tag, as the grammar of references allows it.
    Tag(&'a str),
    /// A digest.
    Digest(&'a Digest),
}

impl std::fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A manifest that is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The digest of the bytes.
    pub digest: Digest,
    /// One of the four media types of images.
    pub media_type: String,
    /// The document.
    pub bytes: Bytes,
}

impl Registry {
    /// Whether the repository has a blob.
    ///
    /// # Errors
    /// When the registry does not say.
    pub async fn blob_exists(
        &self,
        repository: &Repository,
        digest: &Digest,
        credentials: &Credentials,
    ) -> Result<bool, RegistryError> {
        let host = self.origin(repository)?;
        let question = Question {
            method: Method::HEAD,
            ..Question::get(format!("blobs/{digest}"), None, format!("blob {digest}"), ERROR_BODY)
        };
        match self.push(&host, question.to(&host, repository), credentials).await {
            Ok(_) => Ok(true),
            Err(RegistryError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a blob in one piece, and gives its digest.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn upload_blob(
        &self,
        repository: &Repository,
        bytes: Bytes,
        credentials: &Credentials,
    ) -> Result<Digest, RegistryError> {
        let host = self.origin(repository)?;
        let digest = Digest::of(&bytes);
        let what = format!("upload of blob {digest}");
        let start = Question {
            method: Method::POST,
            ..Question::get("blobs/uploads/".to_owned(), None, what.clone(), ERROR_BODY)
        };
        let answer = self.push(&host, start.to(&host, repository), credentials).await?;
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let target = upload_target(&answer.url, location, &digest).map_err(|reason| {
            RegistryError::RedirectRefused { host: host.authority.clone(), reason: reason.to_owned() }
        })?;
        let put = Ask {
            method: Method::PUT,
            target,
            accept: None,
            body: Some((bytes, "application/octet-stream")),
            what,
            limit: ERROR_BODY,
            repository: repository.path().to_owned(),
            push: true,
        };
        self.push(&host, put, credentials).await?;
        Ok(digest)
    }

    /// Stores a manifest, and gives its digest.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        target: Target<'_>,
        media_type: &'static str,
        bytes: Bytes,
        credentials: &Credentials,
    ) -> Result<Digest, RegistryError> {
        let host = self.origin(repository)?;
        let digest = Digest::of(&bytes);
        let what = format!("upload of manifest {target}");
        let question = Question {
            method: Method::PUT,
            ..Question::get(format!("manifests/{target}"), None, what, ERROR_BODY)
        };
        let mut ask = question.to(&host, repository);
        ask.body = Some((bytes, media_type));
        self.push(&host, ask, credentials).await?;
        Ok(digest)
    }

    /// The manifest under a tag or digest at the host that is written to, if there is one. Its kind is checked as in
    /// [`Registry::resolve`].
    ///
    /// # Errors
    /// When the registry does not say, or has something that is no manifest.
    pub async fn get_manifest_optional(
        &self,
        repository: &Repository,
        target: Target<'_>,
        credentials: &Credentials,
    ) -> Result<Option<Stored>, RegistryError> {
        let host = self.origin(repository)?;
        let what = format!("manifest {target}");
        let object = format!("manifests/{target}");
        let question = Question::get(object, Some(ACCEPT_IMAGE), what.clone(), self.limits().manifest);
        let answer = match self.push(&host, question.to(&host, repository), credentials).await {
            Ok(answer) => answer,
            Err(RegistryError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let expected = match target {
            Target::Digest(digest) => Some(digest),
            Target::Tag(_) => None,
        };
        let digest = hashed(&answer, expected, &what)?;
        let document = Document::parse(&answer.body, answer.content_type(), &what)?;
        Ok(Some(Stored { digest, media_type: document.media_type, bytes: answer.body }))
    }

    /// A blob at the host that is written to, no longer than `limit`.
    ///
    /// # Errors
    /// When it cannot be had, or is not what its digest says.
    pub async fn get_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: u64,
        credentials: &Credentials,
    ) -> Result<Bytes, RegistryError> {
        let host = self.origin(repository)?;
        let what = format!("blob {digest}");
        let question = Question::get(format!("blobs/{digest}"), None, what.clone(), limit);
        let answer = self.push(&host, question.to(&host, repository), credentials).await?;
        hashed(&answer, Some(digest), &what)?;
        Ok(answer.body)
    }

    fn origin(&self, repository: &Repository) -> Result<Host, RegistryError> {
        let hosts = self.hosts(repository, Need::Push)?;
        let none = || RegistryError::NoHost { domain: repository.domain().to_owned(), capability: "push" };
        hosts.into_iter().next().ok_or_else(none)
    }

    async fn push(
        &self,
        host: &Host,
        ask: Ask,
        credentials: &Credentials,
    ) -> Result<super::exchange::Answer, RegistryError> {
        let errand = Errand::new(credentials.clone(), self.limits());
        self.inner.exchange.send(host, &Ask { push: true, ..ask }, &errand).await
    }
}

/// Where the bytes go: the place the registry named, on itself, with the digest added.
fn upload_target(asked: &Url, location: &str, digest: &Digest) -> Result<String, &'static str> {
    if location.is_empty() {
        return Err("it names no place for the upload");
    }
    let mut url = asked.join(location).map_err(|_| "its place for the upload is not a URL")?;
    // Registries behind a TLS proxy name themselves with http; the host is what counts, and TLS is kept.
    if url.host_str() != asked.host_str() {
        return Err("its place for the upload is on another host");
    }
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    Ok(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_stay_on_the_host() {
        let asked = Url::parse("https://r.example/v2/a/blobs/uploads/").unwrap();
        let digest = Digest::of(b"");
        for (location, prefix) in [
            ("/v2/a/blobs/uploads/1?_state=x%3D", Some("/v2/a/blobs/uploads/1?_state=x%3D&digest=sha256%3A")),
            ("https://r.example/up", Some("/up?digest=sha256%3A")),
            ("http://r.example/up", Some("/up?digest=sha256%3A")),
            ("https://evil.example/up", None),
            ("//evil.example/up", None),
            ("", None),
        ] {
            let target = upload_target(&asked, location, &digest);
            match prefix {
                Some(prefix) => assert!(target.unwrap().starts_with(prefix), "{location}"),
                None => assert!(target.is_err(), "{location}"),
            }
        }
    }
}
