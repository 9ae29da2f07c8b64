//! Services that the operator named: key management, token and metadata services.
//!
//! One question at a time, over TLS unless the service is on this machine, within bounds on time and bytes, and without
//! following redirects: what is signed or shown to one address is for no other.

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

pub use cause::{Cause, remote};

/// Bytes of an answer that are read: 64 KiB. A public key or a token is far smaller.
const ANSWER: u64 = 64 << 10;
/// Bytes of an answer's headers.
const HEADERS: u32 = 64 << 10;
/// Time for a connection, TLS included.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Time for one request, from the connection to the last byte of its answer.
pub const STEP: Duration = Duration::from_secs(15);

/// How services are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Time for a connection, TLS included.
    pub connect: Duration,
    /// Time for one request with all of its answer.
    pub step: Duration,
    /// Bytes of an answer that are read.
    pub answer: u64,
    /// PEM files with certificates of authorities that are trusted in addition to the system's.
    pub authorities: Vec<PathBuf>,
    /// What we call ourselves.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: CONNECT,
            step: STEP,
            answer: ANSWER,
            authorities: Vec::new(),
            user_agent: concat!("pullgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The address of a service as it is kept: `https://host[:port][/path]` without a slash at the end, or `http` to this
/// machine.
///
/// # Errors
/// When `text` is no such URL, or carries credentials, a query or a fragment.
pub fn address(text: &str) -> Result<String, ServiceError> {
    let wrong = |reason| ServiceError::Address { reason };
    let url = Url::parse(text).map_err(|_| wrong("it is not a URL"))?;
    if url.host_str().is_none_or(str::is_empty) || url.cannot_be_a_base() {
        return Err(wrong("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it carries credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_this_machine(&url) => {}
        "http" => {
            return Err(wrong("it is not HTTPS; plain HTTP is possible for a service on this machine only"));
        }
        _ => return Err(wrong("it is not HTTPS")),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Host and port of an address, as the header Host has them.
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

/// One question.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: &'a str,
    /// Headers, some of which may be secret: none is ever logged.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, which is JSON.
    pub body: Option<Bytes>,
    /// The address is that of the machine's own metadata, which there is in the clear only.
    pub metadata: bool,
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; never that of a redirect.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Asks services. Opens nothing before the first question.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    secure: OnceCell<reqwest::Client>,
    plain: OnceCell<reqwest::Client>,
}

impl Client {
    /// A client with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, secure: OnceCell::new(), plain: OnceCell::new() }
    }

    /// Asks once.
    ///
    /// # Errors
    /// When there is no answer within the bounds, or it leads elsewhere.
    pub async fn ask(&self, request: Request<'_>) -> Result<Answer, ServiceError> {
        let url = Url::parse(request.url).map_err(|_| ServiceError::Address { reason: "it is not a URL" })?;
        let secure = url.scheme() == "https";
        let host = authority(&url);
        if !secure && !request.metadata && !is_this_machine(&url) {
            return Err(ServiceError::Address { reason: "it is not HTTPS" });
        }
        let limit = self.settings.step;
        let asked = self.ask_within(&host, url, secure, request);
        tokio::time::timeout(limit, asked)
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
            builder = builder.header(CONTENT_TYPE, "application/json").body(body);
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
            return Err(ServiceError::Malformed { host: host.to_owned(), reason: "it is compressed" });
        }
        // It may be a token. A buffer that is too small is wiped, too.
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
        let made = async {
            let files = TlsFiles { authorities: self.settings.authorities.clone(), ..TlsFiles::default() };
            let made = tokio::task::spawn_blocking(move || {
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                // Plain HTTP gets settings that trust nobody.
                let (roots, files) = if secure {
                    (tls::system_roots(), files)
                } else {
                    (RootCertStore::empty(), TlsFiles::default())
                };
                tls::config(&provider, &Arc::new(roots), &files)
            });
            let unusable = |reason| ServiceError::Configuration { host: host.to_owned(), reason };
            let config = made.await.map_err(|error| unusable(error.to_string()))?.map_err(unusable)?;
            let mut builder = builder(config, &self.settings.user_agent, self.settings.connect, HEADERS);
            if !secure {
                builder = builder.no_proxy();
            }
            builder.build().map_err(|error| unusable(error.without_url().to_string()))
        };
        let cell = if secure { &self.secure } else { &self.plain };
        cell.get_or_try_init(|| made).await
    }

    fn failed(&self, host: &str, error: &reqwest::Error) -> ServiceError {
        let host = host.to_owned();
        match Cause::of(error) {
            Cause::Tls(reason) => ServiceError::Tls { host, reason },
            Cause::ConnectTimeout => ServiceError::Timeout { host, limit: self.settings.connect },
            Cause::Timeout => ServiceError::Timeout { host, limit: self.settings.step },
            Cause::HeadTooLarge => {
                ServiceError::Unavailable { host, reason: "the header of its answer is too large".to_owned() }
            }
            Cause::Other(reason) => ServiceError::Unavailable { host, reason },
        }
    }
}

/// What every client of ours has in common: no redirects and no retries that we do not make, no referer, bounded headers.
pub fn builder(
    config: ClientConfig,
    user_agent: &str,
    connect: Duration,
    headers: u32,
) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(user_agent)
        .connect_timeout(connect)
        .pool_idle_timeout(Duration::from_secs(30))
        // A signer has two requests under way for each of its workers.
        .pool_max_idle_per_host(32)
        .http2_max_header_list_size(headers)
        .http1_max_headers(100)
}

/// Why a service gave no answer. What a service said is never in it beyond a short printable text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The address may not be asked.
    #[error("the address of the service cannot be used: {reason}")]
    Address {
        /// Why.
        reason: &'static str,
    },
    /// A certificate file or the system's TLS cannot be used.
    #[error("{host}: {reason}")]
    Configuration {
        /// The host.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// A value, perhaps a secret, cannot stand in a header.
    #[error("the value of `{name}` for {host} cannot be sent in a header")]
    Header {
        /// The host.
        host: String,
        /// The header.
        name: String,
    },
    /// The answer cannot be read.
    #[error("{host} answered what cannot be read: {reason}")]
    Malformed {
        /// The host.
        host: String,
        /// Why.
        reason: &'static str,
    },
    /// The answer leads elsewhere.
    #[error("{host} redirects, and no redirect is followed with what was signed for it")]
    Redirect {
        /// The host.
        host: String,
    },
    /// No answer in time.
    #[error("{host} did not answer within {limit:?}")]
    Timeout {
        /// The host.
        host: String,
        /// The time it had.
        limit: Duration,
    },
    /// No trust in the connection.
    #[error("TLS with {host}: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// More than the bound.
    #[error("the answer of {host} has more than {limit} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The bound.
        limit: u64,
    },
    /// No connection.
    #[error("{host} cannot be reached: {reason}")]
    Unavailable {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
}

impl ServiceError {
    /// Whether the same question may be answered later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Unavailable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_of_this_machine() {
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
