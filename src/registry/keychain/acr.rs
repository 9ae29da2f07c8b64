//! Alibaba Cloud Container Registry, Enterprise Edition: temporary passwords by `GetAuthorizationToken`, asked for with the
//! RAM role of this ECS instance or with an access key.
//!
//! Sources: ACR's API 2018-12-01; ECS instance metadata in its token mode, the only one that is used.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::super::clients::Audience;
use super::super::credentials::Offer;
use super::super::error::RegistryError;
use super::super::exchange::Exchange;
use super::super::hosts::{Host, is_local};
use super::super::redirect::authority;
use super::{acs, secret};
use crate::digest::hex;

/// A password is not used in the last minutes of its life.
const MARGIN: Duration = Duration::from_secs(300);
/// The longest that a password is used again, whatever the service says.
const LIFE: Duration = Duration::from_secs(3600);

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcrSettings {
    /// `cri-…`
    pub instance: String,
    /// The names of its registry, exactly as images are named by them. Nobody else gets its passwords.
    pub hosts: Vec<String>,
    /// As whom passwords are asked for.
    pub identity: AcrIdentity,
    /// The URL of the API: `https://cr.<region>.aliyuncs.com`.
    pub endpoint: String,
    /// The URL of the instance metadata: [`AcrSettings::METADATA`].
    pub metadata: String,
}

impl AcrSettings {
    /// Where an ECS instance finds its metadata.
    pub const METADATA: &'static str = "http://100.100.100.200";
}

/// As whom temporary passwords are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcrIdentity {
    /// The RAM role of the ECS instance.
    Role(String),
    /// An access key.
    Key {
        /// Its id, which is no secret.
        id: String,
        /// A file that holds its secret.
        secret_file: PathBuf,
    },
}

#[derive(Debug)]
pub(super) struct Acr {
    settings: AcrSettings,
    /// One asks, the others wait for it.
    held: Mutex<Option<Held>>,
}

struct Held {
    offer: Offer,
    until: Timestamp,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held(<redacted>)")
    }
}

/// An access key that signs requests.
struct AccessKey {
    id: String,
    secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
}

impl Acr {
    pub(super) fn new(settings: AcrSettings) -> Self {
        Self { settings, held: Mutex::default() }
    }

    /// Whether a host is one of this instance's own.
    pub(super) fn speaks_for(&self, host: &str) -> bool {
        self.settings.hosts.iter().any(|own| own == host)
    }

    /// A temporary user and password for `host`, which is one of its own.
    pub(super) async fn offer(&self, exchange: &Exchange, host: &Host) -> Result<Offer, RegistryError> {
        let mut held = self.held.lock().await;
        let now = Timestamp::now();
        if let Some(held) = held.as_ref().filter(|held| now < held.until) {
            return Ok(held.offer.clone());
        }
        *held = None;
        let asking = Asking { exchange, host, settings: &self.settings };
        let key = asking.access_key().await?;
        let fresh = asking.password(&key, now).await?;
        let offer = fresh.offer.clone();
        *held = Some(fresh);
        Ok(offer)
    }
}

struct Asking<'a> {
    exchange: &'a Exchange,
    host: &'a Host,
    settings: &'a AcrSettings,
}

