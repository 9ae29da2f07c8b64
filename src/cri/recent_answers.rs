//! Recent answers to kubelet about images.
//!
//! After kubelet has found or pulled an image, it queries the image's user, and takes an absent image for "runs as root"
//! (`getImageUser`). So an image that was reported a moment ago must not become absent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::reference::Reference;

/// How long an answer is remembered. kubelet queries the user within the same attempt to start a container; a busy node
/// may take minutes for one.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// How many names are kept, at about 300 bytes each.
const CAPACITY: usize = 8192;

/// A bounded map of recent answers, by canonical image name.
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
    /// Records that image `name` was reported as present.
    pub(super) fn present(&self, name: &str) {
        self.entry(name, |entry, until| entry.present = Some(until));
    }

    /// Records that `name` was pulled as image `id`, admitted by `policy`.
    pub(super) fn pulled(&self, name: &str, id: &str, policy: String) {
        self.entry(name, |entry, until| entry.pulled = Some(Pulled { id: id.to_owned(), policy, until }));
    }

    /// Whether image `name` was reported as present recently.
    pub(super) fn is_present(&self, name: &str) -> bool {
        self.ask(name, |entry, now| entry.present.is_some_and(|until| until > now))
    }

    /// Whether `name` was pulled as `id` recently, under the same policy.
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
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = canonical(name);
        if answers.len() >= CAPACITY && !answers.contains_key(&name) {
            answers.retain(|_, entry| {
                let pulled = entry.pulled.as_ref().map(|pulled| pulled.until);
                entry.present.max(pulled).is_some_and(|until| until > now)
            });
        }
        if answers.len() >= CAPACITY
            && !answers.contains_key(&name)
            && let Some(any) = answers.keys().next().cloned()
        {
            answers.remove(&any);
        }
        change(answers.entry(name).or_default(), now + WINDOW);
    }

    fn ask(&self, name: &str, answer: impl FnOnce(&Entry, Instant) -> bool) -> bool {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&canonical(name)).is_some_and(|entry| answer(entry, Instant::now()))
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
        let answers = RecentAnswers::default();
        answers.present("nginx");
        assert!(answers.is_present("docker.io/library/nginx:latest"));
        assert!(!answers.is_present("nginx:1"));
        answers.pulled("nginx:1", "sha256:a", "policy".to_owned());
        for (id, policy, expected) in
            [("sha256:a", "policy", true), ("sha256:b", "policy", false), ("sha256:a", "other", false)]
        {
            assert_eq!(answers.is_pulled("nginx:1", id, policy), expected, "{id} {policy}");
        }
        tokio::time::advance(WINDOW).await;
        assert!(!answers.is_present("nginx") && !answers.is_pulled("nginx:1", "sha256:a", "policy"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let answers = RecentAnswers::default();
        for number in 0..CAPACITY + 10 {
            answers.present(&format!("app:{number}"));
        }
        assert_eq!(answers.0.lock().unwrap().len(), CAPACITY);
    }
}
