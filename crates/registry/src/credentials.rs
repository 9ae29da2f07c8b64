//! The credentials of one pull, read as containerd reads a CRI `AuthConfig`.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use reqwest::Url;
use zeroize::Zeroizing;

use super::error::RegistryError;

/// Go's `base64.StdEncoding`: padding required, unused bits in the last character ignored.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The content of a CRI `AuthConfig`. An empty string is a missing field.
///
/// `registry_token` is accepted and not used: containerd does not use it either (its source has a TODO there), so a pull
/// that pullgate admits with it would fail at containerd.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Credentials {
    username: Zeroizing<String>,
    password: Zeroizing<String>,
    auth: Zeroizing<String>,
    server_address: String,
    identity_token: Zeroizing<String>,
}

/// The fields of a CRI `AuthConfig` as on the wire; empty where a field is not set.
#[derive(Default)]
pub struct AuthConfig {
    pub username: String,
    pub password: String,
    pub auth: String,
    pub server_address: String,
    pub identity_token: String,
    pub registry_token: String,
}

/// Every field but the address is a secret.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig").finish_non_exhaustive()
    }
}

impl Credentials {
    /// No credentials, as for a public registry.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn from_auth_config(config: AuthConfig) -> Self {
        drop(Zeroizing::new(config.registry_token));
        Self {
            username: config.username.into(),
            password: config.password.into(),
            auth: config.auth.into(),
            server_address: config.server_address,
            identity_token: config.identity_token.into(),
        }
    }

    /// A user name and password.
    #[must_use]
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: Zeroizing::new(username.into()),
            password: Zeroizing::new(password.into()),
            ..Self::default()
        }
    }

    /// An identity token, which a token service exchanges for access tokens.
    #[must_use]
    pub fn identity_token(token: impl Into<String>) -> Self {
        Self { identity_token: Zeroizing::new(token.into()), ..Self::default() }
    }

    /// Whether no field is set.
    pub(super) fn is_empty(&self) -> bool {
        self.fields().iter().all(|field| field.is_empty())
    }

    /// All fields that distinguish two credentials.
    pub(super) fn fields(&self) -> [&[u8]; 5] {
        let Self { username, password, auth, server_address, identity_token } = self;
        [
            username.as_bytes(),
            password.as_bytes(),
            auth.as_bytes(),
            server_address.as_bytes(),
            identity_token.as_bytes(),
        ]
    }

    /// What may be sent to `host` (with its port, as in a URL), by the rules of containerd's `ParseAuth`
    /// (`internal/cri/server/images/image_pull.go`): a server address must name exactly this host; a user name comes before
    /// an identity token, and that before `auth`.
    ///
    /// # Errors
    /// When a field that applies cannot be read; containerd refuses the pull then, too.
    pub(super) fn offer(&self, host: &str) -> Result<Offer, RegistryError> {
        if !self.server_address.is_empty() && server_host(&self.server_address)? != host {
            return Ok(Offer::default());
        }
        if !self.username.is_empty() {
            return Ok(Offer { username: self.username.clone(), secret: self.password.clone() });
        }
        if !self.identity_token.is_empty() {
            return Ok(Offer { username: Zeroizing::default(), secret: self.identity_token.clone() });
        }
        if self.auth.is_empty() {
            return Ok(Offer::default());
        }
        // Go's decoder skips line breaks anywhere.
        let text: Zeroizing<String> =
            self.auth.chars().filter(|c| !matches!(c, '\r' | '\n')).collect::<String>().into();
        let bytes = Zeroizing::new(
            STANDARD
                .decode(text.as_bytes())
                .map_err(|_| RegistryError::Credentials("field auth is not base64"))?,
        );
        let decoded = std::str::from_utf8(&bytes)
            .map_err(|_| RegistryError::Credentials("field auth is not UTF-8 text"))?;
        let (username, secret) = decoded
            .split_once(':')
            .ok_or(RegistryError::Credentials("field auth has no user name and password"))?;
        Ok(Offer {
            username: Zeroizing::new(username.to_owned()),
            secret: Zeroizing::new(secret.trim_matches('\0').to_owned()),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<redacted>)")
    }
}

