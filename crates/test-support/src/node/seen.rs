//! The outcome of a pod or of a push, in the words of a table.

use std::time::{Duration, Instant};

use super::Node;
use super::kubelet::{Pod, Ran, Waiting};

/// A pod runs as the user that its image names.
pub const RUNS: &str = "runs as user 1000";

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In a few words, the same ones that say what is expected.
    pub got: String,
    /// What a program said about it.
    pub told: String,
    /// How long it took.
    pub time: Duration,
    /// It came about, but not as soon as it should.
    pub late: bool,
}

impl Seen {
    /// Has kubelet run a pod. What is refused, containerd must not have fetched anything of.
    pub fn of_pod(node: &Node, pod: &Pod) -> Self {
        let before = node.containerd.content();
        let begin = Instant::now();
        let ran = node.kubelet().run(pod);
        let time = begin.elapsed();
        let (got, told) = match ran {
            Ok(Ran { user, .. }) => (format!("runs as user {user}"), String::new()),
            Err(waiting) if node.containerd.content_since(&before).is_empty() => {
                (in_words(&waiting), waiting.message)
            }
            Err(waiting) => (format!("{}, but fetched", in_words(&waiting)), waiting.message),
        };
        Self { got, told, time, late: false }
    }
}

/// kubelet's reason where it is not pullgate's, else pullgate's reason code.
fn in_words(waiting: &Waiting) -> String {
    match waiting.reason {
        "SignatureValidationFailed" => format!("refused: {}", waiting.code()),
        "ImageInspectError" => format!("not shown: {}", waiting.code()),
        other => other.to_owned(),
    }
}
