//! Alibaba Cloud Container Registry, Enterprise Edition: temporary passwords by `GetAuthorizationToken`.
//!
//! Source: ACR's API 2018-12-01.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::super::credentials::Offer;
use super::super::error::RegistryError;
use super::super::hosts::Host;
use super::super::limits::Limits;
use pullgate_net::alibaba::{AlibabaError, Api, Credentials, Identity, METADATA};
use pullgate_net::service::{self, Client, ServiceError};

/// A password is not used this long before it expires.
const MARGIN: Duration = Duration::from_secs(300);
/// The longest that a password is cached, whatever the service says.
const LIFE: Duration = Duration::from_secs(3600);

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcrSettings {
    /// `cri-…`
    pub instance: String,
    /// The names of its registry, exactly as in image names. No other host gets its passwords.
    pub hosts: Vec<String>,
    /// The cloud identity that requests passwords.
    pub identity: Identity,
    /// The URL of the API: `https://cr.<region>.aliyuncs.com`.
    pub endpoint: String,
    /// The URL of the instance metadata: [`AcrSettings::METADATA`].
    pub metadata: String,
}

impl AcrSettings {
    /// The URL of the instance metadata of ECS.
    pub const METADATA: &'static str = METADATA;
}

#[derive(Debug)]
pub(super) struct Acr {
    instance: String,
    hosts: Vec<String>,
    api: Api,
    /// Locked during a request, so that concurrent callers share it.
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

impl Acr {
    pub(super) fn new(settings: AcrSettings, limits: &Limits) -> Self {
        let AcrSettings { instance, hosts, identity, endpoint, metadata } = settings;
        let client = Client::new(service::ServiceSettings {
            connect: limits.connect_timeout,
            step: limits.request_timeout,
            answer: limits.token_bytes,
            ..service::ServiceSettings::default()
        });
        // A credentials file may name a role to assume, for which the STS of any region works.
        let credentials = Credentials::new(identity, metadata, "https://sts.aliyuncs.com".to_owned());
        let (base, deadline) = (endpoint, limits.request_timeout);
        let api = Api { service: "ACR", base, version: "2018-12-01", credentials, client, deadline };
        Self { instance, hosts, api, held: Mutex::default() }
    }

    /// Whether a host belongs to this instance.
    pub(super) fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own == host)
    }

    /// A temporary user name and password for `host`, which belongs to this instance.
    pub(super) async fn offer(&self, host: &Host) -> Result<Offer, RegistryError> {
        let mut held = self.held.lock().await;
        let now = Timestamp::now();
        if let Some(held) = held.as_ref().filter(|held| now < held.until) {
            return Ok(held.offer.clone());
        }
        *held = None;
        let fresh = self.password(host, now).await?;
        let offer = fresh.offer.clone();
        *held = Some(fresh);
        Ok(offer)
    }

    async fn password(&self, host: &Host, now: Timestamp) -> Result<Held, RegistryError> {
        let answer = self.api.ask("GetAuthorizationToken", &[("InstanceId", &self.instance)]).await;
        let answer = answer.map_err(|error| failed(host, error))?;
        let (Some(username), Some(password)) =
            (text(&answer, "TempUsername"), text(&answer, "AuthorizationToken"))
        else {
            let reason = "the response of ACR has no token".to_owned();
            return Err(RegistryError::Token { host: host.authority.clone(), reason });
        };
        let stated = answer.get("ExpireTime").and_then(Value::as_i64);
        let stated = stated.and_then(|time| Timestamp::from_millisecond(time).ok()).unwrap_or(now);
        let longest = now.checked_add(LIFE).unwrap_or(now);
        let until = stated.min(longest).checked_sub(MARGIN).unwrap_or(now);
        let offer = Offer { username: Zeroizing::new(username), secret: Zeroizing::new(password) };
        Ok(Held { offer, until })
    }
}

fn failed(registry: &Host, error: AlibabaError) -> RegistryError {
    let what = "temporary password".to_owned();
    match error {
        AlibabaError::Service(ServiceError::Timeout { host, limit }) => {
            RegistryError::Timeout { host, what, limit }
        }
        AlibabaError::Service(ServiceError::Tls { host, reason }) => RegistryError::Tls { host, reason },
        AlibabaError::Service(ServiceError::Unavailable { host, reason }) => {
            RegistryError::Unavailable { host, reason }
        }
        AlibabaError::Late { limit, .. } => {
            RegistryError::Timeout { host: registry.authority.clone(), what, limit }
        }
        AlibabaError::NoKey { reason } => {
            RegistryError::Configuration { host: registry.authority.clone(), reason }
        }
        error => RegistryError::Token { host: registry.authority.clone(), reason: error.to_string() },
    }
}

fn text(answer: &Value, name: &str) -> Option<String> {
    answer.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
