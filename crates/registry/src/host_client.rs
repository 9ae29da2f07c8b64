//! One request to one host: authorization, redirects, timeouts and size limits.

mod response;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use reqwest::Url;

use super::challenge::{Challenge, challenge};
use super::client_pool::ClientPool;
use super::concurrency_limit::ConcurrencyLimit;
use super::cooldowns::Cooldowns;
use super::credentials::Offer;
use super::error::{Bound, RegistryError};
use super::failure;
use super::host_request::HostRequest;
use super::hosts::{Host, Scheme, is_local};
use super::keychain::{Keychain, Offered};
use super::limits::Limits;
use super::realm::registry_url;
use super::redirect::{audience, authority, redirect, same_origin};
use super::request_context::RequestContext;
use super::request_counts::RequestCounts;
use super::token::{self, Access, TokenService, Tokens};
use pullgate_net::memory::{MemoryBudget, MemoryError};
use pullgate_net::service::Cause;
pub(super) use response::ApiResponse;
use response::{RawResponse, finish, read};

/// What all requests share.
#[derive(Debug)]
pub(super) struct HostClient {
    pub(super) clients: ClientPool,
    pub(super) tokens: Tokens,
    pub(super) limits: Limits,
    pub(super) keychain: Keychain,
    /// Limits requests per host.
    pub(super) concurrency_limit: ConcurrencyLimit,
    pub(super) cooldowns: Cooldowns,
    /// Hosts of token services that get credentials from every registry.
    pub(super) trusted: Vec<String>,
    /// The memory for responses.
    pub(super) memory: MemoryBudget,
    pub(super) counts: RequestCounts,
}

/// The result of one attempt.
enum Step {
    Answered(ApiResponse),
    /// The challenge, and whether it came over TLS.
    Challenged(Challenge, bool),
    /// Refused in a way that may mean that the authorization is not valid any more.
    Rejected(RegistryError),
}

impl HostClient {
    /// Sends a request to one host, with the authorization that it requires.
    ///
    /// # Errors
    /// For everything but a 2xx response that is read completely within the limits.
    pub(super) async fn send(
        &self,
        host: &Host,
        ask: &HostRequest,
        context: &RequestContext,
    ) -> Result<ApiResponse, RegistryError> {
        let (sent, no_credentials) = match self.offer(host, ask, context).await {
            Ok((offer, failure)) => (self.send_offering(host, ask, context, &offer).await, failure),
            Err(error) => (Err(error), None),
        };
        let sent = sent.map_err(|error| error.because(no_credentials.as_deref()));
        self.counts.add(&sent);
        sent
    }

    /// What may be sent to the host; and why there may be less, if a program of the operator failed.
    async fn offer(
        &self,
        host: &Host,
        ask: &HostRequest,
        context: &RequestContext,
    ) -> Result<Offered, RegistryError> {
        let mut offer = context.credentials.offer(&host.authority)?;
        // The operator's credentials are for pulls without credentials, and never for writes.
        if !context.credentials.is_empty() || ask.push || context.push || context.is_unauthenticated {
            return Ok((offer, None));
        }
        offer = self.keychain.offer(host, &ask.repository).await?;
        if offer.is_empty() {
            offer = host.credentials.offer(&host.authority)?;
        }
        if offer.is_empty() {
            // Lookups at other registries need the permit, and do not wait for a program.
            let end_turn = || context.end_turn();
            return Ok(self.keychain.print(host, &ask.repository, &context.printed, end_turn).await);
        }
        Ok((offer, None))
    }

    async fn send_offering(
        &self,
        host: &Host,
        ask: &HostRequest,
        context: &RequestContext,
        offer: &Offer,
    ) -> Result<ApiResponse, RegistryError> {
        match self.send_once(host, ask, context, offer).await {
            Err(RegistryError::Memory(MemoryError::NotYet)) => {
                // The response is larger than lookups may read without waiting. It is dropped, and requested again once
                // there is memory: waiting takes neither a connection nor a permit that others need.
                context.end_turn();
                match context.share.enlarge(self.limits.queue_timeout).await {
                    Ok(()) => self.send_once(host, ask, context, offer).await,
                    Err(error) => Err(error.into()),
                }
            }
            sent => sent,
        }
    }

