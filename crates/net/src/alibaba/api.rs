//! One action of one service, signed, asked, and asked again where that helps.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use tokio::time::Instant;

use super::access_key::AccessKey;
use super::error::AlibabaError;
use super::identity::Credentials;
use super::request;
use crate::service::{self, Client, Request};
use pullgate_core::digest::hex;
use pullgate_core::json::{self, Bounds, Keys};

/// The first pause after "too much to do"; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
        let (mut pause, mut renewed) = (PAUSE, false);
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
            let next = Instant::now() + pause.mul_f64(1.0 + jitter()?);
            if next >= end {
                return Err(match error {
                    AlibabaError::Refused { who, code, .. } => AlibabaError::Busy { who, code },
                    other => other,
                });
            }
            tokio::time::sleep_until(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// One question in the RPC style.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) who: &'static str,
    pub(super) base: &'a str,
    pub(super) action: &'a str,
    pub(super) version: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
}

impl Call<'_> {
    /// Asks once.
    pub(super) async fn ask(&self, client: &Client, key: &AccessKey) -> Result<Value, AlibabaError> {
        let malformed = |reason| AlibabaError::Malformed { who: self.who, reason };
        let host = Url::parse(self.base).map_err(|_| malformed("cannot be had: its address is not a URL"))?;
        let nonce = hex(&random::<16>()?);
        let date = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let request = request::Request {
            host: &service::authority(&host),
            action: self.action,
            version: self.version,
            date: &date,
            nonce: &nonce,
            security_token: key.token.as_ref().map(|token| token.as_str()),
            query: self.query,
        };
        let signed = request.headers();
        let authorization = request.authorization(&key.id, &key.secret);
        let mut headers: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("authorization", &authorization));
        // Some services answer in XML by default. Not one of the headers that are signed.
        headers.push(("accept", "application/json"));
        let url = format!("{}/?{}", self.base.trim_end_matches('/'), request.query());
        let question =
            Request { method: Method::POST, url: &url, headers: &headers, body: None, metadata: false };
        let answer = client.ask(question).await?;
        let said = json(&answer.body);
        if answer.status == 200 {
            return said.filter(Value::is_object).ok_or_else(|| malformed("is not JSON"));
        }
        let code = said.as_ref().and_then(|said| said.get("Code")?.as_str()).filter(|code| is_code(code));
        let code = code.unwrap_or_default().to_owned();
        Err(AlibabaError::Refused { who: self.who, status: answer.status, code })
    }
}

/// The answer of a service.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    json::parse(body, Bounds { depth: 16, values: 1024, keys: Keys::Exact }).ok()
}

fn is_code(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// From nothing to a quarter, so that those that were refused together do not come back together.
fn jitter() -> Result<f64, AlibabaError> {
    let [byte] = random::<1>()?;
    Ok(f64::from(byte) / 1024.0)
}

fn random<const N: usize>() -> Result<[u8; N], AlibabaError> {
    let mut bytes = [0; N];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| AlibabaError::Random)?;
    Ok(bytes)
}
