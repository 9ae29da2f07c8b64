//! Hosts in containerd's own configuration, without any `hosts.toml`: `registry.mirrors`, `registry.configs` and
//! `registry.auths` of the CRI plugin. Deprecated since containerd 1.5, read until 2.3, and never together with
//! `config_path`, except for the credentials.
//!
//! Source: `registryHosts` and `registryEndpoints` in `pkg/cri/server/image_pull.go` of containerd 1.6 and 1.7
//! (`internal/cri/server/images` in 2.x), `ValidatePluginConfig` in `pkg/cri/config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Url;
use toml::de::{DeTable, DeValue};

use super::super::credentials::{AuthConfig, Credentials};
use super::address::{clean, shown, without_user};
use super::file::unknown_keys;
use super::rewrite::Rewrites;
use super::{Capabilities, Host, Scheme, TlsFiles, is_local};
use pullgate_core::untrusted::excerpt;

/// Mirrors of every registry that has none of its own.
const ANY: &str = "*";

const TLS_KEYS: [&str; 4] = ["insecure_skip_verify", "ca_file", "cert_file", "key_file"];
const AUTH_KEYS: [&str; 4] = ["username", "password", "auth", "identitytoken"];

/// The section `registry` of the CRI plugin, without `config_path`.
#[derive(Clone, Debug, Default)]
pub(super) struct Legacy {
    /// By registry.
    mirrors: BTreeMap<String, Mirror>,
    /// TLS files by host.
    tls: BTreeMap<String, TlsFiles>,
    /// By host, for pulls without credentials.
    credentials: BTreeMap<String, Credentials>,
    /// What is not used of it.
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Mirror {
    endpoints: Vec<String>,
    /// For all endpoints, the registry's own included (the containerd of k3s before 2024).
    rewrites: Rewrites,
}

impl Legacy {
    /// # Errors
    /// When containerd would not start with it.
    pub(super) fn read(registry: &DeTable<'_>) -> Result<Self, String> {
        let mut legacy = Self::default();
        let mut warnings = Vec::new();
        warn(&mut warnings, "registry", registry, &["config_path", "mirrors", "configs", "auths", "headers"]);
        for (name, mirror) in table(registry, "mirrors")?.into_iter().flatten() {
            let name = name.get_ref().to_string();
            let mirror =
                mirror.get_ref().as_table().ok_or("a registry in registry.mirrors is not a table")?;
            let endpoints = match mirror.get("endpoint").map(|value| value.get_ref()) {
                None => Vec::new(),
                Some(value) => texts(value).ok_or("endpoint in registry.mirrors is not a list of strings")?,
            };
            warn(&mut warnings, "registry.mirrors", mirror, &["endpoint", "rewrite"]);
            let rewrites = mirror.get("rewrite").map(|value| Rewrites::read(value.get_ref(), &mut warnings));
            legacy.mirrors.insert(name, Mirror { endpoints, rewrites: rewrites.unwrap_or_default() });
        }
        for (name, config) in table(registry, "configs")?.into_iter().flatten() {
            let name = name.get_ref().to_string();
            let config = config.get_ref().as_table().ok_or("a host in registry.configs is not a table")?;
            warn(&mut warnings, "registry.configs", config, &["tls", "auth"]);
            if let Some(tls) = table(config, "tls")? {
                warn(&mut warnings, "registry.configs", tls, &TLS_KEYS);
                legacy.tls.insert(name.clone(), read_tls(&name, tls)?);
            }
            if let Some(auth) = table(config, "auth")? {
                warn(&mut warnings, "registry.configs", auth, &AUTH_KEYS);
                legacy.credentials.insert(name, read_auth(auth)?);
            }
        }
        for (url, auth) in table(registry, "auths")?.into_iter().flatten() {
            let auth = auth.get_ref().as_table().ok_or("a host in registry.auths is not a table")?;
            warn(&mut warnings, "registry.auths", auth, &AUTH_KEYS);
            // Without a scheme Go finds no host in it, and it never matches.
            if let Some((_, rest)) = url.get_ref().split_once("://") {
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                legacy.credentials.insert(host.to_owned(), read_auth(auth)?);
            }
        }
        Ok(Self { warnings, ..legacy })
    }

    /// Merges the section of a file that is read later, which wins.
    pub(super) fn merge(&mut self, later: Self) {
        self.mirrors.extend(later.mirrors);
        self.tls.extend(later.tls);
        self.credentials.extend(later.credentials);
    }

    /// Whether it says which hosts are used, and how, so that `hosts.toml` does not apply.
    pub(super) fn names_hosts(&self) -> bool {
        !self.mirrors.is_empty() || !self.tls.is_empty()
    }

