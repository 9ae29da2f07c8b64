//! Hashing and parsing of documents from outside, away from the thread that serves calls.
//!
//! One thread serves all calls. A document of some megabytes keeps it for tens of milliseconds each time that it is hashed
//! or parsed, and a registry chooses how often that is. `tests/lint/serving-thread` keeps other code from doing it directly.

use std::sync::Arc;
use std::sync::LazyLock;

use tokio::sync::Semaphore;

/// Bytes up to which a document is handled where the caller is: a thread would cost more.
pub const INLINE_BYTES: usize = 64 << 10;

/// How many larger documents are handled at a time: a parsed document takes several times its size.
const THREADS: usize = 2;

/// One for the process, as the memory is.
static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(THREADS)));

/// The result of `work` on a document of `bytes` bytes: at once for a small one, on another thread and in turn for a
/// large one. `None` when it panicked there.
pub async fn document<T, W>(bytes: usize, work: W) -> Option<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    if bytes <= INLINE_BYTES {
        return Some(work());
    }
    let turn = Arc::clone(&TURNS).acquire_owned().await.ok()?;
    let counted = move || {
        // A caller that is cancelled does not end the work, so the work holds the turn.
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(counted).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a5_only_small_documents_are_handled_on_the_serving_thread() {
        let here = std::thread::current().id();
        for (bytes, inline) in [(0, true), (INLINE_BYTES, true), (INLINE_BYTES + 1, false), (16 << 20, false)]
        {
            let there = document(bytes, || std::thread::current().id()).await;
            assert_eq!(there == Some(here), inline, "{bytes} bytes");
        }
    }

    #[tokio::test]
    async fn a_panic_is_no_result() {
        assert_eq!(document(INLINE_BYTES + 1, || -> u8 { panic!("in the parser") }).await, None);
        assert_eq!(document(INLINE_BYTES + 1, || 1).await, Some(1), "and the turn is free again");
    }
}
