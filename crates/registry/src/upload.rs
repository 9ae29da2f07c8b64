//! Writing to a repository, for `pullgate-signer sign`.
//!
//! Source: the distribution specification 1.1, "Push". Only the first host with the capability to push is used, as in
//! containerd. A write that a busy registry refuses is retried within the same limits as a pull.

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{HeaderValue, Method};
use reqwest::Url;

use super::credentials::Credentials;
use super::error::RegistryError;
use super::host_client::ApiResponse;
use super::host_request::HostRequest;
use super::hosts::Capability;
use super::hosts::Host;
use super::limits::ERROR_BODY;
use super::manifest::{ParsedManifest, parsed};
use super::mirrors::{ACCEPT_IMAGE, ApiRequest, hosts};
use super::request_context::RequestContext;
use super::resolve::hashed;
use super::state::RegistryState;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

/// The tag or digest of a manifest.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    Tag(&'a str),
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

/// A manifest in a registry.
#[derive(Clone, Debug)]
pub struct Stored {
    pub digest: Digest,
    /// One of the four media types of images.
    pub media_type: String,
    pub bytes: Bytes,
    /// The header ETag of the response, if it is a strong one.
    pub etag: Option<HeaderValue>,
}

/// What must be under a tag for a write to happen.
///
/// Neither the distribution specification nor most registries support conditions: a registry without them accepts every
/// write. One with them answers 412 when another writer was faster (RFC 9110, 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Any,
    /// The tag does not exist.
    Absent,
    /// The manifest has this ETag ([`Stored::etag`]).
    Unchanged(HeaderValue),
}

/// The result of storing a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    pub digest: Digest,
    /// Whether the registry lists it as a referrer of its subject (the header `OCI-Subject`). Otherwise that is up to the
    /// client ("Pushing Manifests with Subject").
    pub listed: bool,
}

/// A manifest to store.
#[derive(Debug)]
pub struct ManifestUpload<'a> {
    pub media_type: &'static str,
    pub bytes: Bytes,
    /// What must be under the tag before.
    pub condition: &'a Condition,
}

/// A repository at the host that is written to.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub(super) state: &'a RegistryState,
    pub(super) repository: &'a Repository,
    pub(super) credentials: &'a Credentials,
}