impl Asking<'_> {
    async fn access_key(&self) -> Result<AccessKey, RegistryError> {
        let role = match &self.settings.identity {
            AcrIdentity::Key { id, secret_file } => {
                let secret = secret::read(secret_file).map_err(|reason| RegistryError::Configuration {
                    host: self.host.authority.clone(),
                    reason,
                })?;
                return Ok(AccessKey { id: id.clone(), secret, token: None });
            }
            AcrIdentity::Role(role) => role,
        };
        let base = self.settings.metadata.as_str();
        let life = [("x-aliyun-ecs-metadata-token-ttl-seconds", "60")];
        let token =
            self.ask("instance metadata", Method::PUT, &format!("{base}/latest/api/token"), &life).await?;
        let token = Zeroizing::new(String::from_utf8_lossy(&token).trim().to_owned());
        let url = format!("{base}/latest/meta-data/ram/security-credentials/{role}");
        let shown = [("x-aliyun-ecs-metadata-token", token.as_str())];
        let answer = self.json("instance metadata", Method::GET, &url, &shown).await?;
        let field = |name: &str| text(&answer, name);
        match (field("AccessKeyId"), field("AccessKeySecret"), field("SecurityToken")) {
            (Some(id), Some(secret), Some(token)) => {
                Ok(AccessKey { id, secret: Zeroizing::new(secret), token: Some(Zeroizing::new(token)) })
            }
            _ => Err(self.no_token("the instance metadata holds no access key for the role")),
        }
    }

    async fn password(&self, key: &AccessKey, now: Timestamp) -> Result<Held, RegistryError> {
        let endpoint =
            Url::parse(&self.settings.endpoint).map_err(|_| self.no_token("its endpoint is not a URL"))?;
        let host = authority(&endpoint);
        let date = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut random = [0; 16];
        let filled = self.exchange.clients.provider().secure_random.fill(&mut random);
        filled.map_err(|_| self.no_token("the system gives no random bytes"))?;
        let request = acs::Request {
            host: &host,
            action: "GetAuthorizationToken",
            version: "2018-12-01",
            date: &date,
            nonce: &hex(&random),
            security_token: key.token.as_ref().map(|token| token.as_str()),
            query: &[("InstanceId", self.settings.instance.as_str())],
        };
        let signed = request.headers();
        let authorization = request.authorization(&key.id, &key.secret);
        let mut headers: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("authorization", &authorization));
        let url = format!("{}/?{}", self.settings.endpoint.trim_end_matches('/'), request.query());
        let answer = self.json("ACR", Method::POST, &url, &headers).await?;
        let (Some(username), Some(password)) =
            (text(&answer, "TempUsername"), text(&answer, "AuthorizationToken"))
        else {
            return Err(self.no_token("there is none in the answer of ACR"));
        };
        let stated = answer.get("ExpireTime").and_then(Value::as_i64);
        let stated = stated.and_then(|time| Timestamp::from_millisecond(time).ok()).unwrap_or(now);
        let longest = now.checked_add(LIFE).unwrap_or(now);
        let until = stated.min(longest).checked_sub(MARGIN).unwrap_or(now);
        let offer = Offer { username: Zeroizing::new(username), secret: Zeroizing::new(password) };
        Ok(Held { offer, until })
    }

    async fn json(
        &self,
        who: &str,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Value, RegistryError> {
        let body = self.ask(who, method, url, headers).await?;
        serde_json::from_slice(&body).map_err(|_| self.no_token(&format!("the answer of {who} is not JSON")))
    }

    async fn ask(
        &self,
        who: &str,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<bytes::Bytes, RegistryError> {
        let url =
            Url::parse(url).map_err(|_| self.no_token(&format!("the address of {who} is not a URL")))?;
        let secure = url.scheme() == "https";
        // Secrets are signed with, never sent; still, only the metadata of this machine is asked in the clear.
        let audience = if secure { Audience::Configured } else { Audience::Local };
        let plain = url.as_str().starts_with(&self.settings.metadata) || is_local(&authority(&url));
        if !secure && !plain {
            return Err(self.no_token(&format!("the address of {who} is not HTTPS")));
        }
        let (status, body) =
            self.exchange.ask_service(&authority(&url), audience, method, url, headers, who).await?;
        if status == 200 {
            return Ok(body);
        }
        let code = serde_json::from_slice::<Value>(&body).ok().and_then(|answer| text(&answer, "Code"));
        let code = code.filter(|code| {
            code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        });
        let code = code.map_or_else(String::new, |code| {
            let clock =
                if code.starts_with("InvalidTimeStamp") { ": is this node's clock right?" } else { "" };
            format!(" ({code}{clock})")
        });
        Err(self.no_token(&format!("{who} answered {status}{code}")))
    }

    fn no_token(&self, reason: &str) -> RegistryError {
        RegistryError::Token { host: self.host.authority.clone(), reason: reason.to_owned() }
    }
}

fn text(answer: &Value, name: &str) -> Option<String> {
    answer.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