    pub(super) fn has_credentials(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// Credentials for `host` with pulls that have none.
    pub(super) fn credentials(&self, host: &str) -> Credentials {
        self.credentials.get(host).cloned().unwrap_or_default()
    }

    /// The hosts of `domain`: the endpoints of its mirrors in order, then its own host, unless it is one of them.
    ///
    /// # Errors
    /// When any endpoint cannot be used: containerd then pulls nothing for this registry, either.
    pub(super) fn hosts(&self, domain: &str) -> Result<Vec<Host>, String> {
        let mirror = self.mirrors.get(domain).or_else(|| self.mirrors.get(ANY));
        let mut hosts = Vec::new();
        for endpoint in mirror.into_iter().flat_map(|mirror| &mirror.endpoints) {
            hosts.push(self.endpoint(endpoint)?);
        }
        if hosts.iter().all(|host| host.authority != domain) {
            let own = if domain == "docker.io" { "registry-1.docker.io" } else { domain };
            let mut host = self.endpoint(own)?;
            // containerd pushes to none of them; signatures are attached at the registry itself.
            host.capabilities.push = true;
            hosts.push(host);
        }
        if let Some(mirror) = mirror {
            for host in &mut hosts {
                host.rewrites = mirror.rewrites.clone();
            }
        }
        Ok(hosts)
    }

    fn endpoint(&self, endpoint: &str) -> Result<Host, String> {
        let unusable = || format!("endpoint {} in registry.mirrors is not a URL", shown(endpoint));
        let (scheme, rest) = match endpoint.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, endpoint),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or_else(unusable)?;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let authority = without_user(authority)
            .filter(|authority| Url::parse(&format!("https://{authority}/")).is_ok())
            .ok_or_else(unusable)?;
        let scheme = match scheme {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            None if is_local(authority) => Scheme::Http,
            None => Scheme::Https,
            Some(_) => return Err(unusable()),
        };
        Ok(Host {
            scheme,
            // A path is used as it is; `/v2` is only the default.
            path: if path.is_empty() { "/v2".to_owned() } else { clean(path) },
            capabilities: Capabilities { pull: true, resolve: true, push: false },
            tls: self.tls.get(authority).cloned().unwrap_or_default(),
            credentials: self.credentials(authority),
            ..Host::plain(authority)
        })
    }
}

/// `getTLSConfig`. containerd runs in the root directory, so relative paths start there.
fn read_tls(host: &str, tls: &DeTable<'_>) -> Result<TlsFiles, String> {
    let path = |key: &str| -> Result<Option<PathBuf>, String> {
        let name = text(tls, key)?;
        Ok((!name.is_empty()).then(|| Path::new("/").join(name)))
    };
    let skip_verify = match tls.get("insecure_skip_verify").map(|value| value.get_ref()) {
        None => None,
        Some(DeValue::Boolean(skip)) => Some(*skip),
        Some(_) => return Err("insecure_skip_verify in registry.configs is not true or false".to_owned()),
    };
    let pairs = match (path("cert_file")?, path("key_file")?) {
        (Some(certificate), Some(key)) => vec![(certificate, Some(key))],
        (None, None) => Vec::new(),
        _ => {
            return Err(format!(
                "registry.configs has only one of cert_file and key_file for {}",
                excerpt(host)
            ));
        }
    };
    Ok(TlsFiles { authorities: path("ca_file")?.into_iter().collect(), pairs, skip_verify })
}

/// `toRuntimeAuthConfig`
fn read_auth(auth: &DeTable<'_>) -> Result<Credentials, String> {
    Ok(Credentials::from_auth_config(AuthConfig {
        username: text(auth, "username")?,
        password: text(auth, "password")?,
        auth: text(auth, "auth")?,
        identity_token: text(auth, "identitytoken")?,
        ..AuthConfig::default()
    }))
}

fn warn(warnings: &mut Vec<String>, section: &str, table: &DeTable<'_>, known: &[&str]) {
    warnings.extend(unknown_keys(table, known).into_iter().map(|what| format!("{section}: {what}")));
}

fn table<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Result<Option<&'a DeTable<'i>>, String> {
    let Some(value) = table.get(key) else { return Ok(None) };
    value
        .get_ref()
        .as_table()
        .map(Some)
        .ok_or_else(|| format!("{key} in the registry section is not a table"))
}

fn text(table: &DeTable<'_>, key: &str) -> Result<String, String> {
    let Some(value) = table.get(key) else { return Ok(String::new()) };
    let text = value.get_ref().as_str().map(str::to_owned);
    text.ok_or_else(|| format!("{key} in the registry section is not a string"))
}

fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Legacy, String> {
        Legacy::read(DeTable::parse(text).unwrap().get_ref())
    }

