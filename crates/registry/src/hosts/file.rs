//! One host directory: `hosts.toml`, or certificate files in Docker's layout.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Capabilities;
use super::address::{clean, shown, without_user};
use super::rewrite::Rewrites;
use pullgate_core::go_duration::go_duration;
use pullgate_core::untrusted::excerpt;
use pullgate_net::tls::TlsFiles;

pub(super) const NAME: &str = "hosts.toml";

/// The most bytes of a `hosts.toml` that are read; containerd has no limit.
const SIZE: u64 = 1 << 20;

/// Unknown keys of one table that are reported.
const UNKNOWN: usize = 16;
/// What containerd reads at the top of a file.
const KEYS: [&str; 2] = ["server", "host"];
/// What it reads of a host, and at the top.
const HOST_KEYS: [&str; 8] =
    ["capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout", "rewrite"];

/// One host of a configuration, without its defaults.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `None`: the registry itself.
    pub(super) server: Option<Server>,
    pub(super) capabilities: Capabilities,
    pub(super) tls: TlsFiles,
    pub(super) header: HeaderMap,
    pub(super) dial_timeout: Option<Duration>,
    pub(super) rewrites: Rewrites,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            server: None,
            capabilities: Capabilities::ALL,
            tls: TlsFiles::default(),
            header: HeaderMap::new(),
            dial_timeout: None,
            rewrites: Rewrites::default(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) https: bool,
    pub(super) authority: String,
    pub(super) path: String,
}

/// The hosts of a directory, the registry's own last, and warnings about its files.
///
/// A file that does not parse counts as absent, with a warning: containerd only logs it, too.
///
/// # Errors
/// When the directory or its file cannot be read; containerd fails then, too.
pub(super) fn read(directory: &Path) -> Result<(Vec<Entry>, Vec<String>), String> {
    let path = directory.join(NAME);
    let text = match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Ok(metadata) if metadata.len() > SIZE => {
            return Err(format!("{} is larger than {SIZE} bytes", path.display()));
        }
        _ => fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
    };
    if text.is_empty() {
        return Ok((vec![certificates(directory)?], Vec::new()));
    }
    let mut warnings = Vec::new();
    let parsed = std::str::from_utf8(&text)
        .map_err(|_| "it is not UTF-8".to_owned())
        .and_then(|text| parse(directory, text, &mut warnings));
    match parsed {
        Ok(entries) => {
            let warnings = warnings.into_iter().map(|text| format!("{}: {text}", path.display())).collect();
            Ok((entries, warnings))
        }
        Err(reason) => {
            let warning = format!("{} is ignored by pullgate and containerd: {reason}", path.display());
            Ok((vec![certificates(directory)?], vec![warning]))
        }
    }
}

/// `loadCertFiles`: `*.crt` are certificate authorities, `*.cert` with `*.key` are client certificates.
fn certificates(directory: &Path) -> Result<Entry, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", directory.display());
    let mut names = Vec::new();
    match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(error)),
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(unreadable)?;
                if !entry.file_type().map_err(unreadable)?.is_dir() {
                    names.push(entry.path());
                }
            }
        }
    }
    names.sort();
    let mut entry = Entry::default();
    for path in names {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => entry.tls.authorities.push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                let key = key.try_exists().map_err(unreadable)?.then_some(key);
                entry.tls.pairs.push((path, key));
            }
            _ => {}
        }
    }
    Ok(entry)
}

