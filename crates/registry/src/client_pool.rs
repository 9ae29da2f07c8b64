//! HTTP clients: one for each combination of TLS files and audience, created when first needed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use tokio::sync::OnceCell;

use super::address_scope::Guarded;
use super::error::RegistryError;
use super::file_stamp::FileStamp;
use super::hosts::Host;
use super::limits::{HEADER_FIELDS, Limits};
use pullgate_net::service;
use pullgate_net::tls::{self, TlsFiles};
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// Entries of each map: clients, and hosts that answered in plain HTTP.
const REMEMBERED: usize = 64;

/// The kind of target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Audience {
    /// A host of the configuration.
    Configured,
    /// This machine: no proxy.
    Local,
    /// A host that a registry named: no client certificate, and no name that resolves to this node.
    Named,
}

/// Clients by key; each has its own connections.
#[derive(Debug)]
pub(super) struct ClientPool {
    connect: Duration,
    headers: u64,
    provider: Arc<CryptoProvider>,
    roots: OnceCell<Arc<RootCertStore>>,
    cached: TtlCache<Key, reqwest::Client>,
    plain: TtlCache<String, ()>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    audience: Audience,
    secure: bool,
    tls: TlsFiles,
    stamps: Vec<Option<FileStamp>>,
    connect: Duration,
}

impl ClientPool {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            connect: limits.connect_timeout,
            headers: limits.header_bytes,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            roots: OnceCell::new(),
            cached: TtlCache::of_entries(REMEMBERED),
            plain: TtlCache::of_entries(REMEMBERED),
        }
    }

    pub(super) fn provider(&self) -> &CryptoProvider {
        &self.provider
    }

    /// The client for a request on behalf of `host`, over TLS if `secure`.
    ///
    /// # Errors
    /// When a file that the host's TLS needs cannot be used.
    pub(super) async fn get(
        &self,
        host: &Host,
        audience: Audience,
        secure: bool,
    ) -> Result<reqwest::Client, RegistryError> {
        let mut tls = if secure { host.tls.clone() } else { TlsFiles::default() };
        if audience == Audience::Named {
            tls.pairs.clear();
        }
        let stamps = files(&tls).map(|path| FileStamp::of(path)).collect();
        let connect = match host.dial_timeout {
            Some(timeout) => timeout.min(self.connect),
            None => self.connect,
        };
        let key = Key { audience, secure, tls, stamps, connect };
        if let Some(client) = self.cached.live(&key) {
            return Ok(client);
        }
        let client = self
            .build(&key)
            .await
            .map_err(|reason| RegistryError::Configuration { host: host.authority.clone(), reason })?;
        self.cached.put(key, client.clone(), 0, Expiry::never());
        Ok(client)
    }

    /// Whether the host answered HTTPS in plain HTTP before.
    pub(super) fn is_plain_http(&self, authority: &str) -> bool {
        self.plain.live(authority).is_some()
    }

    /// Remembers that the host answered HTTPS in plain HTTP.
    pub(super) fn remember_plain(&self, authority: &str) {
        self.plain.put(authority.to_owned(), (), 0, Expiry::never());
    }

    async fn build(&self, key: &Key) -> Result<reqwest::Client, String> {
        // Plain HTTP gets an empty root store, and so never waits for the roots of the system.
        let needs_roots = key.secure && key.tls.skip_verify != Some(true);
        let roots = if needs_roots {
            let load = || tokio::task::spawn_blocking(|| Arc::new(tls::system_roots()));
            Arc::clone(self.roots.get_or_try_init(load).await.map_err(|error| error.to_string())?)
        } else {
            Arc::new(RootCertStore::empty())
        };
        let config = tls::config(&self.provider, &roots, &key.tls)?;
        let headers = u32::try_from(self.headers).unwrap_or(u32::MAX);
        let mut builder = service::builder(config, key.connect, headers).http1_max_headers(HEADER_FIELDS);
        match key.audience {
            Audience::Configured => {}
            Audience::Local => builder = builder.no_proxy(),
            Audience::Named => builder = builder.dns_resolver(Guarded),
        }
        builder.build().map_err(|error| error.without_url().to_string())
    }
}

fn files(tls: &TlsFiles) -> impl Iterator<Item = &PathBuf> {
    let pairs = tls.pairs.iter().flat_map(|(certificate, key)| [Some(certificate), key.as_ref()]);
    tls.authorities.iter().chain(pairs.flatten())
}
