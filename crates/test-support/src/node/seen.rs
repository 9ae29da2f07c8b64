//! The result of a pod or of a push, in the words of the table of steps.

use std::time::{Duration, Instant};

use super::Node;
use super::kubelet::{Pod, Ran, Waiting};

/// A pod runs as the user of its image.
pub const RUNS: &str = "runs as user 1000";

#[derive(Clone, Debug)]
pub struct Seen {
    /// In a few words, to be compared with the expected ones.
    pub result: String,
    /// The message of the program.
    pub message: String,
    pub time: Duration,
    /// The result is as expected, but later than the limit.
    pub late: bool,
}

impl Seen {
    /// Runs a pod in kubelet. containerd must have nothing of a refused image.
    pub fn of_pod(node: &Node, pod: &Pod) -> Self {
        let before = node.containerd.content();
        let begin = Instant::now();
        let ran = node.kubelet().run(pod);
        let time = begin.elapsed();
        let (result, message) = match ran {
            Ok(Ran { user, .. }) => (format!("runs as user {user}"), String::new()),
            Err(waiting) if node.containerd.content_since(&before).is_empty() => {
                (in_words(&waiting), waiting.message)
            }
            Err(waiting) => (format!("{}, but fetched", in_words(&waiting)), waiting.message),
        };
        Self { result, message, time, late: false }
    }
}

/// kubelet's reason where it is not pullgate's, otherwise pullgate's reason code.
fn in_words(waiting: &Waiting) -> String {
    match waiting.reason {
        "SignatureValidationFailed" => format!("refused: {}", waiting.code()),
        "ImageInspectError" => format!("not shown: {}", waiting.code()),
        other => other.to_owned(),
    }
}
