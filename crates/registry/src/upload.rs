//! Writing to a repository: what `pullgate-signer sign` needs.
//!
//! Source: the distribution specification 1.1, "Push". The first host that may be pushed to is asked, as containerd does.
//! A write that a busy registry did not take is made again within the bounds of a pull's questions.

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{HeaderValue, Method};
use reqwest::Url;

use super::Registry;
use super::concurrency_limit::Permit;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::host_client::ApiResponse;
use super::host_request::HostRequest;
use super::hosts::Capability;
use super::hosts::Host;
use super::limits::ERROR_BODY;
use super::manifest::ParsedManifest;
use super::mirrors::{ACCEPT_IMAGE, ApiRequest};
use super::request_context::RequestContext;
use super::resolve::hashed;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

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
    /// The registry's own mark of what was there (the header ETag), if it is a strong one.
    pub mark: Option<HeaderValue>,
}

/// What must be under a tag for a write to be done.
///
/// Neither the distribution specification nor most registries know of conditions: one that does not takes the write in
/// any case. One that does answers 412 when somebody else was faster (RFC 9110, 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Any,
    /// Nothing.
    Absent,
    /// What had this mark ([`Stored::mark`]).
    Unchanged(HeaderValue),
}

/// A manifest that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    /// The digest of the bytes.
    pub digest: Digest,
    /// Whether the registry lists it as a referrer of its subject (the header `OCI-Subject`). One that does not leaves that
    /// to the client ("Pushing Manifests with Subject").
    pub listed: bool,
}

