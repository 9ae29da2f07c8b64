//! HTTP client for services that the operator configures: key management, token and metadata services.
//!
//! One request at a time, over TLS unless the service is on this machine, with limits on time and size. Redirects are
//! not followed: a signature or credential for one address must not reach another.

mod cause;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::tls::{self, TlsFiles};

pub use cause::Cause;

/// Maximum size of an answer: 64 KiB. Public keys and tokens are far smaller.
const ANSWER: u64 = 64 << 10;
/// Maximum size of the headers of an answer.
const HEADERS: u32 = 64 << 10;
/// Timeout for connecting, including TLS.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Timeout for one request, from connecting to the last byte of the answer.
pub const STEP: Duration = Duration::from_secs(15);

/// Limits and TLS settings for requests to services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Timeout for connecting, including TLS.
    pub connect: Duration,
    /// Timeout for one request including its answer.
    pub step: Duration,
    /// Maximum size of an answer, in bytes.
    pub answer: u64,
    /// PEM files with additional trusted certificate authorities.
    pub authorities: Vec<PathBuf>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self { connect: CONNECT, step: STEP, answer: ANSWER, authorities: Vec::new() }
    }
}

/// Normalises the address of a service: `https://host[:port][/path]` without a slash at the end, or `http` to this
/// machine.
///
/// # Errors
/// When `text` is not such a URL, or has credentials, a query or a fragment.
pub fn address(text: &str) -> Result<String, ServiceError> {
    let wrong = |reason| ServiceError::Address { reason };
    let url = url_without_credentials(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_this_machine(&url) => {}
        "http" => {
            return Err(wrong("it is not HTTPS; plain HTTP is allowed only for a service on this machine"));
        }
        _ => return Err(wrong("it is not HTTPS")),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Normalises the URL of a service whose answers are signed and which gets no secrets: `https` or plain `http` to any host.
///
/// # Errors
/// When `text` is not such a URL, or has credentials.
pub fn open_address(text: &str) -> Result<String, ServiceError> {
    let url = url_without_credentials(text)?;
    match url.scheme() {
        "https" | "http" => Ok(url.as_str().to_owned()),
        _ => Err(ServiceError::Address { reason: "it is neither HTTPS nor HTTP" }),
    }
}

/// The part of a URL that may be shown: a query may have a token.
#[must_use]
pub fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn url_without_credentials(text: &str) -> Result<Url, ServiceError> {
    let wrong = |reason| ServiceError::Address { reason };
    let url = Url::parse(text).map_err(|_| wrong("it is not a URL"))?;
    if url.host_str().is_none_or(str::is_empty) || url.cannot_be_a_base() {
        return Err(wrong("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it contains a user name or password"));
    }
    Ok(url)
}

/// Host and port of an address, as in the Host header.
#[must_use]
pub fn authority(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[derive(Debug)]
pub struct Request<'a> {
    pub method: Method,
    /// The whole URL.
    pub url: &'a str,
    /// May contain secrets; never logged.
    pub headers: &'a [(&'a str, &'a str)],
    /// A body: JSON, unless the headers have another type.
    pub body: Option<Bytes>,
    /// Whether plain HTTP is allowed: for the metadata service of the machine, which has nothing else, and for what is signed.
    pub plain: bool,
}

/// A complete answer with any status except a redirect.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An HTTP client that connects at the first request.
#[derive(Debug)]
pub struct Client {
    settings: ServiceSettings,
    secure: OnceCell<reqwest::Client>,
    plain: OnceCell<reqwest::Client>,
}

impl Client {
    #[must_use]
    pub fn new(settings: ServiceSettings) -> Self {
        Self { settings, secure: OnceCell::new(), plain: OnceCell::new() }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When there is no answer within the limits, or it is a redirect.
    pub async fn ask(&self, request: Request<'_>) -> Result<Answer, ServiceError> {
        let url = Url::parse(request.url).map_err(|_| ServiceError::Address { reason: "it is not a URL" })?;
        let secure = url.scheme() == "https";
        let host = authority(&url);
        if !secure && !request.plain && !is_this_machine(&url) {
            return Err(ServiceError::Address { reason: "it is not HTTPS" });
        }
        let limit = self.settings.step;
        let exchange = self.ask_within(&host, url, secure, request);
        tokio::time::timeout(limit, exchange)
            .await
            .unwrap_or_else(|_| Err(ServiceError::Timeout { host: host.clone(), limit }))
    }

    async fn ask_within(
        &self,
        host: &str,
        url: Url,
        secure: bool,
        request: Request<'_>,
    ) -> Result<Answer, ServiceError> {
        let mut builder = self.client(host, secure).await?.request(request.method, url);
        builder = builder.header(ACCEPT_ENCODING, "identity");
        for (name, value) in request.headers {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| ServiceError::Header { host: host.to_owned(), name: (*name).to_owned() })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        if let Some(body) = request.body {
            if !request.headers.iter().any(|(name, _)| CONTENT_TYPE == *name) {
                builder = builder.header(CONTENT_TYPE, "application/json");
            }
            builder = builder.body(body);
        }
        let response = builder.send().await.map_err(|error| self.failed(host, &error))?;
        let status = response.status().as_u16();
        if (300..400).contains(&status) {
            return Err(ServiceError::Redirect { host: host.to_owned() });
        }
        let headers = response.headers().clone();
        Ok(Answer { status, headers, body: self.read(host, response).await? })
    }

    async fn read(&self, host: &str, mut response: reqwest::Response) -> Result<Bytes, ServiceError> {
        let limit = self.settings.answer;
        if response.headers().get_all(CONTENT_ENCODING).iter().any(|value| value != "identity") {
            return Err(ServiceError::Malformed {
                host: host.to_owned(),
                reason: "it is compressed, although no compression was requested",
            });
        }
        // The answer may be a token, so a buffer that is too small is wiped as well.
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(host, &error))? {
            let length = body.len().saturating_add(chunk.len());
            if u64::try_from(length).unwrap_or(u64::MAX) > limit {
                return Err(ServiceError::TooLarge { host: host.to_owned(), limit });
            }
            if length > body.capacity() {
                let mut larger = Zeroizing::new(Vec::with_capacity(length.saturating_mul(2)));
                larger.extend_from_slice(&body);
                body = larger;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Bytes::from_owner(body))
    }

    async fn client(&self, host: &str, secure: bool) -> Result<&reqwest::Client, ServiceError> {
        let client = async {
            let files = TlsFiles { authorities: self.settings.authorities.clone(), ..TlsFiles::default() };
            let config = tokio::task::spawn_blocking(move || {
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                // Plain HTTP gets a configuration without trusted roots.
                let (roots, files) = if secure {
                    (tls::system_roots(), files)
                } else {
                    (RootCertStore::empty(), TlsFiles::default())
                };
                tls::config(&provider, &Arc::new(roots), &files)
            });
            let unusable = |reason| ServiceError::Configuration { host: host.to_owned(), reason };
            let config = config.await.map_err(|error| unusable(error.to_string()))?.map_err(unusable)?;
            let mut builder = builder(config, self.settings.connect, HEADERS);
            if !secure {
                builder = builder.no_proxy();
            }
            builder.build().map_err(|error| unusable(error.without_url().to_string()))
        };
        let cell = if secure { &self.secure } else { &self.plain };
        cell.get_or_try_init(|| client).await
    }

    fn failed(&self, host: &str, error: &reqwest::Error) -> ServiceError {
        let host = host.to_owned();
        match Cause::of(error) {
            Cause::Tls(reason) => ServiceError::Tls { host, reason },
            Cause::ConnectTimeout => ServiceError::Timeout { host, limit: self.settings.connect },
            Cause::Timeout => ServiceError::Timeout { host, limit: self.settings.step },
            Cause::HeadTooLarge => ServiceError::Unavailable {
                host,
                reason: "the header of its response is too large".to_owned(),
            },
            Cause::Other(reason) => ServiceError::Unavailable { host, reason },
        }
    }
}

/// The settings that all HTTP clients share: no redirects, no retries by the library, no referer, limited headers.
pub fn builder(config: ClientConfig, connect: Duration, headers: u32) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("pullgate/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .pool_idle_timeout(Duration::from_secs(30))
        // A signer has two requests in progress for each of its workers.
        .pool_max_idle_per_host(32)
        .http2_max_header_list_size(headers)
        .http1_max_headers(100)
}

/// Why a request failed. Of what the service sent, at most a short printable text is included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Requests to this address are not allowed.
    #[error("the address of the service cannot be used: {reason}")]
    Address { reason: &'static str },
    /// A certificate file or the system's TLS cannot be used.
    #[error("{host}: {reason}")]
    Configuration { host: String, reason: String },
    /// A value, possibly a secret, is not valid in a header.
    #[error("the value of header `{name}` for {host} contains characters that a header cannot have")]
    Header { host: String, name: String },
    #[error("the response of {host} cannot be read: {reason}")]
    Malformed { host: String, reason: &'static str },
    /// The answer is a redirect.
    #[error("{host} answered with a redirect, which pullgate does not follow")]
    Redirect { host: String },
    #[error("{host} did not answer within {limit:?}")]
    Timeout {
        host: String,
        /// The time limit.
        limit: Duration,
    },
    /// The TLS handshake failed.
    #[error("TLS with {host} failed: {reason}")]
    Tls { host: String, reason: String },
    /// The answer is larger than the limit.
    #[error("the response of {host} has more than {limit} bytes")]
    TooLarge { host: String, limit: u64 },
    /// The connection failed.
    #[error("{host} cannot be reached: {reason}")]
    Unavailable { host: String, reason: String },
}

impl ServiceError {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Unavailable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_on_this_machine() {
        for (text, expected) in [
            ("https://kms.example", Some("https://kms.example")),
            ("https://kms.example:8200/vault/", Some("https://kms.example:8200/vault")),
            ("http://127.0.0.1:8200", Some("http://127.0.0.1:8200")),
            ("http://[::1]:8200/", Some("http://[::1]:8200")),
            ("http://localhost", Some("http://localhost")),
            ("http://kms.example", None),
            ("http://127.0.0.1.example", None),
            ("http://100.100.100.200", None),
            ("ftp://kms.example", None),
            ("https://user@kms.example", None),
            ("https://kms.example?a=b", None),
            ("https://kms.example#a", None),
            ("kms.example", None),
            ("https://", None),
        ] {
            assert_eq!(address(text).ok().as_deref(), expected, "{text}");
        }
    }
}
