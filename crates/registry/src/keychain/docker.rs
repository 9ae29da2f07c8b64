//! A docker `config.json`: its `auths`, by host or by host and path, the longest match first. The credential
//! helpers that it names are not run: pullgate runs only programs that its own configuration names.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::super::credentials::{AuthConfig, Credentials, Offer};
use super::super::file_stamp::FileStamp;
use super::canonical;
use pullgate_net::secret;

/// The most bytes of the file.
const SIZE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    read: Mutex<Option<(FileStamp, Arc<Vec<Entry>>)>>,
}

/// Credentials of a host, optionally for the beginning of a repository's path.
#[derive(Debug)]
pub(crate) struct Entry {
    host: String,
    path: String,
    credentials: Credentials,
}

impl Config {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::default() }
    }

    /// # Errors
    /// When the file cannot be used.
    pub(super) fn offer(&self, host: &str, repository: &str) -> Result<Option<Offer>, String> {
        let entries = self.entries()?;
        let fits = |entry: &&Entry| {
            let below = || {
                repository
                    .strip_prefix(entry.path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            entry.host == host && (entry.path.is_empty() || below())
        };
        let Some(best) = entries.iter().filter(fits).max_by_key(|entry| entry.path.len()) else {
            return Ok(None);
        };
        let offer =
            best.credentials.offer(host).map_err(|error| format!("{}: {error}", self.path.display()))?;
        Ok((!offer.is_empty()).then_some(offer))
    }

    fn entries(&self) -> Result<Arc<Vec<Entry>>, String> {
        let stamp = FileStamp::of(&self.path);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, entries)) = &*read
            && stamp.as_ref() == Some(known)
        {
            return Ok(Arc::clone(entries));
        }
        let text = secret::read_all(&self.path, SIZE)?;
        if text.starts_with('\u{feff}') {
            let path = self.path.display();
            return Err(format!("{path} begins with a byte order mark; save it as UTF-8 without one"));
        }
        let entries =
            Arc::new(parse(&text).ok_or_else(|| {
                format!("{} is not a docker configuration with `auths`", self.path.display())
            })?);
        *read = stamp.map(|stamp| (stamp, Arc::clone(&entries)));
        Ok(entries)
    }
}

pub(crate) fn parse(text: &str) -> Option<Vec<Entry>> {
    let document: Value = serde_json::from_str(text).ok()?;
    let Some(auths) = document.get("auths") else { return document.is_object().then(Vec::new) };
    let mut entries = Vec::new();
    for (place, fields) in auths.as_object()? {
        let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        // As kubelet's decoder (`pkg/credentialprovider/config.go`): `auth` replaces user name and password, and may be
        // without padding.
        let auth = padded(&field("auth"));
        let has_auth = !auth.is_empty();
        let unless_auth = |name: &str| if has_auth { String::new() } else { field(name) };
        let place = place.strip_prefix("https://").or_else(|| place.strip_prefix("http://")).unwrap_or(place);
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        // `https://index.docker.io/v1/` and `…/v2/` are docker's notation for a whole host.
        let path = match path.trim_end_matches('/') {
            "v1" | "v2" => "",
            path => path,
        };
        let (host, path) = (canonical(host).to_owned(), path.to_owned());
        let credentials = Credentials::from_auth_config(AuthConfig {
            username: unless_auth("username"),
            password: unless_auth("password"),
            auth,
            identity_token: field("identitytoken"),
            ..AuthConfig::default()
        });
        entries.push(Entry { host, path, credentials });
    }
    Some(entries)
}

/// base64 with its padding; line breaks do not count.
fn padded(text: &str) -> String {
    let mut text: String = text.split_whitespace().collect();
    if !text.ends_with('=') {
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn c_the_longest_match_of_the_exact_host_applies_as_kubelet_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        };
        // dTpw is "u:p".
        write(
            r#"{ "credsStore": "never-run", "auths": {
                "https://index.docker.io/v1/": { "auth": "dTpw" },
                "r.example:5000": { "username": "all", "password": "1" },
                "r.example:5000/team": { "username": "team", "password": "2" },
                "t.example": { "identitytoken": "token" },
                "helper.example": {},
                "both.example": { "username": "other", "auth": "dTpw" },
                "unpadded.example": { "username": "u", "password": "wrong", "auth": "dXNlcjpwYQ" },
                "broken.example": { "username": "u", "password": "p", "auth": "dXNlcg==" }
            } }"#,
        );
        let config = Config::new(path.clone());
        let offer = |host: &str, repository: &str| {
            config
                .offer(host, repository)
                .unwrap()
                .map(|offer| (offer.username.to_string(), offer.secret.to_string()))
        };
        for (host, repository, expected) in [
            ("registry-1.docker.io", "library/a", Some(("u", "p"))),
            ("r.example:5000", "a", Some(("all", "1"))),
            ("r.example:5000", "team/a", Some(("team", "2"))),
            ("r.example:5000", "team-evil/a", Some(("all", "1"))),
            ("r.example", "team/a", None),
            ("r.example:5000.evil.example", "a", None),
            ("t.example", "a", Some(("", "token"))),
            ("helper.example", "a", None),
            ("both.example", "a", Some(("u", "p"))),
            ("unpadded.example", "a", Some(("user", "pa"))),
        ] {
            let expected = expected.map(|(name, secret)| (name.to_owned(), secret.to_owned()));
            assert_eq!(offer(host, repository), expected, "{host} {repository}");
        }
        assert!(
            config.offer("broken.example", "a").is_err(),
            "as in kubelet, a broken `auth` is not replaced"
        );
        write("\u{feff}{ \"auths\": {} }");
        assert!(config.offer("r.example:5000", "a").unwrap_err().contains("byte order mark"));
        write(r#"{ "auths": { "r.example:5000": { "username": "new", "password": "longer" } } }"#);
        assert_eq!(offer("r.example:5000", "a"), Some(("new".to_owned(), "longer".to_owned())));
        for broken in ["", "[]", "{\"auths\": 1}"] {
            write(broken);
            assert!(config.offer("r.example:5000", "a").is_err(), "{broken}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(config.offer("r.example:5000", "a").unwrap_err().contains("gives other users access"));
    }
}