    async fn send_once(
        &self,
        host: &Host,
        ask: &HostRequest,
        context: &RequestContext,
        offer: &Offer,
    ) -> Result<ApiResponse, RegistryError> {
        let push = ask.push || context.push;
        let _permit = self.concurrency_limit.take(&host.authority).await?;
        if let Some((until, error)) = self.cooldowns.active(&host.authority, &ask.what) {
            context.not_before(until);
            return Err(error);
        }
        let slot = match context.is_unauthenticated {
            true => token::Slot::default(),
            false => self.tokens.slot(host, offer, Access { repository: &ask.repository, push }),
        };
        let mut authorization = token::granted(&slot).await;
        // A cached grant may be refused once; a fresh one is final, and so is none where none may be obtained.
        let mut fresh = context.is_unauthenticated;
        loop {
            let step = async {
                let reply = self.attempt(host, ask, authorization.as_ref()).await?;
                let may_mean_expired = reply.own && may_mean_expired(&reply);
                if reply.response.status() == StatusCode::UNAUTHORIZED
                    && reply.own
                    && !fresh
                    && let Some(challenge) = challenge(reply.response.headers())
                {
                    return Ok(Step::Challenged(challenge, reply.url.scheme() == "https"));
                }
                match finish(self, host, ask, reply, context).await {
                    Err(error) if may_mean_expired => Ok(Step::Rejected(error)),
                    other => other.map(Step::Answered),
                }
            };
            let (challenge, secure) = match self.in_time(host, &ask.what, step).await? {
                Step::Answered(answer) => return Ok(answer),
                Step::Challenged(challenge, secure) => (challenge, secure),
                Step::Rejected(error) => {
                    let Some(used) = &authorization else { return Err(error) };
                    if fresh {
                        token::not_expired(&slot, used).await;
                        return Err(error);
                    }
                    let Some(known) = token::expired(&slot, used).await else { return Err(error) };
                    known
                }
            };
            if !offer.is_empty() && downgraded(host, secure) {
                return Err(RegistryError::Tls {
                    host: host.authority.clone(),
                    reason:
                        "it answers only over plain HTTP, and pullgate sends no credentials over plain HTTP"
                            .to_owned(),
                });
            }
            let access = Access { repository: &ask.repository, push };
            let what = &ask.what;
            let request = token::Request { host, secure, challenge: &challenge, offer, access, what };
            authorization = Some(token::obtain(self, &slot, &request, authorization.as_ref()).await?);
            fresh = true;
        }
    }

    async fn in_time<T>(
        &self,
        host: &Host,
        what: &str,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let limit: Duration = self.limits.request_timeout;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(RegistryError::Timeout { host: host.authority.clone(), what: what.to_owned(), limit })
        })
    }

    /// One request with its redirects, up to the response headers.
    async fn attempt(
        &self,
        host: &Host,
        ask: &HostRequest,
        authorization: Option<&HeaderValue>,
    ) -> Result<RawResponse, RegistryError> {
        let mut secure = match host.scheme {
            Scheme::Https => true,
            Scheme::Http => false,
            Scheme::HttpsThenHttp => !self.clients.is_plain_http(&host.authority),
        };
        loop {
            let scheme = if secure { "https" } else { "http" };
            let url = Url::parse(&format!("{scheme}://{}{}", host.authority, ask.target)).map_err(|_| {
                RegistryError::Malformed {
                    what: ask.what.clone(),
                    reason: "its address is not a URL".to_owned(),
                }
            })?;
            let authorization = authorization.filter(|_| !downgraded(host, secure));
            match self.follow(host, ask, url, authorization).await {
                Ok(reply) => return Ok(reply),
                Err(Failed::PlainHttp) if host.scheme == Scheme::HttpsThenHttp && secure => {
                    self.clients.remember_plain(&host.authority);
                    secure = false;
                }
                Err(Failed::PlainHttp) => {
                    return Err(RegistryError::Tls {
                        host: host.authority.clone(),
                        reason: "it answers over plain HTTP".to_owned(),
                    });
                }
                Err(Failed::Error(error)) => return Err(error),
            }
        }
    }

    async fn follow(
        &self,
        host: &Host,
        ask: &HostRequest,
        first: Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<RawResponse, Failed> {
        let mut url = first.clone();
        let mut own = true;
        for _ in 0..=self.limits.redirects {
            let client = self.clients.get(host, audience(&url, own), url.scheme() == "https").await?;
            let mut builder =
                client.request(ask.method.clone(), url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(accept) = ask.accept {
                builder = builder.header(ACCEPT, accept);
            }
            if own {
                builder = builder.headers(host.header.clone());
                if let Some(value) = authorization {
                    builder = builder.header(AUTHORIZATION, value.clone());
                }
            }
            if let Some((name, value)) = &ask.condition {
                builder = builder.header(name, value.clone());
            }
            if let Some((body, media_type)) = &ask.body {
                builder = builder.header(CONTENT_TYPE, *media_type).body(body.clone());
            }
            let response = match builder.send().await {
                Ok(response) => response,
                Err(error) if Cause::is_plain_http(&error) => return Err(Failed::PlainHttp),
                Err(error) => {
                    let answered_by = if own { host.authority.clone() } else { authority(&url) };
                    return Err(
                        failure::of(&answered_by, &ask.what, &error, self.limits.connect_timeout).into()
                    );
                }
            };
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(RawResponse { response, first, url, own });
            }
            let next = redirect(host, ask, &first, &url, &response)?;
            own = own && same_origin(&url, &next);
            url = next;
        }
        Err(RegistryError::TooManyRedirects { host: host.authority.clone(), limit: self.limits.redirects }
            .into())
    }
}

