//! Answers about documents, which never change, because a document is named by its hash.

use std::sync::Arc;

use pullgate_net::single_flight::{Key, SingleFlight};
use pullgate_net::ttl_cache::TtlCache;

use super::super::verdict_cache::lifetime;
use super::reader::Unread;

/// How many answers are remembered, and their bytes.
const MAX_CACHED: usize = 4096;
const MAX_CACHED_BYTES: usize = 2 << 20;

/// Answers by question. Equal questions at the same time share one answer.
#[derive(Debug)]
pub(super) struct Remembered<V> {
    answers: Arc<TtlCache<String, V>>,
    finding: SingleFlight<Result<V, Unread>>,
}

impl<V: Clone> Default for Remembered<V> {
    fn default() -> Self {
        let answers = Arc::new(TtlCache::new(MAX_CACHED, MAX_CACHED_BYTES));
        Self { answers, finding: SingleFlight::default() }
    }
}

impl<V: Clone + Send + Sync + 'static> Remembered<V> {
    /// The answer to `question`: the known one, or that of `work`, which is remembered where `size` says how many bytes it
    /// has.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) async fn get(
        &self,
        (key, question): (Key, String),
        size: impl FnOnce(&V) -> Option<usize> + Send + 'static,
        work: impl Future<Output = Result<V, Unread>> + Send + 'static,
    ) -> Result<V, Unread> {
        if let Some((answer, _)) = self.answers.get(&question, jiff::Timestamp::now()) {
            return Ok(answer);
        }
        let answers = Arc::clone(&self.answers);
        let remembering = async move {
            let answer = work.await?;
            if let Some(bytes) = size(&answer) {
                answers.put(question, answer.clone(), bytes, lifetime(None));
            }
            Ok(answer)
        };
        let found = self.finding.join(key, remembering).await;
        found.unwrap_or_else(|| Err("a document of the image cannot be read".to_owned().into()))
    }
}
