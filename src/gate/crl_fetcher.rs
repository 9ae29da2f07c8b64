//! Lists of revoked certificates from where trusted certificates say: fetched one request at a time for each address, bounded,
//! and kept in memory.
//!
//! Only certificates below a CA of the policy name addresses here. A list is kept if its issuer signed it, and replaced by no
//! older one: whoever answers at the address cannot make it forgotten. Its signature is verified again each time it is used.

mod rounds;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(super) use self::rounds::CrlRounds;
use crate::digest::Digest;
use crate::registry::{Credentials, Registry};
use crate::trust::x509::{Crl, CrlSource, FetchedCrl, FetchedCrls, MAX_CRL_BYTES};
use pullgate_core::untrusted::error_chain;
use pullgate_net::offload;
use pullgate_net::service::{Client, Request, ServiceSettings};
use pullgate_net::single_flight::SingleFlight;

/// How long a list is used before a newer one is asked for; it is used longer if there is none, as long as it says itself.
const REFRESH: Duration = Duration::from_secs(60 * 60);
/// How long a failure is remembered, and a list that has ended.
const RETRY: Duration = Duration::from_secs(60);
/// The timeout of one request, from connecting to the last byte of the answer (notation-core-go `revocation/crl/fetcher.go`: 5
/// seconds).
const STEP: Duration = Duration::from_secs(10);
/// How many requests are made at a time.
const CONCURRENT: usize = 2;
/// How many lists are kept, and about how many bytes they take together; for the lists of one image, the bytes are the same.
const MAX_LISTS: usize = 64;
const MAX_BYTES: usize = 16 << 20;
/// How many times its size a list takes at most while it is parsed: an entry with an extension has 31 bytes or more, and takes
/// about 500 in vectors that may be half empty.
const PARSED: usize = 32;

/// What was fetched, and when it is asked for again.
#[derive(Debug)]
struct Kept {
    crl: FetchedCrl,
    again: Instant,
}

/// Fetches lists of revoked certificates.
#[derive(Debug)]
pub(super) struct CrlFetcher {
    client: Client,
    kept: Mutex<BTreeMap<CrlSource, Kept>>,
    fetching: SingleFlight<FetchedCrl>,
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
    /// What was fetched.
    fn known(&self) -> FetchedCrls {
        let now = Instant::now();
        let state = |kept: &Kept| FetchedCrl { is_stale: kept.again <= now, ..kept.crl.clone() };
        FetchedCrls(self.kept().iter().map(|(source, kept)| (source.clone(), state(kept))).collect())
    }

    /// Fetches lists: each of them, or why there is none.
    async fn fetch(self: &Arc<Self>, registry: &Arc<Registry>, sources: Vec<CrlSource>) -> FetchedCrls {
        let fetching = sources.into_iter().map(|source| {
            let issuer = Digest::of(source.key());
            let parts = [source.address(), issuer.as_str()];
            let key = registry.key("crl", &parts, &Credentials::anonymous());
            let (own, registry, asked) = (Arc::clone(self), Arc::clone(registry), source.clone());
            let fetch = self.fetching.join(key, async move {
                let outcome = own.ask(&registry, &asked).await;
                own.keep(asked, outcome)
            });
            (source, fetch)
        });
        let mut fetched = FetchedCrls::default();
        // Each has its own task, so all of them run while one is waited for.
        for (source, fetch) in fetching.collect::<Vec<_>>() {
            let crl = fetch.await.unwrap_or_else(|| failed("pullgate did not read the CRL"));
            fetched.0.insert(source, crl);
        }
        fetched
    }

    async fn ask(&self, registry: &Registry, source: &CrlSource) -> Result<Crl, String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let request =
            Request { method: Method::GET, url: source.address(), headers: &[], body: None, plain: true };
        let answer = self.client.ask(request).await.map_err(|error| error_chain(&error))?;
        if answer.status != 200 {
            return Err(format!("the server of the CRL answered with status {}", answer.status));
        }
        let body = answer.body;
        let memory = registry.memory().present(body.len().saturating_mul(PARSED), STEP).await;
        let memory = memory.map_err(|error| error.to_string())?;
        let source = source.clone();
        let body_len = body.len();
        let read = move || {
            let list = Crl::parse_signed(&body, &source);
            drop(memory);
            list
        };
        let list = offload::document(body_len, read).await;
        list.ok_or("the CRL cannot be read")?.map_err(|error| error_chain(&error))
    }

    /// Keeps the newest list, and makes room for it.
    fn keep(&self, source: CrlSource, outcome: Result<Crl, String>) -> FetchedCrl {
        let now = Timestamp::now();
        let mut kept = self.kept();
        let old = kept.remove(&source).and_then(|old| old.crl.list);
        let crl = match (outcome, old) {
            (Ok(new), Some(old)) if rank(&new, now) < rank(&old, now) => {
                let why = format!(
                    "the server returned a CRL made at {}, which is older than the CRL in memory",
                    new.this_update()
                );
                FetchedCrl { list: Some(old), failed: Some(why), is_stale: false }
            }
            (Ok(new), _) => {
                // Many addresses may have the same list; it is in memory once.
                let mut others = kept.values().filter_map(|other| other.crl.list.as_ref());
                let same = others.find(|other| other.digest() == new.digest()).cloned();
                let list = Some(same.unwrap_or_else(|| Arc::new(new)));
                FetchedCrl { list, ..FetchedCrl::default() }
            }
            (Err(why), old) => FetchedCrl { list: old, failed: Some(why), is_stale: false },
        };
        let good = crl.list.as_ref().filter(|_| crl.failed.is_none());
        let left = good.and_then(|list| Duration::try_from(list.next_update().duration_since(now)).ok());
        let again = Instant::now() + left.unwrap_or_default().clamp(RETRY, REFRESH);
        while kept.len() >= MAX_LISTS || bytes(kept.values().map(|kept| &kept.crl).chain([&crl])) > MAX_BYTES
        {
            // A list that cannot be fetched again is the last one to lose.
            let worth = |kept: &Kept| (kept.crl.list.is_some(), kept.crl.failed.is_some(), kept.again);
            let first = kept.iter().min_by_key(|(_, kept)| worth(kept));
            let first = first.map(|(source, _)| source.clone());
            if first.and_then(|source| kept.remove(&source)).is_none() {
                break;
            }
        }
        kept.insert(source, Kept { crl: crl.clone(), again });
        crl
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<CrlSource, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes one list replace another: one that is still to come does not replace one that has begun.
fn rank(list: &Crl, now: Timestamp) -> (bool, Timestamp) {
    (list.this_update() <= now, list.this_update())
}

fn failed(why: &str) -> FetchedCrl {
    FetchedCrl { failed: Some(why.to_owned()), ..FetchedCrl::default() }
}

/// About how many bytes lists take together.
fn bytes<'a>(crls: impl Iterator<Item = &'a FetchedCrl>) -> usize {
    let lists = crls.filter_map(|crl| crl.list.as_ref());
    lists.map(|list| (list.digest(), list.bytes())).collect::<BTreeMap<_, _>>().into_values().sum()
}

#[cfg(test)]
mod tests;
