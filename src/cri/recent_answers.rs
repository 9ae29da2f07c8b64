//! Recent answers to kubelet about images.
//!
//! After kubelet has found or pulled an image, it queries the image's user, and takes an absent image for "runs as root"
//! (`getImageUser`). So an image that was reported a moment ago must not become absent.

use std::time::Duration;

use crate::reference::Reference;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// How long an answer is remembered. kubelet queries the user within the same attempt to start a container; a busy node
/// may take minutes for one.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// How many names of each kind are kept, at about 300 bytes each.
const CAPACITY: usize = 8192;

/// A bounded map of recent answers, by canonical image name.
#[derive(Debug)]
pub(super) struct RecentAnswers {
    present: TtlCache<String, ()>,
    /// The image, and the policy that admitted it.
    pulled: TtlCache<String, (String, String)>,
}

impl Default for RecentAnswers {
    fn default() -> Self {
        Self { present: TtlCache::of_entries(CAPACITY), pulled: TtlCache::of_entries(CAPACITY) }
    }
}

impl RecentAnswers {
    /// Records that image `name` was reported as present.
    pub(super) fn present(&self, name: &str) {
        self.present_as(&canonical(name));
    }

    /// The same for a canonical name.
    pub(super) fn present_as(&self, canonical: &str) {
        let until = Expiry::after(WINDOW);
        if !self.present.extend(canonical, until) {
            self.present.put(canonical.to_owned(), (), 0, until);
        }
    }

    /// Records that `name` was pulled as image `id`, admitted by `policy`.
    pub(super) fn pulled(&self, name: &str, id: &str, policy: String) {
        self.pulled.put(canonical(name), (id.to_owned(), policy), 0, Expiry::after(WINDOW));
    }

    /// Whether image `name` was reported as present recently.
    pub(super) fn is_present(&self, name: &str) -> bool {
        self.present.live(&canonical(name)).is_some()
    }

    /// Whether `name` was pulled as `id` recently, under the same policy.
    pub(super) fn is_pulled(&self, name: &str, id: &str, policy: &str) -> bool {
        self.pulled.live(&canonical(name)).is_some_and(|pulled| pulled.0 == id && pulled.1 == policy)
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
        tokio::time::advance(WINDOW / 2).await;
        answers.present("httpd");
        answers.present("nginx");
        tokio::time::advance(WINDOW / 2).await;
        assert!(answers.is_present("nginx") && answers.is_present("httpd"), "the last answer counts");
        tokio::time::advance(WINDOW / 2).await;
        assert!(!answers.is_present("nginx") && !answers.is_pulled("nginx:1", "sha256:a", "policy"));
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let answers = RecentAnswers::default();
        let names = || (0..CAPACITY + 10).map(|number| format!("app:{number}"));
        names().for_each(|name| answers.present(&name));
        assert_eq!(names().filter(|name| answers.is_present(name)).count(), CAPACITY);
    }
}
