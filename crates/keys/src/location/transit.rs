//! `vault://KEY?mount=transit[&version=N][&address=…]`

use std::fmt;

use super::{LocationError, uri};
use pullgate_net::service;

const SCHEME: &str = "vault:";
const FORM: &str = "vault://<key>[?mount=transit&version=<number>&address=<URL>]";
const MOUNT: &str = "transit";

/// A key of a transit engine of HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitKey {
    pub name: String,
    /// Where the engine is mounted; `transit` by default.
    pub mount: String,
    /// The version of the key; by default the latest when the key is opened.
    pub version: Option<u32>,
    /// The URL of the service, if it is not the one in the settings: `https://…`.
    pub address: Option<String>,
}

impl TransitKey {
    pub(super) fn parse(rest: &str) -> Result<Self, LocationError> {
        let missing = |part| LocationError::Missing { scheme: SCHEME, part, form: FORM };
        let (path, query) = uri::path_and_query(rest).ok_or_else(|| missing("key"))?;
        let name = uri::unescape_text(path)?;
        if name.is_empty() {
            return Err(missing("key"));
        }
        if !is_segment(&name) {
            let wanted = "the name of a transit key (letters, digits, `-`, `_` and `.`)";
            return Err(LocationError::Value { name: "key", wanted });
        }
        let mut query = uri::Attributes::parse(SCHEME, query, '&')?;
        let mount = query.text("mount")?.unwrap_or_else(|| MOUNT.to_owned());
        let mount = mount.trim_matches('/').to_owned();
        if mount.len() > 256 || !mount.split('/').all(is_segment) {
            return Err(LocationError::Value { name: "mount", wanted: "the path of a mount" });
        }
        let version = match query.take("version") {
            None => None,
            Some(text) => match text.parse::<u32>() {
                Ok(version @ 1..) if !text.starts_with(['+', '0']) => Some(version),
                _ => return Err(LocationError::Value { name: "version", wanted: "a number from 1" }),
            },
        };
        let address = match query.text("address")? {
            None => None,
            Some(text) => Some(service::address(&text).map_err(|_| LocationError::Value {
                name: "address",
                wanted: "an https URL (http only to this machine)",
            })?),
        };
        query.end("mount, version and address")?;
        Ok(Self { name, mount, version, address })
    }
}

/// Whether a text is one segment of a path: never `.` or `..`.
fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.')
}

impl fmt::Display for TransitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vault://{}?mount={}", self.name, self.mount)?;
        if let Some(version) = self.version {
            write!(f, "&version={version}")?;
        }
        match &self.address {
            Some(address) => write!(f, "&address={}", uri::escape(address.as_bytes(), ":/[]")),
            None => Ok(()),
        }
    }
}
