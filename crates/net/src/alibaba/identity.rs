//! As whom Alibaba Cloud is asked, and the temporary keys that come of it.

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

/// Where an ECS instance finds its metadata.
pub const METADATA: &str = "http://100.100.100.200";

/// A temporary key is not used in the last minutes of its life.
const MARGIN: Duration = Duration::from_secs(300);
/// How many roles may be assumed one by another.
const CHAIN: usize = 3;

/// As whom a service is asked. It names secrets and holds none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and, with a temporary key,
    /// `ALIBABA_CLOUD_SECURITY_TOKEN`.
    Environment,
    /// A profile of a credentials file of the SDKs.
    File {
        /// The file, readable by its owner (and group) only.
        path: PathBuf,
        /// The profile; `default` mostly.
        profile: String,
    },
    /// The RAM role of the ECS instance.
    Role(String),
    /// An access key.
    Key {
        /// Its id, which is no secret.
        id: String,
        /// A file that holds its secret.
        secret_file: PathBuf,
    },
    /// A role that another identity may assume.
    Assumed(Box<Assume>),
}

/// `AssumeRole` of STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assume {
    /// Who assumes it.
    pub by: Identity,
    /// The role: `acs:ram::<account>:role/<name>`.
    pub role: String,
    /// What the session is called in ActionTrail: 2 to 64 letters, digits, `.`, `@`, `-` and `_`.
    pub session: String,
    /// What the role's owner asks for, if anything.
    pub external_id: Option<String>,
    /// How long a key lives, at least 900 s.
    pub duration: Duration,
    /// Where STS is asked: `https://sts.<region>.aliyuncs.com`.
    pub endpoint: String,
}

/// An identity with the temporary key that was made of it.
#[derive(Debug)]
pub struct Credentials {
    identity: Identity,
    metadata: String,
    sts: String,
    /// One asks, the others wait for it.
    held: Mutex<Option<Arc<AccessKey>>>,
}

impl Credentials {
    /// Credentials of `identity`, on a machine whose metadata is at `metadata` ([`METADATA`]). `sts` is asked where a
    /// credentials file names a role to assume.
    #[must_use]
    pub fn new(identity: Identity, metadata: String, sts: String) -> Self {
        Self { identity, metadata, sts, held: Mutex::default() }
    }

    /// The key to sign with now. Keys that do not end are read anew each time, so that they can be replaced.
    pub(super) async fn key(&self, client: &Client) -> Result<Arc<AccessKey>, AlibabaError> {
        let mut held = self.held.lock().await;
        let soon = Timestamp::now().checked_add(MARGIN).unwrap_or(Timestamp::MAX);
        if let Some(key) = held.as_ref().filter(|key| key.until.is_some_and(|until| soon < until)) {
            return Ok(Arc::clone(key));
        }
        *held = None;
        let key = Arc::new(self.make(client, &self.identity, CHAIN).await?);
        if key.until.is_some() {
            *held = Some(Arc::clone(&key));
        }
        Ok(key)
    }

    /// Forgets a key that was refused as expired.
    pub(super) async fn forget(&self, refused: &AccessKey) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|key| key.id == refused.id) {
            *held = None;
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
                        assumed(client, &key, &assume).await
                    }
                },
                Identity::Assumed(assume) => {
                    let depth = depth.checked_sub(1).ok_or_else(|| AlibabaError::NoKey {
                        reason: format!("more than {CHAIN} roles are assumed one by another"),
                    })?;
                    let key = self.make(client, &assume.by, depth).await?;
                    assumed(client, &key, assume).await
                }
            }
        })
    }

    async fn of_instance(&self, client: &Client, role: &str) -> Result<AccessKey, AlibabaError> {
        const WHO: &str = "instance metadata";
        let ask = async |method, url: &str, header: (&str, &str)| {
            let headers = &[header];
            let request = Request { method, url, headers, body: None, metadata: true };
            let answer = client.ask(request).await?;
            if answer.status != 200 {
                return Err(AlibabaError::Refused { who: WHO, status: answer.status, code: String::new() });
            }
            Ok(answer.body)
        };
        let base = self.metadata.trim_end_matches('/');
        let life = ("x-aliyun-ecs-metadata-token-ttl-seconds", "60");
        let token = ask(Method::PUT, &format!("{base}/latest/api/token"), life).await?;
        let token = Zeroizing::new(String::from_utf8_lossy(&token).trim().to_owned());
        let url = format!("{base}/latest/meta-data/ram/security-credentials/{role}");
        let answer = ask(Method::GET, &url, ("x-aliyun-ecs-metadata-token", &token)).await?;
        let malformed = |reason| AlibabaError::Malformed { who: WHO, reason };
        let mut answer = call::json(&answer).ok_or_else(|| malformed("is not JSON"))?;
        let success = answer.get("Code").and_then(Value::as_str).is_none_or(|code| code == "Success");
        let key = AccessKey::temporary(&mut answer).filter(|_| success);
        key.ok_or_else(|| malformed("holds no access key for the role"))
    }
}

/// Asks STS for the keys of a role.
async fn assumed(client: &Client, key: &AccessKey, assume: &Assume) -> Result<AccessKey, AlibabaError> {
    let seconds = assume.duration.as_secs().to_string();
    let mut query = vec![
        ("RoleArn", assume.role.as_str()),
        ("RoleSessionName", assume.session.as_str()),
        ("DurationSeconds", seconds.as_str()),
    ];
    query.extend(assume.external_id.as_deref().map(|id| ("ExternalId", id)));
    let call = Call {
        who: "STS",
        base: &assume.endpoint,
        action: "AssumeRole",
        version: "2015-04-01",
        query: &query,
    };
    let mut answer = call.ask(client, key).await?;
    let key = answer.get_mut("Credentials").and_then(AccessKey::temporary).filter(|key| key.until.is_some());
    key.ok_or(AlibabaError::Malformed { who: "STS", reason: "holds no temporary access key" })
}
