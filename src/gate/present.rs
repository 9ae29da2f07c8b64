//! Whether an image that is on the node may be used: decided by its id and by evidence, without the network, except for
//! keys with a remote check.

mod asked;
mod evaluation;

use std::sync::Arc;

use self::asked::Asked;
use self::evaluation::{PresentEvaluation, RestsOn, exception};
use super::{Gate, Pod, PresentVerdict, Refusal, present_cache, quorum};
use crate::digest::Digest;
use crate::policy::Policy;

/// How many names of one image are looked at; more are as if they were not there.
const MAX_PRESENT_NAMES: usize = 256;

/// An image as the runtime has it (`runtime.v1` `Image`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Its id: the digest of its configuration.
    pub id: String,
    /// The names with a tag that lead to it.
    pub repo_tags: Vec<String>,
    /// The names with a digest that lead to it. Only hints: anyone who can record an image can record any name for it.
    pub repo_digests: Vec<String>,
}

impl Present {
    /// The names that are looked at.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().chain(&self.repo_digests).take(MAX_PRESENT_NAMES).map(String::as_str)
    }
}

impl Gate {
    /// Decides whether the image `present` may be used for `pod` under the name `asked`, with no network. Only a key whose
    /// service has a say is asked for, unless it is remembered that it confirmed.
    ///
    /// - Asked by a name, the rule of that name speaks, and evidence must show that a digest *of that repository* that
    ///   the rule admits today is this very image: that another name for the same image is admitted changes nothing. A
    ///   name with a digest must mean that digest.
    /// - Asked by an id, or the beginning of one, the image's repositories speak, by evidence or by the names that the
    ///   runtime has for it; one that is admitted is enough.
    ///
    /// # Errors
    /// When it may not be used, or that cannot be known without the registry: then a pull is what can help.
    pub async fn check_present(
        &self,
        asked: &str,
        present: &Present,
        pod: Option<&Pod>,
    ) -> Result<PresentVerdict, Refusal> {
        let id = Digest::parse(&present.id);
        let namespace = pod.map(|pod| pod.namespace.as_str());
        let described = id.as_ref().ok().map(|id| Asked::new(asked, id.clone(), present, namespace));
        if let (Some(source), Some(Ok(described))) = (self.break_glass.get(), &described)
            && let Some(verdict) =
                exception(&self.shared, described, &source.exceptions(jiff::Timestamp::now()))
        {
            return Ok(verdict);
        }
        let policy = self.policy().ok_or_else(|| Refusal::no_policy(asked))?;
        let (Ok(id), Some(described)) = (id, described) else {
            return Err(Refusal::unverified_id(asked, &present.id));
        };
        let key = present_cache::key(&policy, asked, namespace, &id, present.names());
        if let Some(verdict) = self.present_cache.find(&key, &self.shared.ledger, jiff::Timestamp::now()) {
            return Ok(verdict);
        }
        let (decided, rests_on) = self.evaluate_present(policy, asked, described?).await;
        if let (Ok(verdict), Some((stamp, until))) = (&decided, rests_on)
            && verdict.audited().is_empty()
        {
            self.present_cache.remember(key, verdict, stamp, until);
        }
        decided
    }

    async fn evaluate_present(
        &self,
        policy: Arc<Policy>,
        name: &str,
        asked: Asked,
    ) -> (Result<PresentVerdict, Refusal>, Option<RestsOn>) {
        let mut evaluation = PresentEvaluation::new(self.shared.clone(), policy, asked);
        if let Some(decided) = evaluation.without_evidence() {
            return (decided, None);
        }
        let work = async {
            loop {
                let permit = self.readers.acquire().await;
                let once = move || {
                    let decided = evaluation.decide();
                    (evaluation, decided)
                };
                let ran = tokio::task::spawn_blocking(once).await;
                drop(permit);
                let Ok((back, (decided, rests_on))) = ran else {
                    return (Err(Refusal::internal(name)), None);
                };
                evaluation = back;
                let open = evaluation.open_checks(&decided);
                if open.is_empty() {
                    return (decided, rests_on);
                }
                // What is asked was not known before and is from now on, so this ends.
                evaluation.confirm(quorum::ask(&self.shared.remote_verifier, open).await);
            }
        };
        let timeout = self.settings.timeout;
        let decided = tokio::time::timeout(timeout, work).await;
        decided.unwrap_or_else(|_| (Err(Refusal::timeout(name, timeout)), None))
    }
}
