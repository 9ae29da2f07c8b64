//! `[[registry.credential]]`, `docker-config` and `[registry.acr]`: the operator's own credentials, by the names of files.

use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeValue;

use super::super::document::{Document, Table, Value};
use super::super::services::secret_file;
use crate::alibaba::Identity;
use crate::registry::{AcrSettings, HostCredential};
use pullgate_config::values::is_host;

/// The most hosts with credentials.
const MAX_CREDENTIALS: usize = 256;
/// The most names of one ACR instance.
const MAX_HOSTS: usize = 16;
/// The most ACR instances.
const MAX_INSTANCES: usize = 64;

/// `docker-config`
pub(super) fn read_docker_config(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<PathBuf> {
    secret_file(document, table, "docker-config")
}

/// `[[registry.credential]]`
pub(super) fn read_credentials(document: &mut Document<'_>, value: Value<'_>) -> Vec<HostCredential> {
    let span = value.span.clone();
    let values = document.array(value, "`credential`", "an array of tables: [[registry.credential]]");
    let values = values.unwrap_or_default();
    if values.len() > MAX_CREDENTIALS {
        let message = format!("more than {MAX_CREDENTIALS} times [[registry.credential]]");
        document.problem(span, message, "write them into a docker-config");
        return Vec::new();
    }
    let mut credentials: Vec<HostCredential> = Vec::new();
    for value in values {
        let keys = ["host", "username", "password-file"];
        let Some(mut table) = document.table(value, "[[registry.credential]]", &keys) else { continue };
        let span = table.span.clone();
        // One that is written and cannot be used is a problem of its own.
        let whole = keys.iter().all(|key| table.has(key));
        let host = host(document, &mut table, "host");
        let username = name(document, &mut table, "username");
        let password_file = secret_file(document, &mut table, "password-file");
        match (host, username, password_file) {
            (Some(host), Some(username), Some(password_file)) => {
                if credentials.iter().any(|known| known.host == host) {
                    document.problem(span, format!("`{host}` has two credentials"), "keep one of them");
                } else {
                    credentials.push(HostCredential { host, username, password_file });
                }
            }
            _ if whole => {}
            _ => document.problem(
                span,
                "[[registry.credential]] is not whole",
                "it needs `host`, `username` and `password-file`",
            ),
        }
    }
    credentials
}

/// `[registry.acr]`, or `[[registry.acr]]` for each of several instances
pub(super) fn read_acr(document: &mut Document<'_>, value: Value<'_>) -> Vec<AcrSettings> {
    let DeValue::Array(_) = &value.value else {
        return read_instance(document, value).into_iter().collect();
    };
    let span = value.span.clone();
    let values = document.array(value, "`acr`", "a table, or an array of tables").unwrap_or_default();
    if values.len() > MAX_INSTANCES {
        document.problem(span, format!("more than {MAX_INSTANCES} times [[registry.acr]]"), "keep fewer");
        return Vec::new();
    }
    let mut instances: Vec<AcrSettings> = Vec::new();
    for value in values {
        let span = value.span.clone();
        let Some(instance) = read_instance(document, value) else { continue };
        let shared = |host: &&String| instances.iter().any(|known| known.hosts.contains(host));
        match instance.hosts.iter().find(shared) {
            Some(host) => {
                let message = format!("`{host}` belongs to two instances");
                document.problem(span, message, "name each host at one [[registry.acr]]");
            }
            None => instances.push(instance),
        }
    }
    instances
}

fn read_instance(document: &mut Document<'_>, value: Value<'_>) -> Option<AcrSettings> {
    let keys =
        ["instance", "region", "hosts", "ram-role", "access-key-id", "access-key-secret-file", "endpoint"];
    let mut table = document.table(value, "[registry.acr]", &keys)?;
    let span = table.span.clone();
    let asks = ["ram-role", "access-key-id", "access-key-secret-file"].map(|key| table.has(key));
    let whole = ["instance", "region", "hosts"].iter().all(|key| table.has(key))
        && matches!(asks, [true, false, false] | [false, true, true]);
    let instance = name(document, &mut table, "instance");
    let region = name(document, &mut table, "region");
    let hosts = hosts(document, &mut table);
    let endpoint = host(document, &mut table, "endpoint");
    let role = name(document, &mut table, "ram-role");
    let id = name(document, &mut table, "access-key-id");
    let secret_file = secret_file(document, &mut table, "access-key-secret-file");
    let identity = match (role, id, secret_file) {
        (Some(role), None, None) => Some(Identity::Role(role)),
        (None, Some(id), Some(secret_file)) => Some(Identity::Key { id, secret_file }),
        _ => None,
    };
    let (Some(instance), Some(region), Some(hosts), Some(identity)) = (instance, region, hosts, identity)
    else {
        if whole {
            return None;
        }
        let hint = "it needs `instance`, `region`, `hosts`, and either `ram-role` or `access-key-id` with \
                    `access-key-secret-file`";
        document.problem(span, "[registry.acr] is not whole", hint);
        return None;
    };
    let endpoint = endpoint.unwrap_or_else(|| format!("cr.{region}.aliyuncs.com"));
    Some(AcrSettings {
        instance,
        hosts,
        identity,
        endpoint: format!("https://{endpoint}"),
        metadata: AcrSettings::METADATA.to_owned(),
    })
}

fn hosts(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Vec<String>> {
    let value = table.take("hosts")?;
    let span = value.span.clone();
    let values = document.array(value, "`hosts`", "an array of host names")?;
    let mut hosts = Vec::new();
    for value in values {
        let (text, span) = document.string(value, "a host in `hosts`")?;
        hosts.push(checked_host(document, text, span)?);
    }
    if hosts.is_empty() || hosts.len() > MAX_HOSTS {
        document.problem(
            span,
            format!("`hosts` has not 1 to {MAX_HOSTS} names"),
            "name the registry's hosts",
        );
        return None;
    }
    Some(hosts)
}

fn host(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<String> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    checked_host(document, text, span)
}

fn checked_host(document: &mut Document<'_>, text: String, span: Range<usize>) -> Option<String> {
    if is_host(&text) {
        return Some(text);
    }
    let hint = "write it as `registry.example.com`, or with its port, without `https://` and without stars";
    document.problem(span, "not the name of a host", hint);
    None
}

/// An identifier of somebody else's: printable, short, and no part of a path or a header.
pub(super) fn name(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<String> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    let plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'%' | b'"' | b'\\');
    // A user name is written before a colon.
    if text.is_empty() || text.len() > 256 || !text.bytes().all(plain) || text.contains(':') {
        let hint = "write 1 to 256 printable characters without spaces, slashes and colons";
        document.problem(span, format!("`{key}` is not a name"), hint);
        return None;
    }
    Some(text)
}
