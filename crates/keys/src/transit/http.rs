use bytes::Bytes;
use http::Method;
use pullgate_core::json::{self, Bounds, Keys};
use pullgate_core::untrusted::excerpt;
use pullgate_net::service::{Answer, Client, Request};
use serde_json::Value;

use super::error::TransitError;

/// Address and client of the service.
#[derive(Debug)]
pub(super) struct TransitHttp {
    pub(super) address: String,
    pub(super) namespace: Option<String>,
    pub(super) client: Client,
}

impl TransitHttp {
    /// Sends one request.
    pub(super) async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        shown: Shown<'_>,
    ) -> Result<Value, TransitError> {
        let url = format!("{}/v1/{path}", self.address);
        let mut headers = vec![("x-vault-request", "true")];
        let secret = match shown {
            Shown::Token(token) => {
                headers.push(("x-vault-token", token));
                token
            }
            Shown::SecretId(secret) => secret,
        };
        headers.extend(self.namespace.as_deref().map(|namespace| ("x-vault-namespace", namespace)));
        let request = Request { method, url: &url, headers: &headers, body, plain: false };
        let Answer { status, body, .. } = self.client.ask(request).await?;
        let body = json::parse(&body, Bounds { depth: 16, values: 4096, keys: Keys::Exact });
        if status == 200 {
            return body.map_err(|_| TransitError::Malformed { reason: "is not JSON" });
        }
        let reason = body.as_ref().ok().and_then(|body| body.get("errors")?.get(0)?.as_str());
        // A proxy may repeat the secret in its error.
        let reason = reason.filter(|reason| !reason.contains(secret)).map(excerpt);
        Err(TransitError::Refused { status, reason: reason.unwrap_or_default() })
    }
}

/// The secret of a request.
#[derive(Clone, Copy)]
pub(super) enum Shown<'a> {
    /// In a header.
    Token(&'a str),
    /// In the body.
    SecretId(&'a str),
}
