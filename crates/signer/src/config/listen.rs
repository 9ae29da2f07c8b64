//! `[listen]` and `[metrics]`: where the service listens.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use crate::{Address, Listen, Tls};
use pullgate_config::document::{Document, Table};
use pullgate_config::values::{read_path, section};
use pullgate_keys::service_options::secret_file;

pub(super) fn read(document: &mut Document<'_>, root: &mut Table<'_>) -> Listen {
    let local = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 8790)));
    let mut listen = Listen { address: local, tls: None, secret_file: None };
    let known = ["address", "certificate", "key", "clients", "secret-file"];
    let Some(mut table) = section(document, root, "listen", &known) else { return listen };
    let span = table.span.clone();
    let mut at = span.clone();
    if let Some((address, written)) = address(document, &mut table, "address") {
        (listen.address, at) = (address, written);
    }
    // An invalid value has been reported already.
    let [certificate, key, clients] = ["certificate", "key", "clients"].map(|key| table.has(key));
    if certificate != key || (clients && !certificate) {
        let hint = "`clients` names the CAs of client certificates, and needs `certificate` and `key`";
        document.problem(span, "`certificate` and `key` belong together", hint);
    }
    let certificate = read_path(document, &mut table, "certificate").map(|(path, _)| path);
    let key = secret_file(document, &mut table, "key");
    let clients = read_path(document, &mut table, "clients").map(|(path, _)| path);
    listen.tls = certificate.zip(key).map(|(certificate, key)| Tls { certificate, key, clients });
    listen.secret_file = secret_file(document, &mut table, "secret-file");
    let known = listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if listen.secret_file.is_none() && !known && !listen.address.is_local() && document.problems.is_empty() {
        let hint =
            "set `secret-file`, or a certificate with `clients`, or listen at 127.0.0.1 or at a unix socket";
        document.problem(at, "everyone who can connect could notify", hint);
    }
    listen
}

pub(super) fn read_metrics(document: &mut Document<'_>, root: &mut Table<'_>) -> Option<SocketAddr> {
    let mut table = section(document, root, "metrics", &["address"])?;
    match address(document, &mut table, "address")? {
        (Address::Tcp(address), _) => Some(address),
        (Address::Unix(_), span) => {
            let hint = "write \"127.0.0.1:8791\"";
            document.problem(span, "`address` is not an IP address with a port", hint);
            None
        }
    }
}

fn address(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<(Address, Range<usize>)> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    let address = match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Some(Address::Unix(PathBuf::from(path))),
        Some(_) => None,
        None => text.parse().ok().map(Address::Tcp),
    };
    if address.is_none() {
        let hint =
            "write an IP address with its port, as in \"127.0.0.1:8790\" or \"[::]:8790\", or \"unix:/path\"";
        document.problem(span.clone(), format!("`{key}` is not an address to listen at"), hint);
    }
    Some((address?, span))
}