impl Writer<'_> {
    /// Whether the repository has a blob.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn blob_exists(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let (host, context) = self.host()?;
        let request = ApiRequest {
            method: Method::HEAD,
            ..ApiRequest::get(format!("blobs/{digest}"), None, format!("blob {digest}"), ERROR_BODY)
        };
        match push(self.state, &host, request.to(&host, self.repository), &context).await {
            Ok(_) => Ok(true),
            Err(RegistryError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a blob in one request, and returns its digest.
    ///
    /// # Errors
    /// When the registry does not accept it.
    pub async fn upload_blob(&self, bytes: Bytes) -> Result<Digest, RegistryError> {
        let (host, context) = self.host()?;
        let digest = Digest::of(&bytes);
        let mut tried = 0;
        loop {
            // From the start each time: an interrupted upload no longer exists.
            match self.upload_once(&host, (&bytes, &digest), &context).await {
                Err(error) if error.is_transient() && context.wait_for_retry(tried).await => tried += 1,
                other => return other.map(|()| digest),
            }
        }
    }

    async fn upload_once(
        &self,
        host: &Host,
        (bytes, digest): (&Bytes, &Digest),
        context: &RequestContext,
    ) -> Result<(), RegistryError> {
        let what = format!("upload of blob {digest}");
        let start = ApiRequest {
            method: Method::POST,
            ..ApiRequest::get("blobs/uploads/".to_owned(), None, what.clone(), ERROR_BODY)
        };
        let start = HostRequest { push: true, ..start.to(host, self.repository) };
        let answer = self.state.host_client.send(host, &start, context).await?;
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
            repository: start.repository,
            push: true,
        };
        self.state.host_client.send(host, &put, context).await.map(drop)
    }

    /// Stores a manifest if `condition` is met.
    ///
    /// # Errors
    /// When the registry does not accept it; [`RegistryError::Status`] with 412 when the condition is not met.
    pub async fn put_manifest(
        &self,
        target: Target<'_>,
        upload: ManifestUpload<'_>,
    ) -> Result<PutResult, RegistryError> {
        let ManifestUpload { media_type, bytes, condition } = upload;
        let (host, context) = self.host()?;
        let digest = Digest::of(&bytes);
        let what = format!("upload of manifest {target}");
        let request = ApiRequest {
            method: Method::PUT,
            ..ApiRequest::get(format!("manifests/{target}"), None, what, ERROR_BODY)
        };
        let mut ask = request.to(&host, self.repository);
        ask.body = Some((bytes, media_type));
        ask.condition = match condition {
            Condition::Any => None,
            Condition::Absent => Some((IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Condition::Unchanged(etag) => Some((IF_MATCH, etag.clone())),
        };
        let mut tried = 0;
        let answer = loop {
            match push(self.state, &host, ask.clone(), &context).await {
                Err(error) if is_half_written(&error) && context.wait_for_retry(tried).await => tried += 1,
                other => break other?,
            }
        };
        Ok(PutResult { digest, listed: answer.headers.contains_key("oci-subject") })
    }

    /// The manifest under a tag or digest, if it exists. Its kind is checked as in [`super::Registry::resolve`].
    ///
    /// # Errors
    /// When the registry does not answer, or has something else there.
    pub async fn get_manifest_optional(&self, target: Target<'_>) -> Result<Option<Stored>, RegistryError> {
        let (host, context) = self.host()?;
        let what = format!("manifest {target}");
        let object = format!("manifests/{target}");
        let request =
            ApiRequest::get(object, Some(ACCEPT_IMAGE), what.clone(), self.state.limits().manifest_bytes);
        let answer = match push(self.state, &host, request.to(&host, self.repository), &context).await {
            Ok(answer) => answer,
            Err(RegistryError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let expected = match target {
            Target::Digest(digest) => Some(digest),
            Target::Tag(_) => None,
        };
        let digest = hashed(&answer, expected, &what).await?;
        let kind = |document: ParsedManifest| document.media_type;
        let media_type = parsed(&answer.body, answer.content_type(), &what, kind).await?;
        // A weak ETag never matches (RFC 9110, 13.1.1).
        let etag = answer.headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned();
        Ok(Some(Stored { digest, media_type, bytes: answer.body, etag }))
    }

    fn host(&self) -> Result<(Host, RequestContext), RegistryError> {
        writing(self.state, self.repository, self.credentials)
    }
}

/// The host that is written to, and the context of a write.
pub(super) fn writing(
    state: &RegistryState,
    repository: &Repository,
    credentials: &Credentials,
) -> Result<(Host, RequestContext), RegistryError> {
    let hosts = hosts(state, repository, Capability::Push)?;
    let none = || RegistryError::NoHost { domain: repository.domain().to_owned(), capability: "push" };
    let host = hosts.into_iter().next().ok_or_else(none)?;
    Ok((host, RequestContext::pushing(credentials.clone(), state.limits(), state.share(repository))))
}

/// Sends a write, and retries if the failure is transient.
pub(super) async fn push(
    state: &RegistryState,
    host: &Host,
    ask: HostRequest,
    context: &RequestContext,
) -> Result<ApiResponse, RegistryError> {
    let ask = HostRequest { push: true, ..ask };
    let mut tried = 0;
    loop {
        match state.host_client.send(host, &ask, context).await {
            Err(error) if error.is_transient() && context.wait_for_retry(tried).await => tried += 1,
            other => return other,
        }
    }
}

/// Whether a manifest was refused because of a blob that exists: distribution with a file system backend reads links that
/// another request is writing, finds them empty, and reports a wrong digest.
fn is_half_written(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Status { status: 400 | 404, reason, .. }
        if reason.starts_with("DIGEST_INVALID") || reason.starts_with("MANIFEST_BLOB_UNKNOWN"))
}

/// The URL of the upload: the location that the registry named, on the same host, with the digest added.
fn upload_target(upload: &Url, location: &str, digest: &Digest) -> Result<String, &'static str> {
    if location.is_empty() {
        return Err("it has no upload location");
    }
    let mut url = upload.join(location).map_err(|_| "its upload location is not a URL")?;
    // Registries behind a TLS proxy name themselves with http; the host must match, and TLS is kept.
    if url.host_str() != upload.host_str() {
        return Err("its upload location is on another host");
    }
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    Ok(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_stay_on_the_host() {
        let upload = Url::parse("https://r.example/v2/a/blobs/uploads/").unwrap();
        let digest = Digest::of(b"");
        for (location, prefix) in [
            ("/v2/a/blobs/uploads/1?_state=x%3D", Some("/v2/a/blobs/uploads/1?_state=x%3D&digest=sha256%3A")),
            ("https://r.example/up", Some("/up?digest=sha256%3A")),
            ("http://r.example/up", Some("/up?digest=sha256%3A")),
            ("https://evil.example/up", None),
            ("//evil.example/up", None),
            ("", None),
        ] {
            let target = upload_target(&upload, location, &digest);
            match prefix {
                Some(prefix) => assert!(target.unwrap().starts_with(prefix), "{location}"),
                None => assert!(target.is_err(), "{location}"),
            }
        }
    }
}
