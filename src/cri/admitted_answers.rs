//! Answers of the runtime that the gate admitted. kubelet asks about the same images again and again, and the runtime answers
//! with the same bytes: such an answer is passed on without being read.

use std::sync::Arc;

use super::recent_answers::canonical;
use crate::gate::{CachedVerdict, Gate};
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// How many answers are kept. kubelet runs 110 pods, and asks by name and by id.
const CAPACITY: usize = 4096;

/// How many bytes they may have.
const MAX_BYTES: usize = 4 << 20;

/// The largest question and answer that are kept, together, in bytes; with 20 names an image has 4 KiB.
const MAX_ANSWER_BYTES: usize = 16 << 10;

/// A bounded map of admitted answers, by the image in the question.
#[derive(Debug)]
pub(super) struct AdmittedAnswers(TtlCache<String, Arc<AdmittedAnswer>>);

/// An answer and the verdict that admits it.
#[derive(Debug)]
pub(super) struct AdmittedAnswer {
    message: Box<[u8]>,
    canonical: String,
    verdict: CachedVerdict,
}

impl Default for AdmittedAnswers {
    fn default() -> Self {
        Self(TtlCache::new(CAPACITY, MAX_BYTES))
    }
}

impl AdmittedAnswers {
    /// The entry for the question `asked`, if the runtime's `message` is the same, byte by byte, and the gate would admit it
    /// again.
    pub(super) fn find(&self, gate: &Gate, asked: &str, message: &[u8]) -> Option<Arc<AdmittedAnswer>> {
        if asked.len().saturating_add(message.len()) > MAX_ANSWER_BYTES {
            return None;
        }
        let answer = self.0.live(asked)?;
        (*answer.message == *message && gate.is_current(&answer.verdict)).then_some(answer)
    }

    /// Keeps an answer, in place of an earlier one to the same question.
    pub(super) fn keep(&self, asked: &str, message: &[u8], verdict: CachedVerdict) {
        if asked.len().saturating_add(message.len()) > MAX_ANSWER_BYTES {
            return;
        }
        let answer = AdmittedAnswer { message: message.into(), canonical: canonical(asked), verdict };
        let texts = asked.len() + answer.canonical.len() + message.len();
        let bytes = size_of::<(String, AdmittedAnswer)>() + texts;
        self.0.put(asked.to_owned(), Arc::new(answer), bytes, Expiry::never());
    }
}

impl AdmittedAnswer {
    /// The image in the question, as containerd records it.
    pub(super) fn canonical(&self) -> &str {
        &self.canonical
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gate::{GateSettings, Present};
    use crate::policy::{Action, Allowance, Policy, Rule, Scope};
    use crate::registry::{Registry, RegistrySettings};

    fn policy() -> Policy {
        let action = Action::AllowUnsigned(Allowance::of_all("a test".to_owned()));
        let rule = Rule::new(String::new(), Scope::parse("**").unwrap(), action);
        Policy::new(rule, Vec::new(), Vec::new()).unwrap()
    }

    fn gate() -> Gate {
        let registry = Registry::new(RegistrySettings::default()).unwrap();
        let gate =
            Gate::new(Arc::new(registry), GateSettings { timeout: Duration::from_secs(30), concurrent: 16 });
        gate.set_policy(policy());
        gate
    }

    async fn verdict(gate: &Gate, asked: &str) -> CachedVerdict {
        let id = crate::digest::Digest::of(b"image").to_string();
        let present = Present { id, ..Present::default() };
        gate.check_present_to_cache(asked, &present).await.unwrap().1.expect("it rests on the policy alone")
    }

    #[tokio::test]
    async fn an_answer_is_found_for_the_same_question_and_bytes_under_the_same_policy() {
        let (gate, answers) = (gate(), AdmittedAnswers::default());
        answers.keep("nginx", b"answer", verdict(&gate, "nginx").await);
        let found =
            |asked, message| answers.find(&gate, asked, message).map(|answer| answer.canonical().to_owned());
        let canonical = Some("docker.io/library/nginx:latest".to_owned());
        for (asked, message, expected) in [
            ("nginx", &b"answer"[..], canonical.clone()),
            ("nginx:latest", b"answer", None),
            ("httpd", b"answer", None),
            ("nginx", b"Answer", None),
            ("nginx", b"answers", None),
            ("nginx", b"", None),
        ] {
            assert_eq!(found(asked, message), expected, "{asked} {message:?}");
        }
        answers.keep("nginx", b"other", verdict(&gate, "nginx").await);
        assert_eq!((found("nginx", b"answer"), found("nginx", b"other")), (None, canonical));
        gate.set_policy(policy());
        assert_eq!(found("nginx", b"other"), None, "an equal policy is another one");
    }

    #[tokio::test]
    async fn large_answers_are_not_kept() {
        let (gate, answers) = (gate(), AdmittedAnswers::default());
        for (size, kept) in [(MAX_ANSWER_BYTES - 5, true), (MAX_ANSWER_BYTES - 4, false)] {
            let message = vec![0; size];
            answers.keep("nginx", &message, verdict(&gate, "nginx").await);
            assert_eq!(answers.find(&gate, "nginx", &message).is_some(), kept, "{size}");
        }
    }
}
