//! A response, read completely within the limits.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Response, Url};

use super::super::error::{Bound, RegistryError};
use super::super::failure;
use super::super::host_request::HostRequest;
use super::super::hosts::Host;
use super::super::limits::{ERROR_BODY, FIRST_BYTES};
use super::super::redirect::authority;
use super::super::request_context::RequestContext;
use super::HostClient;
use pullgate_net::memory::{self, Share};

/// A complete 2xx response, or 304 to a request with `If-None-Match`.
#[derive(Clone, Debug)]
pub(crate) struct ApiResponse {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it is 304: what the caller has is current.
    pub(crate) is_unchanged: bool,
    /// The URL of the request before redirects: relative URLs in the response that are requested later refer to it.
    pub(crate) url: Url,
}

impl ApiResponse {
    /// The header Content-Type without its parameters.
    pub(crate) fn content_type(&self) -> Option<&str> {
        let value = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let value = value.split(';').next().unwrap_or_default().trim();
        (!value.is_empty()).then_some(value)
    }
}

/// A response up to its headers.
pub(super) struct RawResponse {
    pub(super) response: Response,
    /// The requested URL, and the one that answered.
    pub(super) first: Url,
    pub(super) url: Url,
    /// Whether the requested host answered, rather than the target of a redirect.
    pub(super) own: bool,
}

/// Reads a response completely and maps its status to a result.
pub(super) async fn finish(
    client: &HostClient,
    host: &Host,
    ask: &HostRequest,
    reply: RawResponse,
    context: &RequestContext,
) -> Result<ApiResponse, RegistryError> {
    let RawResponse { response, first, url, own } = reply;
    let status = response.status();
    let headers = response.headers().clone();
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if u64::try_from(size).unwrap_or(u64::MAX) > client.limits.header_bytes {
        return Err(RegistryError::TooLarge {
            bound: Bound::Headers,
            what: format!("response header of {}", ask.what),
            limit: client.limits.header_bytes,
        });
    }
    if status.is_success() {
        let body = match ask.method {
            Method::HEAD => Bytes::new(),
            _ => {
                read((client, &context.share), host, response, &ask.what, (ask.limit, Bound::Manifest))
                    .await?
            }
        };
        return Ok(ApiResponse { headers, body, is_unchanged: false, url: first });
    }
    let is_conditional = || ask.condition.as_ref().is_some_and(|(name, _)| name == IF_NONE_MATCH);
    if status == StatusCode::NOT_MODIFIED && ask.method == Method::GET && is_conditional() {
        return Ok(ApiResponse { headers, body: Bytes::new(), is_unchanged: true, url: first });
    }
    let wait = match status.as_u16() {
        429 | 503 => context.note(&headers),
        _ => None,
    };
    let body = read_some(response).await;
    // A write is not part of a pull, whose messages must be the same on every attempt.
    let reason = if ask.push { failure::code_and_message(&body) } else { failure::reason(&body) };
    let answered_by = if own { host.authority.clone() } else { authority(&url) };
    if let Some(wait) = wait
        && own
    {
        client.cooldowns.note(&answered_by, wait, status.as_u16(), &reason);
    }
    let what = ask.what.clone();
    Err(match status.as_u16() {
        404 => RegistryError::NotFound { host: answered_by, what },
        401 | 403 => RegistryError::Unauthorized { host: answered_by, what, reason },
        status => RegistryError::Status { host: answered_by, what, status, reason },
    })
}

pub(super) async fn read(
    (client, share): (&HostClient, &Share),
    host: &Host,
    mut response: Response,
    what: &str,
    (limit, bound): (u64, Bound),
) -> Result<Bytes, RegistryError> {
    let encoded = response.headers().get_all(CONTENT_ENCODING).iter().any(|value| value != "identity");
    if encoded {
        return Err(RegistryError::Encoded { what: what.to_owned() });
    }
    let too_large = || RegistryError::TooLarge { bound, what: what.to_owned(), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let known = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::new();
    let mut reserved = Vec::new();
    let mut free = 0;
    if let Some(length) = known.filter(|length| *length > 0) {
        reserved.push(share.reserve_now(length)?);
        body.reserve_exact(length);
        free = length;
    }
    let failed = |error| failure::of(&host.authority, what, &error, client.limits.connect_timeout);
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let length = body.len().saturating_add(chunk.len());
        if u64::try_from(length).unwrap_or(u64::MAX) > limit {
            return Err(too_large());
        }
        if length > free {
            // Twice as much each time, so that there are few steps.
            let more = (length - free).max(body.len()).max(FIRST_BYTES);
            reserved.push(share.reserve_now(more)?);
            body.reserve_exact(free.saturating_add(more).saturating_sub(body.len()));
            free = free.saturating_add(more);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(memory::hold(body, reserved))
}

/// The beginning of an error's body; empty if it cannot be read.
async fn read_some(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    let limit = usize::try_from(ERROR_BODY).unwrap_or(usize::MAX);
    while body.len() < limit
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend(chunk.iter().take(limit - body.len()));
    }
    body
}