pub(crate) fn parse(directory: &Path, text: &str, warnings: &mut Vec<String>) -> Result<Vec<Entry>, String> {
    let document = DeTable::parse(text).map_err(|error| excerpt(error.message()))?;
    let root = document.get_ref();
    let mut entries = Vec::new();
    let configured = match root.get("host") {
        None => {
            warnings.push(
                "it has no table `host`, so containerd 1.x ignores the whole file and contacts the registry directly"
                    .to_owned(),
            );
            None
        }
        Some(value) => Some(value.get_ref().as_table().ok_or("host is not a table")?),
    };
    for (_, value) in configured.into_iter().flatten() {
        // containerd parses every host, also those that have no place in the order.
        value.get_ref().as_table().ok_or("a host is not a table")?;
    }
    for name in in_file_order(text, configured) {
        let table = configured
            .and_then(|hosts| hosts.get(name.as_str()))
            .and_then(|value| value.get_ref().as_table());
        entries.push(host(directory, &name, table.ok_or("a host is not a table")?, warnings)?);
    }
    for (name, value) in configured.into_iter().flatten() {
        let unknown = value.get_ref().as_table().map(|table| unknown_keys(table, &HOST_KEYS));
        warnings.extend(
            unknown.into_iter().flatten().map(|what| format!("host {}: {what}", shown(name.get_ref()))),
        );
    }
    let server = match field(root, "server") {
        None => "",
        Some(value) => value.as_str().ok_or("server is not a string")?,
    };
    warnings.extend(unknown_keys(root, &[&KEYS[..], &HOST_KEYS[..]].concat()));
    entries.push(host(directory, server, root, warnings)?);
    Ok(entries)
}

/// The hosts in the order of their table headers. A host in another notation (inline, or with dotted keys) has no place in
/// containerd's order and is not used; one whose sub-table comes after another host is used twice.
fn in_file_order(text: &str, hosts: Option<&DeTable<'_>>) -> Vec<String> {
    let mut headers = Vec::new();
    for (name, value) in hosts.into_iter().flatten() {
        headers.push((name.span().start, name.get_ref().to_string()));
        for (key, inner) in value.get_ref().as_table().into_iter().flatten() {
            if inner.get_ref().is_table() {
                headers.push((key.span().start, name.get_ref().to_string()));
            }
        }
    }
    headers.retain(|(position, _)| {
        let before = text.get(..*position).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().trim_start().starts_with('[')
    });
    headers.sort();
    let mut names: Vec<String> = headers.into_iter().map(|(_, name)| name).collect();
    names.dedup();
    names
}

/// `parseHostConfig`.
fn host(
    directory: &Path,
    server: &str,
    table: &DeTable<'_>,
    warnings: &mut Vec<String>,
) -> Result<Entry, String> {
    let mut entry = Entry::default();
    let override_path = match field(table, "override_path") {
        None => false,
        Some(value) => value.as_bool().ok_or("override_path is not true or false")?,
    };
    if !server.is_empty() {
        entry.server = Some(parse_server(server, override_path)?);
        if server.contains('@') {
            warnings.push(format!(
                "the URL of {} contains a user name, which containerd does not send; give credentials in imagePullSecrets or in \
                 [registry] of pullgate.toml",
                shown(server)
            ));
        }
    }
    if let Some(value) = field(table, "capabilities") {
        let names = texts(value).ok_or("capabilities is not a list of strings")?;
        if !names.is_empty() {
            entry.capabilities = Capabilities::NONE;
        }
        for name in names {
            match name.to_lowercase().as_str() {
                "pull" => entry.capabilities.pull = true,
                "resolve" => entry.capabilities.resolve = true,
                "push" => entry.capabilities.push = true,
                "referrers" => warnings.push(
                    "capability referrers makes containerd before 2.2 ignore the whole file and ask another host"
                        .to_owned(),
                ),
                _ => return Err(format!("unknown capability {}", excerpt(name))),
            }
        }
    }
    if let Some(value) = field(table, "skip_verify") {
        entry.tls.skip_verify = Some(value.as_bool().ok_or("skip_verify is not true or false")?);
    }
    if let Some(value) = field(table, "ca") {
        let paths = match value.as_str() {
            Some(path) => vec![path],
            None => texts(value).ok_or("ca is not a string or a list of strings")?,
        };
        entry.tls.authorities = paths.into_iter().map(|path| directory.join(path)).collect();
    }
    if let Some(value) = field(table, "client") {
        entry.tls.pairs = client(directory, value)?;
    }
    if let Some(value) = field(table, "header") {
        entry.header = header(value.as_table().ok_or("header is not a table")?, warnings)?;
    }
    if let Some(value) = field(table, "dial_timeout") {
        let text = value.as_str().ok_or("dial_timeout is not a string")?;
        if !text.is_empty() {
            entry.dial_timeout = Some(go_duration(text).ok_or("dial_timeout is not a duration")?);
        }
    }
    if let Some(value) = field(table, "rewrite") {
        entry.rewrites = Rewrites::read(value, warnings);
    }
    Ok(entry)
}

