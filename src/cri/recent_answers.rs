//! What kubelet was told about images lately.
//!
//! After kubelet has found or pulled an image it asks once more, for the image's user, and takes "there is none" for
//! "it runs as root" (`getImageUser`). So what was told a moment ago must not be taken back by silence.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::reference::Reference;

/// How long an answer binds. kubelet asks for the user within the same attempt to start a container; a busy node may
/// take minutes for one.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// How many names are kept, at about 300 bytes each.
const CAPACITY: usize = 8192;

/// A bounded memory of answers.
#[derive(Debug, Default)]
pub(super) struct RecentAnswers(Mutex<HashMap<String, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    present: Option<Instant>,
    pulled: Option<Pulled>,
}

#[derive(Debug)]
struct Pulled {
    id: String,
    policy: String,
    until: Instant,
}

impl RecentAnswers {
    /// kubelet was told that there is an image `name`.
    pub(super) fn present(&self, name: &str) {
        self.entry(name, |entry, until| entry.present = Some(until));
    }

    /// kubelet was told that `name` was pulled and is the image `id`, admitted under `policy`.
    pub(super) fn pulled(&self, name: &str, id: &str, policy: String) {
        self.entry(name, |entry, until| entry.pulled = Some(Pulled { id: id.to_owned(), policy, until }));
    }

    /// Whether kubelet still counts on there being an image `name`.
    pub(super) fn is_present(&self, name: &str) -> bool {
        self.ask(name, |entry, now| entry.present.is_some_and(|until| until > now))
    }

    /// Whether kubelet still counts on `name` being `id`, pulled under the same policy.
    pub(super) fn is_pulled(&self, name: &str, id: &str, policy: &str) -> bool {
        self.ask(name, |entry, now| {
            entry
                .pulled
                .as_ref()
                .is_some_and(|pulled| pulled.until > now && pulled.id == id && pulled.policy == policy)
        })
    }

    fn entry(&self, name: &str, change: impl FnOnce(&mut Entry, Instant)) {
        let now = Instant::now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = canonical(name);
        if told.len() >= CAPACITY && !told.contains_key(&name) {
            told.retain(|_, entry| {
                let pulled = entry.pulled.as_ref().map(|pulled| pulled.until);
                entry.present.max(pulled).is_some_and(|until| until > now)
            });
        }
        if told.len() >= CAPACITY
            && !told.contains_key(&name)
            && let Some(any) = told.keys().next().cloned()
        {
            told.remove(&any);
        }
        change(told.entry(name).or_default(), now + WINDOW);
    }

    fn ask(&self, name: &str, answer: impl FnOnce(&Entry, Instant) -> bool) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&canonical(name)).is_some_and(|entry| answer(entry, Instant::now()))
    }
}

/// The name as containerd records it; kubelet asks for the same image with and without `:latest`.
pub(super) fn canonical(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_binds_for_its_name_and_time() {
        let told = RecentAnswers::default();
        told.present("nginx");
        assert!(told.is_present("docker.io/library/nginx:latest"));
        assert!(!told.is_present("nginx:1"));
        told.pulled("nginx:1", "sha256:a", "policy".to_owned());
        for (id, policy, expected) in
            [("sha256:a", "policy", true), ("sha256:b", "policy", false), ("sha256:a", "other", false)]
        {
            assert_eq!(told.is_pulled("nginx:1", id, policy), expected, "{id} {policy}");
        }
        tokio::time::advance(WINDOW).await;
        assert!(!told.is_present("nginx") && !told.is_pulled("nginx:1", "sha256:a", "policy"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let told = RecentAnswers::default();
        for number in 0..CAPACITY + 10 {
            told.present(&format!("app:{number}"));
        }
        assert_eq!(told.0.lock().unwrap().len(), CAPACITY);
    }
}
