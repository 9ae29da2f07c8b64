//! A fake of Alibaba Cloud's APIs, which verifies request signatures as published.

use std::collections::HashSet;
use std::sync::Mutex;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use pullgate::digest::hex;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::registry::{Recorded, Scripted};

/// An error in the format of the services.
pub fn error(status: u16, code: &str) -> Scripted {
    let body = json!({ "RequestId": "0", "HostId": "test", "Code": code, "Message": "a message with pg5ECRET-told" });
    let mut answer = Scripted::ok("application/json", body.to_string());
    answer.status = status;
    answer
}

/// The error code for a request that is not signed with this key (ACS3-HMAC-SHA256); `None` if it is.
pub fn refusal(request: &Recorded, id: &str, secret: &str, token: Option<&str>) -> Option<&'static str> {
    let authorization = request.header("authorization").unwrap_or_default();
    let field = |name: &str| {
        let rest = authorization.strip_prefix("ACS3-HMAC-SHA256 ")?;
        rest.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let (Some(credential), Some(names), Some(signature)) =
        (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return Some("MissingAuthorization");
    };
    if credential != id {
        return Some("InvalidAccessKeyId.NotFound");
    }
    let names_of: Vec<&str> = names.split(';').collect();
    let mut needed = vec![
        "host",
        "x-acs-action",
        "x-acs-content-sha256",
        "x-acs-date",
        "x-acs-signature-nonce",
        "x-acs-version",
    ];
    needed.extend(token.map(|_| "x-acs-security-token"));
    if !needed.iter().all(|name| names_of.contains(name)) || !names_of.is_sorted() {
        return Some("IncompleteSignature");
    }
    if request.header("x-acs-security-token") != token {
        return Some("InvalidSecurityToken.Expired");
    }
    let date: Option<Timestamp> = request.header("x-acs-date").and_then(|date| date.parse().ok());
    let off = date.map(|date| date.duration_since(Timestamp::now()).abs().as_secs());
    if off.is_none_or(|seconds| seconds > 900) {
        return Some("InvalidTimeStamp.Expired");
    }
    let body = hex(&Sha256::digest(&request.body));
    if request.header("x-acs-content-sha256") != Some(&body) {
        return Some("ContentHashDoesNotMatch");
    }
    let lines: String = names_of
        .iter()
        .map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default().trim()))
        .collect();
    let query = request.uri.query().unwrap_or_default();
    let mut sorted: Vec<&str> = query.split('&').collect();
    sorted.sort_unstable();
    let query = sorted.join("&");
    let canonical = format!("{}\n{}\n{query}\n{lines}\n{names}\n{body}", request.method, request.uri.path());
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(to_sign.as_bytes());
    (signature != hex(&mac.finalize().into_bytes())).then_some("SignatureDoesNotMatch")
}

/// Nonces of earlier requests, which are refused.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<HashSet<String>>);

impl Nonces {
    pub fn is_fresh(&self, request: &Recorded) -> bool {
        let nonce = request.header("x-acs-signature-nonce").unwrap_or_default();
        nonce.len() >= 16 && self.0.lock().unwrap().insert(nonce.to_owned())
    }
}

/// The decoded value of a query parameter.
pub fn parameter(request: &Recorded, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://host{}", request.uri)).unwrap();
    let mut values =
        url.query_pairs().filter(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    let value = values.next();
    assert!(values.next().is_none(), "{name} twice");
    value
}
