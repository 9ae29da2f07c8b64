//! Public keys are fetched when they are missing, and never believed for where they came from.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{KeyCache, KeysError, Location, PinnedKey, Settings};

/// How many services are asked at the same time.
const CONCURRENT: usize = 8;

/// Asks for `keys`, each within `limit`, and keeps those that are the pinned ones. Gives what became of each, in their order.
///
/// Keys in PKCS#11 tokens are asked for only where `tokens` says so: a module is foreign code, which a daemon does not
/// load.
pub async fn fetch(
    keys: &[PinnedKey],
    cache: &KeyCache,
    settings: &Settings,
    limit: Duration,
    tokens: bool,
) -> Vec<Result<(), KeysError>> {
    let turns = Arc::new(Semaphore::new(CONCURRENT));
    let mut asking = JoinSet::new();
    for (number, key) in keys.iter().cloned().enumerate() {
        let (cache, settings, turns) = (cache.clone(), settings.clone(), Arc::clone(&turns));
        asking.spawn(async move {
            let _turn = turns.acquire().await;
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
    settings: Settings,
    limit: Duration,
    tokens: bool,
) -> Result<(), KeysError> {
    let origin = key.location.to_string();
    if matches!(key.location, Location::Token(_)) && !tokens {
        return Err(KeysError::Module { origin });
    }
    let asked = tokio::time::timeout(limit, key.ask(&settings)).await;
    let public = asked.unwrap_or(Err(KeysError::Late { origin, limit }))?;
    let kept = tokio::task::spawn_blocking(move || cache.keep(&key, &public));
    kept.await.map_err(|_| KeysError::Abandoned)?
}