/// containerd's user name and secret for one host. Without a user name the secret is an identity token.
#[derive(Default, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) username: Zeroizing<String>,
    pub(super) secret: Zeroizing<String>,
}

impl Offer {
    pub(super) fn is_empty(&self) -> bool {
        self.secret.is_empty()
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Offer(<redacted>)")
    }
}

/// `url.Parse(address).Host` of Go, for the addresses in an `AuthConfig`: without `//` the host is empty and matches
/// nothing.
fn server_host(address: &str) -> Result<String, RegistryError> {
    let unreadable = RegistryError::Credentials("field server_address is not a URL");
    let Some((scheme, rest)) = address.split_once("//") else {
        // In Go, "registry.example.com:5000" has the scheme "registry.example.com" or fails: no host in both cases.
        return Ok(String::new());
    };
    if !scheme.is_empty() && !scheme.ends_with(':') {
        return Ok(String::new());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if !host.is_empty() && Url::parse(&format!("http://{host}/")).is_err() {
        return Err(unreadable);
    }
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(username: &str, password: &str, auth: &str, server: &str, identity: &str) -> Credentials {
        let [u, p, a, s, i] = [username, password, auth, server, identity].map(str::to_owned);
        Credentials::from_auth_config(AuthConfig {
            username: u,
            password: p,
            auth: a,
            server_address: s,
            identity_token: i,
            registry_token: "registry-token".to_owned(),
        })
    }

    #[test]
    fn credentials_are_read_as_containerd_reads_them() {
        // dXNlcjpwYTpzcw== is "user:pa:ss"; dTpwAAA= is "u:p\0\0".
        let rows: [(Credentials, &str, &str); 12] = [
            (config("", "", "", "", ""), "", ""),
            (config("user", "pass", "eDp5", "", "identity"), "user", "pass"),
            (config("user", "", "", "", "identity"), "user", ""),
            (config("", "pass", "eDp5", "", "identity"), "", "identity"),
            (config("", "", "dXNlcjpwYTpzcw==", "", ""), "user", "pa:ss"),
            (config("", "", "dXNl\r\ncjpwYTpzcw==\n", "", ""), "user", "pa:ss"),
            (config("", "", "dTpwAAA=", "", ""), "u", "p"),
            (config("user", "pass", "", "https://host:5000/v1/", ""), "user", "pass"),
            (config("user", "pass", "", "https://host/", ""), "", ""),
            (config("user", "pass", "", "https://host:5000.evil.example/", ""), "", ""),
            (config("user", "pass", "", "host:5000", ""), "", ""),
            (config("user", "pass", "", "https://host:5000@evil.example", ""), "", ""),
        ];
        for (index, (credentials, username, secret)) in rows.iter().enumerate() {
            let offer = credentials.offer("host:5000");
            if index == 9 {
                assert_eq!(offer, Err(RegistryError::Credentials("field server_address is not a URL")));
                continue;
            }
            let offer = offer.unwrap();
            assert_eq!((offer.username.as_str(), offer.secret.as_str()), (*username, *secret), "row {index}");
        }
    }

    #[test]
    fn refuses_what_containerd_refuses() {
        for auth in ["not base64!", "dXNlcg==", "dXNlcjpw", "dXNlcjpwYQ"] {
            let offer = config("", "", auth, "", "").offer("host");
            if auth == "dXNlcjpw" {
                assert_eq!(offer.unwrap().secret.as_str(), "p");
            } else {
                assert!(offer.is_err(), "{auth}");
            }
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = config("user", "hunter2", "aHVudGVyMg==", "https://h", "hunter2");
        let text = format!("{credentials:?} {:?}", credentials.offer("h").unwrap());
        assert!(!text.contains("hunter2") && !text.contains("aHVud") && !text.contains("user"), "{text}");
    }
}