/// A manifest to store.
#[derive(Debug)]
pub struct ManifestUpload<'a> {
    pub media_type: &'static str,
    pub bytes: Bytes,
    /// What must be there before.
    pub condition: &'a Condition,
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
        let (host, context) = self.writing(repository, credentials)?;
        let question = ApiRequest {
            method: Method::HEAD,
            ..ApiRequest::get(format!("blobs/{digest}"), None, format!("blob {digest}"), ERROR_BODY)
        };
        match self.push(&host, question.to(&host, repository), &context).await {
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
        let (host, context) = self.writing(repository, credentials)?;
        let digest = Digest::of(&bytes);
        let mut tried = 0;
        loop {
            // From the start each time: an upload that broke is not there any more.
            match self.upload_once(&host, repository, (&bytes, &digest), &context).await {
                Err(error) if error.is_passing() && context.try_again(tried).await => tried += 1,
                other => return other.map(|()| digest),
            }
        }
    }

    async fn upload_once(
        &self,
        host: &Host,
        repository: &Repository,
        (bytes, digest): (&Bytes, &Digest),
        context: &RequestContext,
    ) -> Result<(), RegistryError> {
        let what = format!("upload of blob {digest}");
        let start = ApiRequest {
            method: Method::POST,
            ..ApiRequest::get("blobs/uploads/".to_owned(), None, what.clone(), ERROR_BODY)
        };
        let start = HostRequest { push: true, ..start.to(host, repository) };
        let answer = self.inner.host_client.send(host, &start, context).await?;
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let target = upload_target(&answer.url, location, digest).map_err(|reason| {
            RegistryError::RedirectRefused { host: host.authority.clone(), reason: reason.to_owned() }
        })?;
        let put = HostRequest {
            method: Method::PUT,
            target,
            accept: None,
            body: Some((bytes.clone(), "application/octet-stream")),
            condition: None,
            what,
            limit: ERROR_BODY,
            repository: repository.path().to_owned(),
            push: true,
        };
        self.inner.host_client.send(host, &put, context).await.map(drop)
    }

    /// Stores a manifest, if what is there is as `condition` says.
    ///
    /// # Errors
    /// When the registry does not take it; [`RegistryError::Status`] with 412 when the condition does not hold.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        target: Target<'_>,
        upload: ManifestUpload<'_>,
        credentials: &Credentials,
    ) -> Result<PutResult, RegistryError> {
        let ManifestUpload { media_type, bytes, condition } = upload;
        let (host, context) = self.writing(repository, credentials)?;
        let digest = Digest::of(&bytes);
        let what = format!("upload of manifest {target}");
        let question = ApiRequest {
            method: Method::PUT,
            ..ApiRequest::get(format!("manifests/{target}"), None, what, ERROR_BODY)
        };
        let mut ask = question.to(&host, repository);
        ask.body = Some((bytes, media_type));
        ask.condition = match condition {
            Condition::Any => None,
            Condition::Absent => Some((IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Condition::Unchanged(mark) => Some((IF_MATCH, mark.clone())),
        };
        let mut tried = 0;
        let answer = loop {
            match self.push(&host, ask.clone(), &context).await {
                Err(error) if is_half_written(&error) && context.try_again(tried).await => tried += 1,
                other => break other?,
            }
        };
        Ok(PutResult { digest, listed: answer.headers.contains_key("oci-subject") })
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
        let (host, context) = self.writing(repository, credentials)?;
        let what = format!("manifest {target}");
        let object = format!("manifests/{target}");
        let question = ApiRequest::get(object, Some(ACCEPT_IMAGE), what.clone(), self.limits().manifest);
        let answer = match self.push(&host, question.to(&host, repository), &context).await {
            Ok(answer) => answer,
            Err(RegistryError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let expected = match target {
            Target::Digest(digest) => Some(digest),
            Target::Tag(_) => None,
        };
        let digest = hashed(&answer, expected, &what)?;
        let document = ParsedManifest::parse(&answer.body, answer.content_type(), &what)?;
        // A weak mark never matches (RFC 9110, 13.1.1).
        let mark = answer.headers.get(ETAG).filter(|mark| mark.as_bytes().starts_with(b"\"")).cloned();
        Ok(Some(Stored { digest, media_type: document.media_type, bytes: answer.body, mark }))
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
        let (host, context) = self.writing(repository, credentials)?;
        let what = format!("blob {digest}");
        let question = ApiRequest::get(format!("blobs/{digest}"), None, what.clone(), limit);
        let answer = self.push(&host, question.to(&host, repository), &context).await?;
        hashed(&answer, Some(digest), &what)?;
        Ok(answer.body)
    }

    /// Waits until nobody else in this process writes under the tag, for as long as the turn is held.
    ///
    /// # Errors
    /// When others write for ten minutes.
    pub async fn lock_tag(&self, repository: &Repository, tag: &str) -> Result<Permit, RegistryError> {
        self.inner.writes.take(&format!("{repository}:{tag}")).await
    }

    /// The host that is written to, and an errand there.
    pub(super) fn writing(
        &self,
        repository: &Repository,
        credentials: &Credentials,
    ) -> Result<(Host, RequestContext), RegistryError> {
        let hosts = self.hosts(repository, Capability::Push)?;
        let none = || RegistryError::NoHost { domain: repository.domain().to_owned(), capability: "push" };
        let host = hosts.into_iter().next().ok_or_else(none)?;
        Ok((host, RequestContext::pushing(credentials.clone(), self.limits())))
    }

    /// Asks the host that is written to, again if that was prevented by what may pass.
    pub(super) async fn push(
        &self,
        host: &Host,
        ask: HostRequest,
        context: &RequestContext,
    ) -> Result<ApiResponse, RegistryError> {
        let ask = HostRequest { push: true, ..ask };
        let mut tried = 0;
        loop {
            match self.inner.host_client.send(host, &ask, context).await {
                Err(error) if error.is_passing() && context.try_again(tried).await => tried += 1,
                other => return other,
            }
        }
    }
}

/// Whether a manifest was refused for what it names, which is there: distribution with files for storage looks at links
/// that another request is just writing, finds them empty, and takes that for a wrong digest.
fn is_half_written(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Status { status: 400 | 404, reason, .. }
        if reason.starts_with("DIGEST_INVALID") || reason.starts_with("MANIFEST_BLOB_UNKNOWN"))
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
