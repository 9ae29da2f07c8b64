//! Lists of revoked certificates from where trusted certificates say: fetched one request at a time for each address, bounded,
//! and kept in memory.
//!
//! Only certificates below a CA of the policy name addresses here. Nothing is believed: a list counts only where its
//! signature is verified, each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::registry::{Credentials, Registry};
use crate::trust::x509::{Crl, FetchedCrls, MAX_CRL_BYTES};
use pullgate_core::untrusted::error_chain;
use pullgate_net::offload;
use pullgate_net::service::{Client, Request, ServiceSettings};
use pullgate_net::single_flight::SingleFlight;

/// How long a list is used before a newer one is asked for; it is used longer if there is none, as long as it says itself.
const REFRESH: Duration = Duration::from_secs(60 * 60);
/// How long a failure is remembered.
const RETRY: Duration = Duration::from_secs(60);
/// The timeout of one request, from connecting to the last byte of the answer (notation-core-go `revocation/crl/fetcher.go`: 5
/// seconds).
const STEP: Duration = Duration::from_secs(10);
/// How many requests are made at a time.
const CONCURRENT: usize = 2;
/// How many lists are kept, and about how many bytes they take together.
const MAX_LISTS: usize = 64;
const MAX_BYTES: usize = 16 << 20;
/// How often a check is made again with what was fetched: the certificates of a timestamp are looked at after those of the
/// signature.
pub(super) const CRL_ROUNDS: usize = 3;
/// How many addresses are asked for one image.
const MAX_ADDRESSES: usize = 16;
/// How many times its size a list takes while it is read: as it came, and parsed.
const PARSED: usize = 4;

/// What was fetched, and when it is asked for again.
#[derive(Debug)]
struct Kept {
    outcome: Result<Arc<Crl>, String>,
    again: Instant,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.outcome.as_ref().map_or(0, |list| list.bytes())
    }
}

/// Fetches lists of revoked certificates.
#[derive(Debug)]
pub(super) struct CrlFetcher {
    client: Client,
    kept: Mutex<BTreeMap<String, Kept>>,
    fetching: SingleFlight<()>,
    turns: Semaphore,
}

impl Default for CrlFetcher {
    fn default() -> Self {
        let answer = u64::try_from(MAX_CRL_BYTES).unwrap_or(u64::MAX);
        let settings = ServiceSettings { step: STEP, answer, ..ServiceSettings::default() };
        Self {
            client: Client::new(settings),
            kept: Mutex::default(),
            fetching: SingleFlight::default(),
            turns: Semaphore::new(CONCURRENT),
        }
    }
}

impl CrlFetcher {
    /// What was fetched, without what is to be asked for again.
    pub(super) fn known(&self) -> FetchedCrls {
        let now = Instant::now();
        let kept = self.kept();
        let fresh = kept.iter().filter(|(_, kept)| now < kept.again);
        FetchedCrls(fresh.map(|(address, kept)| (address.clone(), kept.outcome.clone())).collect())
    }

    /// Fetches lists; afterwards [`CrlFetcher::known`] has each of them, or why there is none.
    pub(super) async fn fetch(self: &Arc<Self>, registry: &Arc<Registry>, addresses: BTreeSet<String>) {
        let fetching = addresses.into_iter().take(MAX_ADDRESSES).map(|address| {
            let key = registry.key("crl", &[&address], &Credentials::anonymous());
            let (own, registry) = (Arc::clone(self), Arc::clone(registry));
            self.fetching.join(key, async move {
                let outcome = own.ask(&registry, &address).await;
                own.keep(address, outcome);
            })
        });
        // Each has its own task, so all of them run while one is waited for.
        for one in fetching.collect::<Vec<_>>() {
            let _ = one.await;
        }
    }

    async fn ask(&self, registry: &Registry, address: &str) -> Result<Arc<Crl>, String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let memory = registry.memory().present(MAX_CRL_BYTES * PARSED, STEP).await;
        let _memory = memory.map_err(|error| error.to_string())?;
        let request = Request { method: Method::GET, url: address, headers: &[], body: None, plain: true };
        let answer = self.client.ask(request).await.map_err(|error| error_chain(&error))?;
        if answer.status != 200 {
            return Err(format!("the server of the CRL answers with status {}", answer.status));
        }
        let body = answer.body;
        let parsed = offload::document(body.len(), move || Crl::parse(&body)).await;
        let list = parsed.ok_or("the CRL cannot be read")?.map_err(|error| error_chain(&error))?;
        Ok(Arc::new(list))
    }

    fn keep(&self, address: String, outcome: Result<Arc<Crl>, String>) {
        let mut kept = self.kept();
        let old = kept.remove(&address).and_then(|old| old.outcome.ok());
        let usable = old.filter(|list| Timestamp::now() <= list.next_update());
        let (outcome, time) = match (outcome, usable) {
            (Ok(list), _) => (Ok(list), REFRESH),
            (Err(_), Some(old)) => (Ok(old), RETRY),
            (Err(why), None) => (Err(why), RETRY),
        };
        let new = Kept { outcome, again: Instant::now() + time };
        let mut bytes = new.bytes() + kept.values().map(Kept::bytes).sum::<usize>();
        while bytes > MAX_BYTES || kept.len() >= MAX_LISTS {
            let first = kept.iter().min_by_key(|(_, kept)| kept.again).map(|(address, _)| address.clone());
            let Some(removed) = first.and_then(|address| kept.remove(&address)) else { break };
            bytes = bytes.saturating_sub(removed.bytes());
        }
        kept.insert(address, new);
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
