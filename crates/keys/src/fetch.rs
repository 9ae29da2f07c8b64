//! Fetches missing public keys, and accepts only the pinned ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{KeyCache, KeySettings, KeysError, Location, PinnedKey};

/// Concurrent requests.
const CONCURRENT: usize = 8;

/// Fetches `keys`, each within `limit`, and caches those with the pinned fingerprint. Returns the results in the same
/// order.
///
/// Keys in PKCS#11 tokens are fetched only with `tokens`: a module is foreign code, which the daemon does not load.
pub async fn fetch(
    keys: &[PinnedKey],
    cache: &KeyCache,
    settings: &KeySettings,
    limit: Duration,
    tokens: bool,
) -> Vec<Result<(), KeysError>> {
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    let mut asking = JoinSet::new();
    for (number, key) in keys.iter().cloned().enumerate() {
        let (cache, settings, permits) = (cache.clone(), settings.clone(), Arc::clone(&permits));
        asking.spawn(async move {
            let _permit = permits.acquire().await;
            (number, one(key, cache, settings, limit, tokens).await)
        });
    }
    let mut results: Vec<Result<(), KeysError>> = keys.iter().map(|_| Err(KeysError::Abandoned)).collect();
    while let Some(done) = asking.join_next().await {
        if let Ok((number, result)) = done
            && let Some(slot) = results.get_mut(number)
        {
            *slot = result;
        }
    }
    results
}

async fn one(
    key: PinnedKey,
    cache: KeyCache,
    settings: KeySettings,
    limit: Duration,
    tokens: bool,
) -> Result<(), KeysError> {
    let origin = key.location.to_string();
    if matches!(key.location, Location::Token(_)) && !tokens {
        return Err(KeysError::Module { origin });
    }
    let fetched = tokio::time::timeout(limit, key.ask(&settings)).await;
    let public = fetched.unwrap_or(Err(KeysError::Timeout { origin, limit }))?;
    let kept = tokio::task::spawn_blocking(move || cache.keep(&key, &public));
    kept.await.map_err(|_| KeysError::Abandoned)?
}
