//! `alikms://KEY/VERSION?region=…[&endpoint=…]`

use std::fmt;

use super::{LocationError, uri};
use pullgate_net::service;

const SCHEME: &str = "alikms:";
const FORM: &str = "alikms://<key id>/<key version id>?region=<region>[&endpoint=<URL>]";

/// One version of a key of Alibaba Cloud KMS. An asymmetric key has no primary version, so the version is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey {
    /// The key id, an alias (`alias/…`), or an ARN.
    pub key: String,
    pub version: String,
    /// The region, such as `cn-hangzhou`.
    pub region: String,
    /// The endpoint of KMS, if it is not the public one of the region: `https://…`, without a path.
    pub endpoint: Option<String>,
}

impl KmsKey {
    pub(super) fn parse(rest: &str) -> Result<Self, LocationError> {
        let missing = |part| LocationError::Missing { scheme: SCHEME, part, form: FORM };
        let (path, query) = uri::path_and_query(rest).ok_or_else(|| missing("key"))?;
        // An alias and an ARN contain a slash.
        let (key, version) = path.rsplit_once('/').ok_or_else(|| missing("key version"))?;
        let (key, version) = (uri::unescape_text(key)?, uri::unescape_text(version)?);
        if key.is_empty() {
            return Err(missing("key"));
        }
        if version.is_empty() {
            return Err(missing("key version"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        if key.len() > 256 || !key.bytes().all(plain) || key.starts_with('/') {
            return Err(LocationError::Value { name: "key id", wanted: "an id, alias or ARN of a key" });
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if version.len() > 128 || !version.bytes().all(plain) {
            return Err(LocationError::Value { name: "key version id", wanted: "the id of a version" });
        }
        let mut query = uri::Attributes::parse(SCHEME, query, '&')?;
        let region = query.text("region")?.ok_or_else(|| missing("region"))?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.len() > 64 || !region.bytes().all(plain) || region.starts_with('-') {
            return Err(LocationError::Value { name: "region", wanted: "a region, such as cn-hangzhou" });
        }
        let endpoint = query.text("endpoint")?.map(|text| endpoint(&text)).transpose()?;
        query.end("region and endpoint")?;
        Ok(Self { key, version, region, endpoint })
    }

    /// The URL of KMS.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://kms.{}.aliyuncs.com", self.region),
        }
    }
}

fn endpoint(text: &str) -> Result<String, LocationError> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let address = service::address(&full)
        .map_err(|_| LocationError::Value { name: "endpoint", wanted: "an https URL without a path" })?;
    // The endpoint of a dedicated instance requires client certificates of its own.
    if address.trim_end_matches("/").ends_with(".cryptoservice.kms.aliyuncs.com") {
        return Err(LocationError::Value {
            name: "endpoint",
            wanted: "an endpoint of the KMS OpenAPI (a dedicated instance has another protocol; name the \
                     shared endpoint, which serves the keys of instances, too)",
        });
    }
    if address.splitn(4, '/').nth(3).is_some_and(|path| !path.is_empty()) {
        return Err(LocationError::Value { name: "endpoint", wanted: "an https URL without a path" });
    }
    Ok(address)
}

impl fmt::Display for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alikms://{}/{}?region={}", self.key, self.version, self.region)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, "&endpoint={}", uri::escape(endpoint.as_bytes(), ":/[]")),
            None => Ok(()),
        }
    }
}
