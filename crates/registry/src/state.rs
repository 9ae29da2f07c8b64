//! What the clones of a client share.

use pullgate_net::memory::{MemoryBudget, Share};
use pullgate_net::single_flight::{Key, SingleFlight};

use super::attachments::Collected;
use super::client_pool::ClientPool;
use super::concurrency_limit::ConcurrencyLimit;
use super::cooldowns::Cooldowns;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::host_client::HostClient;
use super::hosts::Hosts;
use super::keychain::Keychain;
use super::limits::{Limits, WRITERS};
use super::negative_cache::NegativeCache;
use super::request_counts::RequestCounts;
use super::resolved::Resolved;
use super::settings::RegistrySettings;
use super::sources::SignatureSource;
use super::token::Tokens;
use pullgate_core::reference::Repository;

#[derive(Debug)]
pub(super) struct RegistryState {
    pub(super) hosts: Hosts,
    pub(super) host_client: HostClient,
    pub(super) sources: Vec<SignatureSource>,
    /// Limits lookups per registry.
    pub(super) lookups: ConcurrencyLimit,
    pub(super) resolving: SingleFlight<Result<Resolved, RegistryError>>,
    pub(super) collecting: SingleFlight<Collected>,
    pub(super) negative_cache: NegativeCache,
    /// Limits writes per tag.
    pub(super) writes: ConcurrencyLimit,
}

impl RegistryState {
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        let RegistrySettings {
            hosts_directories,
            containerd_config,
            token_services,
            keyring,
            sources,
            limits,
        } = settings;
        let clients = ClientPool::new(&limits);
        let tokens = Tokens::new(clients.provider())?;
        let keychain = Keychain::new(keyring, &limits);
        let lookups = ConcurrencyLimit::new(
            limits.concurrent_pulls.div_ceil(4),
            limits.concurrent_pulls,
            limits.queue_timeout,
        );
        let negative_cache = NegativeCache::new(limits.negative_cache_ttl);
        let concurrency_limit =
            ConcurrencyLimit::new(limits.max_requests_per_host, usize::MAX, limits.queue_timeout);
        let cooldowns = Cooldowns::new(limits.max_retry_after);
        let host_client = HostClient {
            clients,
            tokens,
            limits,
            keychain,
            concurrency_limit,
            cooldowns,
            trusted: token_services,
            memory: MemoryBudget::new(limits.memory),
            counts: RequestCounts::default(),
        };
        let hosts = Hosts::new(hosts_directories, containerd_config);
        let (resolving, collecting) = Default::default();
        let writes = ConcurrencyLimit::new(1, usize::MAX, WRITERS);
        Ok(Self { hosts, host_client, sources, lookups, resolving, collecting, negative_cache, writes })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.host_client.limits
    }

    /// The memory of a new lookup.
    pub(super) fn share(&self, repository: &Repository) -> Share {
        self.host_client.memory.share(&repository.to_string())
    }

    /// The key of a lookup: what is requested, with which credentials.
    pub(super) fn key(&self, kind: &str, lookup: &[&str], credentials: &Credentials) -> Key {
        let mut fields = vec![kind.as_bytes()];
        fields.extend(lookup.iter().map(|text| text.as_bytes()));
        fields.extend(credentials.fields());
        self.host_client.tokens.keyed(&fields)
    }

    /// Warnings about the host configuration of a registry.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub(super) fn warnings(&self, domain: &str) -> Result<Vec<String>, RegistryError> {
        Ok(self.hosts.of(domain)?.warnings.clone())
    }
}
