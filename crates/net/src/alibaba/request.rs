//! Alibaba Cloud's request signature, version 3: ACS3-HMAC-SHA256.
//!
//! Source: Alibaba Cloud SDK documentation, "V3 request structure and signature".

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use pullgate_core::digest::hex;

/// A request in the RPC style: everything is in the query, the path is `/` and the body empty.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) host: &'a str,
    pub(super) action: &'a str,
    pub(super) version: &'a str,
    /// For example `2026-01-01T00:00:00Z`; must be within 15 minutes of the service's clock.
    pub(super) date: &'a str,
    /// Unique for each request.
    pub(super) nonce: &'a str,
    /// The STS security token, for temporary keys.
    pub(super) security_token: Option<&'a str>,
    pub(super) query: &'a [(&'a str, &'a str)],
}

impl Request<'_> {
    /// The query as sent and signed: sorted, escaped as in RFC 3986.
    pub(super) fn query(&self) -> String {
        let mut pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        pairs.sort();
        pairs.join("&")
    }

    /// The headers to send besides Authorization and Host, names in lower case.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-content-sha256", hex(&Sha256::digest(b""))),
            ("x-acs-date", self.date.to_owned()),
        ];
        if let Some(token) = self.security_token {
            headers.push(("x-acs-security-token", token.to_owned()));
        }
        headers.push(("x-acs-signature-nonce", self.nonce.to_owned()));
        headers.push(("x-acs-version", self.version.to_owned()));
        headers
    }

    /// The Authorization header of a POST.
    pub(super) fn authorization(&self, key: &str, secret: &str) -> String {
        let mut headers = self.headers();
        headers.push(("host", self.host.to_owned()));
        headers.sort_unstable_by_key(|(name, _)| *name);
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let body = hex(&Sha256::digest(b""));
        let canonical = format!("POST\n/\n{}\n{lines}\n{names}\n{body}", self.query());
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        // HMAC accepts keys of any length.
        let signature = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map(|mac| hex(&mac.chain_update(to_sign.as_bytes()).finalize().into_bytes()))
            .unwrap_or_default();
        format!("ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}")
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_like_the_published_example() {
        let request = Request {
            host: "ecs.cn-shanghai.aliyuncs.com",
            action: "RunInstances",
            version: "2014-05-26",
            date: "2023-10-26T10:22:32Z",
            nonce: "3156853299f313e23d1673dc12e1703d",
            security_token: None,
            query: &[
                ("RegionId", "cn-shanghai"),
                ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
            ],
        };
        assert_eq!(
            request.authorization("YourAccessKeyId", "YourAccessKeySecret"),
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
        let other = Request { nonce: "3156853299f313e23d1673dc12e1703e", ..request };
        assert!(!other.authorization("YourAccessKeyId", "YourAccessKeySecret").contains("06563a9e"));
    }

    #[test]
    fn escapes_as_in_rfc_3986() {
        assert_eq!(escaped("a b+c/d~e*ü"), "a%20b%2Bc%2Fd~e%2A%C3%BC");
    }
}
