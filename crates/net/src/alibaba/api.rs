//! One action of one service, signed, asked, and asked again where that helps.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::call::Call;
use super::error::AlibabaError;
use super::identity::Credentials;
use crate::backoff::Backoff;
use crate::service::Client;

/// Retries while the service is busy.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A service of Alibaba Cloud with the credentials it is asked with.
#[derive(Debug)]
pub struct Api {
    /// What it is called in messages.
    pub who: &'static str,
    /// Its address: `https://kms.<region>.aliyuncs.com`.
    pub base: String,
    /// The version of its interface.
    pub version: &'static str,
    /// Who asks.
    pub credentials: Credentials,
    /// How it is asked.
    pub client: Client,
    /// Time for an action with all that is asked again.
    pub deadline: Duration,
}

impl Api {
    /// Asks for an action. "Too much to do" is asked again with growing pauses until the deadline, and a key that is
    /// refused as expired is replaced once.
    ///
    /// # Errors
    /// When the service does not do it.
    pub async fn ask(&self, action: &str, query: &[(&str, &str)]) -> Result<Value, AlibabaError> {
        let end = Instant::now() + self.deadline;
        let call = Call { who: self.who, base: &self.base, action, version: self.version, query };
        let (mut retries, mut renewed) = (0, false);
        loop {
            let asked = async {
                let key = self.credentials.key(&self.client).await?;
                let answer = call.ask(&self.client, &key).await;
                Ok::<_, AlibabaError>((key, answer))
            };
            let late = || AlibabaError::Late { who: self.who, limit: self.deadline };
            let (key, answer) = tokio::time::timeout_at(end, asked).await.map_err(|_| late())??;
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
                    AlibabaError::Refused { who, code, .. } => AlibabaError::Busy { who, code },
                    other => other,
                });
            }
            tokio::time::sleep_until(next).await;
            retries += 1;
        }
    }
}