fn parse_server(server: &str, override_path: bool) -> Result<Server, String> {
    let text = if server.starts_with("http") { server.to_owned() } else { format!("https://{server}") };
    let (scheme, rest) = text.split_once("://").ok_or("the URL of a server has no scheme")?;
    let https = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err("the URL of a server is neither http nor https".to_owned()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let authority = without_user(authority)
        .filter(|authority| Url::parse(&format!("{scheme}://{authority}/")).is_ok())
        .ok_or_else(|| format!("server {} is not a URL", shown(server)))?;
    let mut path = clean(path);
    if !override_path && !path.ends_with("/v2") {
        path.push_str("/v2");
    }
    // Go joins with `path.Join`, which drops the slash of a bare root.
    Ok(Server { https, authority: authority.to_owned(), path: path.replacen("//", "/", 1) })
}

fn client(
    directory: &Path,
    value: &DeValue<'_>,
) -> Result<Vec<(std::path::PathBuf, Option<std::path::PathBuf>)>, String> {
    if let Some(path) = value.as_str() {
        return Ok(vec![(directory.join(path), None)]);
    }
    let mut pairs = Vec::new();
    for item in value.as_array().ok_or("client is not a string or a list")?.iter() {
        let item = item.get_ref();
        if let Some(path) = item.as_str() {
            pairs.push((directory.join(path), None));
            continue;
        }
        match texts(item).as_deref() {
            Some([certificate, key]) => {
                // An empty key means that the certificate's file contains it, but Go has joined it to the directory.
                pairs.push((directory.join(certificate), Some(directory.join(key))));
            }
            _ => return Err("client has an entry that is neither a string nor a pair of strings".to_owned()),
        }
    }
    Ok(pairs)
}

/// The fields of a table of headers; each value is a string or a list of strings.
pub(super) fn header(table: &DeTable<'_>, warnings: &mut Vec<String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in table {
        let values = match value.get_ref().as_str() {
            Some(text) => vec![text],
            None => texts(value.get_ref()).ok_or("a header is not a string or a list of strings")?,
        };
        for text in values {
            let name = HeaderName::from_bytes(name.get_ref().as_bytes());
            let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(text)) else {
                warnings.push(
                    "a header has a name or value that HTTP does not allow, and is left out".to_owned(),
                );
                continue;
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    Ok(headers)
}

/// A field by its exact name or, without one, by its name in any case, as go-toml finds it.
fn field<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<&'a DeValue<'i>> {
    let exact = table.get(name);
    let value: Option<&Spanned<DeValue<'i>>> = exact.or_else(|| {
        table.iter().find(|(key, _)| key.get_ref().eq_ignore_ascii_case(name)).map(|(_, value)| value)
    });
    value.map(Spanned::get_ref)
}

/// A warning for each key that is not one of these in any case.
pub(super) fn unknown_keys(table: &DeTable<'_>, known: &[&str]) -> Vec<String> {
    let is_known = |key: &str| known.iter().any(|known| known.eq_ignore_ascii_case(key));
    let unknown = table.keys().map(|key| key.get_ref()).filter(|key| !is_known(key));
    unknown.take(UNKNOWN).map(|key| format!("unknown key `{}` is ignored", excerpt(key))).collect()
}

fn texts<'a>(value: &'a DeValue<'_>) -> Option<Vec<&'a str>> {
    value.as_array()?.iter().map(|item| item.get_ref().as_str()).collect()
}
