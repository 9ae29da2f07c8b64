//! An action of a service, signed and retried.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::call::Call;
use super::error::AlibabaError;
use super::identity::Credentials;
use crate::backoff::Backoff;
use crate::service::Client;

/// For retries while the service is throttling.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A service of Alibaba Cloud, and the credentials for it.
#[derive(Debug)]
pub struct Api {
    /// The name in messages.
    pub service: &'static str,
    /// Its address: `https://kms.<region>.aliyuncs.com`.
    pub base: String,
    /// The version of the API.
    pub version: &'static str,
    pub credentials: Credentials,
    pub client: Client,
    /// Time limit of an action including all retries.
    pub deadline: Duration,
}

impl Api {
    /// Requests an action. While the service is throttling, retries with backoff until the deadline; a key that is
    /// refused as expired is replaced once.
    ///
    /// # Errors
    /// When the service refuses, or does not answer before the deadline.
    pub async fn ask(&self, action: &str, query: &[(&str, &str)]) -> Result<Value, AlibabaError> {
        let end = Instant::now() + self.deadline;
        let call = Call { service: self.service, base: &self.base, action, version: self.version, query };
        let (mut retries, mut renewed) = (0, false);
        loop {
            let attempt = async {
                let key = self.credentials.key(&self.client).await?;
                let answer = call.ask(&self.client, &key).await;
                Ok::<_, AlibabaError>((key, answer))
            };
            let late = || AlibabaError::Late { service: self.service, limit: self.deadline };
            let (key, answer) = tokio::time::timeout_at(end, attempt).await.map_err(|_| late())??;
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.is_expired_key() && !renewed {
                renewed = true;
                self.credentials.forget(&key).await;
                continue;
            }
            if !error.is_throttling() {
                return Err(error);
            }
            let next = Instant::now() + BACKOFF.jittered(retries);
            if next >= end {
                return Err(match error {
                    AlibabaError::Refused { service, code, .. } => AlibabaError::Busy { service, code },
                    other => other,
                });
            }
            tokio::time::sleep_until(next).await;
            retries += 1;
        }
    }
}