impl TokenService for HostClient {
    async fn ask(
        &self,
        request: &token::Request<'_>,
        url: Url,
        form: Option<&str>,
        authorization: Option<&str>,
    ) -> Result<(u16, Bytes), RegistryError> {
        let host = request.host;
        let own = registry_url(&host.authority, request.secure)
            .is_some_and(|registry| same_origin(&registry, &url));
        let client = self.clients.get(host, audience(&url, own), url.scheme() == "https").await?;
        let mut builder = match form {
            None => client.get(url),
            Some(form) => client
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
                .body(form.to_owned()),
        };
        builder = builder.header(ACCEPT_ENCODING, "identity");
        if own {
            builder = builder.headers(host.header.clone());
        }
        if let Some(text) = authorization {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                RegistryError::Credentials("they contain characters that a header cannot have")
            })?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        let what = format!("token for {}", request.what);
        let exchange = async {
            let response = builder
                .send()
                .await
                .map_err(|error| failure::of(&host.authority, &what, &error, self.limits.connect_timeout))?;
            let status = response.status().as_u16();
            if (300..400).contains(&status) {
                return Err(RegistryError::RedirectRefused {
                    host: host.authority.clone(),
                    reason: "its token service answered with a redirect, which pullgate does not follow"
                        .to_owned(),
                });
            }
            // Small, and not kept: beside the memory of the lookup.
            let bound = (self.limits.token_bytes, Bound::Token);
            let body = read((self, &self.memory.share("")), host, response, &what, bound).await?;
            Ok((status, body))
        };
        self.in_time(host, &what, exchange).await
    }

    fn trusted(&self) -> &[String] {
        &self.trusted
    }
}

/// Registries also refuse a token that is not valid any more with 400, or with 401 without a challenge.
fn may_mean_expired(reply: &RawResponse) -> bool {
    match reply.response.status() {
        StatusCode::BAD_REQUEST => true,
        StatusCode::UNAUTHORIZED => challenge(reply.response.headers()).is_none(),
        _ => false,
    }
}

/// Why a request got no response.
enum Failed {
    /// An HTTPS request to a host that answers in plain HTTP.
    PlainHttp,
    Error(RegistryError),
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        Self::Error(error)
    }
}

/// Whether the connection lacks the TLS that the host is configured for. `skip_verify` gives no protection to lose, and
/// this machine needs none.
fn downgraded(host: &Host, secure: bool) -> bool {
    !secure
        && host.scheme == Scheme::HttpsThenHttp
        && host.tls.skip_verify != Some(true)
        && !is_local(&host.authority)
}
