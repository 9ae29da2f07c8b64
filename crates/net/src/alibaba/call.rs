//! A single signed call in the RPC style of Alibaba Cloud's OpenAPI, without retries.

use http::Method;
use jiff::Timestamp;
use pullgate_core::digest::hex;
use pullgate_core::json::{self, Bounds, Keys};
use reqwest::Url;
use serde_json::Value;

use super::access_key::AccessKey;
use super::error::AlibabaError;
use super::request;
use crate::service::{self, Client, Request};

#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) service: &'static str,
    pub(super) base: &'a str,
    pub(super) action: &'a str,
    pub(super) version: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
}

impl Call<'_> {
    /// Makes the call.
    pub(super) async fn ask(&self, client: &Client, key: &AccessKey) -> Result<Value, AlibabaError> {
        let malformed = |reason| AlibabaError::Malformed { service: self.service, reason };
        let host = Url::parse(self.base)
            .map_err(|_| malformed("cannot be requested: the address of the service is not a URL"))?;
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
        // Some services answer in XML by default. This header is not signed.
        headers.push(("accept", "application/json"));
        let url = format!("{}/?{}", self.base.trim_end_matches('/'), request.query());
        let request_to_send =
            Request { method: Method::POST, url: &url, headers: &headers, body: None, plain: false };
        let answer = client.ask(request_to_send).await?;
        let json = json(&answer.body);
        if answer.status == 200 {
            return json.filter(Value::is_object).ok_or_else(|| malformed("is not JSON"));
        }
        let code = json.as_ref().and_then(|json| json.get("Code")?.as_str()).filter(|code| is_code(code));
        let code = code.unwrap_or_default().to_owned();
        Err(AlibabaError::Refused { service: self.service, status: answer.status, code })
    }
}

/// Parses the answer of a service.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    json::parse(body, Bounds { depth: 16, values: 1024, keys: Keys::Exact }).ok()
}

fn is_code(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// Random bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N], AlibabaError> {
    let mut bytes = [0; N];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| AlibabaError::Random)?;
    Ok(bytes)
}