    #[test]
    fn mirrors_come_first_and_the_registry_itself_last() {
        let legacy = read(
            r#"
            [mirrors."r.example"]
            endpoint = ["https://z.example", "a.example:5000", "http://localhost:5000/proxy/", "127.0.0.1:81"]
            [mirrors."own.example"]
            endpoint = ["https://m.example/v2", "http://own.example", "https://n.example/"]
            [mirrors."docker.io"]
            endpoint = ["https://registry-1.docker.io"]
            [mirrors."none.example"]
            endpoint = []
            [mirrors."bare.example"]
            [mirrors."*"]
            endpoint = ["https://any.example"]
            "#,
        )
        .unwrap();
        for (domain, expected) in [
            (
                "r.example",
                &[
                    "Https z.example/v2",
                    "Https a.example:5000/v2",
                    "Http localhost:5000/proxy",
                    "Http 127.0.0.1:81/v2",
                    "Https r.example/v2 push",
                ][..],
            ),
            ("own.example", &["Https m.example/v2", "Http own.example/v2", "Https n.example"]),
            ("docker.io", &["Https registry-1.docker.io/v2", "Https registry-1.docker.io/v2 push"]),
            ("none.example", &["Https none.example/v2 push"]),
            ("bare.example", &["Https bare.example/v2 push"]),
            ("other.example", &["Https any.example/v2", "Https other.example/v2 push"]),
            ("localhost:5000", &["Https any.example/v2", "Http localhost:5000/v2 push"]),
        ] {
            let hosts = legacy.hosts(domain).unwrap();
            let lines: Vec<String> = hosts
                .iter()
                .map(|host| {
                    assert!(host.capabilities.pull && host.capabilities.resolve);
                    let push = if host.capabilities.push { " push" } else { "" };
                    format!("{:?} {}{}{push}", host.scheme, host.authority, host.path)
                })
                .collect();
            assert_eq!(lines, expected, "{domain}");
        }
    }

    #[test]
    fn tls_and_credentials_are_those_of_the_exact_host() {
        let legacy = read(
            r#"
            [mirrors."r.example"]
            endpoint = ["https://m.example:5000"]
            [configs."m.example:5000".tls]
            ca_file = "/ca.pem"
            cert_file = "own.pem"
            key_file = "/own.key"
            [configs."m.example:5000".auth]
            username = "u"
            password = "p"
            [configs."r.example".tls]
            insecure_skip_verify = true
            [configs."m.example".auth]
            identitytoken = "other"
            [auths."https://r.example/v1/"]
            auth = "dTpw"
            [auths."plain.example"]
            auth = "dTpw"
            "#,
        )
        .unwrap();
        let hosts = legacy.hosts("r.example").unwrap();
        let [mirror, own] = &hosts[..] else { panic!("{hosts:?}") };
        assert_eq!(mirror.tls.authorities, [Path::new("/ca.pem")]);
        assert_eq!(mirror.tls.pairs, [("/own.pem".into(), Some("/own.key".into()))]);
        assert_eq!((mirror.tls.skip_verify, own.tls.skip_verify), (None, Some(true)));
        for host in [mirror, own] {
            let offer = host.credentials.offer(&host.authority).unwrap();
            assert_eq!((offer.username.as_str(), offer.secret.as_str()), ("u", "p"), "{}", host.authority);
        }
        assert!(legacy.credentials("plain.example").offer("plain.example").unwrap().is_empty());
        let shown = format!("{legacy:?}{hosts:?}");
        assert!(shown.contains("redacted") && !shown.contains("dTpw"), "{shown}");
    }

    #[test]
    fn what_containerd_cannot_use_is_an_error() {
        for (text, expected) in [
            ("mirrors = 1", "mirrors in the registry section is not a table"),
            ("[mirrors]\na = 1", "a registry in registry.mirrors is not a table"),
            ("[mirrors.a]\nendpoint = \"x\"", "endpoint in registry.mirrors is not a list"),
            ("[configs]\na = 1", "a host in registry.configs is not a table"),
            ("[configs.a]\ntls = true", "tls in the registry section is not a table"),
            ("[configs.a.tls]\ncert_file = \"/x\"", "one of cert_file and key_file for a"),
            ("[configs.a.tls]\ninsecure_skip_verify = 1", "is not true or false"),
            ("[configs.a.auth]\npassword = 5", "password in the registry section is not a string"),
            ("[auths]\n\"https://a\" = 1", "a host in registry.auths is not a table"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for endpoint in
            ["ftp://m.example", "https://pg5ECRET@", "https://", "https://exa mple", "https://a:pg5ECRET@b:c"]
        {
            let legacy = read(&format!("[mirrors.r]\nendpoint = [\"{endpoint}\"]")).unwrap();
            let error = legacy.hosts("r").unwrap_err();
            assert!(error.contains("in registry.mirrors is not a URL"), "{endpoint}: {error}");
            assert!(!error.contains("pg5ECRET"), "{error}");
            assert!(legacy.hosts("other.example").is_ok(), "{endpoint}");
        }
    }
}
