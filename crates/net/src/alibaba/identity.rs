//! Identities for requests to Alibaba Cloud, and the temporary keys made from them.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::access_key::AccessKey;
use super::call::{self, Call};
use super::environment;
use super::error::AlibabaError;
use super::profile::{self, Profile};
use crate::secret;
use crate::service::{Client, Request};

/// The metadata service of an ECS instance.
pub const METADATA: &str = "http://100.100.100.200";

/// A temporary key is not used any more when it expires within this time.
const MARGIN: Duration = Duration::from_secs(300);
/// Maximum number of chained roles.
const CHAIN: usize = 3;

/// The identity for requests to a service. It refers to secrets but contains none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and, with a temporary key,
    /// `ALIBABA_CLOUD_SECURITY_TOKEN`.
    Environment,
    /// A profile of a credentials file of the SDKs.
    File {
        /// The file, readable by its owner and group only.
        path: PathBuf,
        /// The name of the profile, usually `default`.
        profile: String,
    },
    /// The RAM role of the ECS instance.
    Role(String),
    Key {
        /// The id, which is not secret.
        id: String,
        /// The file that contains the secret.
        secret_file: PathBuf,
    },
    Assumed(Box<Assume>),
}

/// `AssumeRole` of STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assume {
    /// The identity that assumes the role.
    pub by: Identity,
    /// The role: `acs:ram::<account>:role/<name>`.
    pub role: String,
    /// Session name in ActionTrail: 2 to 64 letters, digits, `.`, `@`, `-` and `_`.
    pub session: String,
    /// The external id, if the role requires one.
    pub external_id: Option<String>,
    /// Lifetime of the temporary key, at least 900 s.
    pub duration: Duration,
    /// The address of STS: `https://sts.<region>.aliyuncs.com`.
    pub endpoint: String,
}

/// An identity with its cached temporary key.
#[derive(Debug)]
pub struct Credentials {
    identity: Identity,
    metadata: String,
    sts: String,
    /// Locked during a request, so that concurrent callers share it.
    cached: Mutex<Option<Arc<AccessKey>>>,
}

impl Credentials {
    /// Credentials of `identity`. `metadata` is the address of the metadata service ([`METADATA`]), `sts` that of STS
    /// for a credentials file with a role to assume.
    #[must_use]
    pub fn new(identity: Identity, metadata: String, sts: String) -> Self {
        Self { identity, metadata, sts, cached: Mutex::default() }
    }

    /// The key to sign with now. Keys without expiry are read again each time, so that they can be replaced.
    pub(super) async fn key(&self, client: &Client) -> Result<Arc<AccessKey>, AlibabaError> {
        let mut cached = self.cached.lock().await;
        let earliest_expiry = Timestamp::now().checked_add(MARGIN).unwrap_or(Timestamp::MAX);
        if let Some(key) =
            cached.as_ref().filter(|key| key.until.is_some_and(|until| earliest_expiry < until))
        {
            return Ok(Arc::clone(key));
        }
        *cached = None;
        let key = Arc::new(self.make(client, &self.identity, CHAIN).await?);
        if key.until.is_some() {
            *cached = Some(Arc::clone(&key));
        }
        Ok(key)
    }

    /// Drops the cached key if it is `refused`, a key that the service refused as expired.
    pub(super) async fn forget(&self, refused: &AccessKey) {
        let mut cached = self.cached.lock().await;
        if cached.as_ref().is_some_and(|key| key.id == refused.id) {
            *cached = None;
        }
    }

    fn make<'a>(
        &'a self,
        client: &'a Client,
        identity: &'a Identity,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<AccessKey, AlibabaError>> + Send + 'a>> {
        Box::pin(async move {
            match identity {
                Identity::Environment => environment::read(|name| std::env::var(name).ok()),
                Identity::Key { id, secret_file } => {
                    let secret = secret::read(secret_file);
                    let secret = secret.map_err(|reason| AlibabaError::NoKey { reason })?;
                    Ok(AccessKey { id: id.clone(), secret, token: None, until: None })
                }
                Identity::Role(role) => self.of_instance(client, role).await,
                Identity::File { path, profile } => match profile::read(path, profile)? {
                    Profile::Key(key) => Ok(key),
                    Profile::Role(role) => self.of_instance(client, &role).await,
                    Profile::Assume { key, role, session } => {
                        let duration = Duration::from_secs(3600);
                        let (by, endpoint) = (Identity::Environment, self.sts.clone());
                        let external_id = None;
                        let assume = Assume { by, role, session, external_id, duration, endpoint };
                        assume_role(client, &key, &assume).await
                    }
                },
                Identity::Assumed(assume) => {
                    let depth = depth.checked_sub(1).ok_or_else(|| AlibabaError::NoKey {
                        reason: format!("more than {CHAIN} roles are chained by `assume-role`"),
                    })?;
                    let key = self.make(client, &assume.by, depth).await?;
                    assume_role(client, &key, assume).await
                }
            }
        })
    }

    async fn of_instance(&self, client: &Client, role: &str) -> Result<AccessKey, AlibabaError> {
        const SERVICE: &str = "instance metadata";
        let ask = async |method, url: &str, header: (&str, &str)| {
            let headers = &[header];
            let request = Request { method, url, headers, body: None, plain: true };
            let answer = client.ask(request).await?;
            if answer.status != 200 {
                return Err(AlibabaError::Refused {
                    service: SERVICE,
                    status: answer.status,
                    code: String::new(),
                });
            }
            Ok(answer.body)
        };
        let base = self.metadata.trim_end_matches('/');
        let ttl = ("x-aliyun-ecs-metadata-token-ttl-seconds", "60");
        let token = ask(Method::PUT, &format!("{base}/latest/api/token"), ttl).await?;
        let token = Zeroizing::new(String::from_utf8_lossy(&token).trim().to_owned());
        let url = format!("{base}/latest/meta-data/ram/security-credentials/{role}");
        let answer = ask(Method::GET, &url, ("x-aliyun-ecs-metadata-token", &token)).await?;
        let malformed = |reason| AlibabaError::Malformed { service: SERVICE, reason };
        let mut answer = call::json(&answer).ok_or_else(|| malformed("is not JSON"))?;
        let success = answer.get("Code").and_then(Value::as_str).is_none_or(|code| code == "Success");
        let key = AccessKey::temporary(&mut answer).filter(|_| success);
        key.ok_or_else(|| malformed("contains no access key for the role"))
    }
}

/// Requests a temporary key for a role from STS.
async fn assume_role(client: &Client, key: &AccessKey, assume: &Assume) -> Result<AccessKey, AlibabaError> {
    let seconds = assume.duration.as_secs().to_string();
    let mut query = vec![
        ("RoleArn", assume.role.as_str()),
        ("RoleSessionName", assume.session.as_str()),
        ("DurationSeconds", seconds.as_str()),
    ];
    query.extend(assume.external_id.as_deref().map(|id| ("ExternalId", id)));
    let call = Call {
        service: "STS",
        base: &assume.endpoint,
        action: "AssumeRole",
        version: "2015-04-01",
        query: &query,
    };
    let mut answer = call.ask(client, key).await?;
    let key = answer.get_mut("Credentials").and_then(AccessKey::temporary).filter(|key| key.until.is_some());
    key.ok_or(AlibabaError::Malformed { service: "STS", reason: "contains no temporary access key" })
}
