//! Whether an image that is on the node may be used: decided by its id and by evidence, with no network but for keys whose
//! service has a say.

mod evaluation;

use std::collections::BTreeSet;

use super::{Gate, Pod, Refusal, break_glass, present_cache, quorum};
use crate::digest::Digest;
use crate::reference::{Reference, Repository};
use crate::telemetry::Reason;
use evaluation::{LookupBy, PresentEvaluation};

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

/// The proof that an image on the node may be used under the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentVerdict {
    repository: Repository,
    digest: Option<Digest>,
    rule: String,
    reason: Reason,
    audited: Vec<Refusal>,
}

impl PresentVerdict {
    /// An image that an emergency opens.
    pub(super) fn opened(repository: Repository, digest: Option<Digest>, rule: String) -> Self {
        Self { repository, digest, rule, reason: Reason::BreakGlass, audited: Vec::new() }
    }

    /// The repository whose rule admitted it: that of the name, or for an id one of the image's repositories.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest that was verified; `None` for an image that may be used unsigned.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The name that means this image and no other, for who will pull it again (guest-pull runtimes).
    pub fn pinned(&self) -> Option<String> {
        self.digest.as_ref().map(|digest| format!("{}@{digest}", self.repository))
    }

    /// The rule that admitted it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Why it was admitted.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What rules in audit mode would have refused, had they been enforced.
    pub fn audited(&self) -> &[Refusal] {
        &self.audited
    }

    /// About how many bytes it takes, without what was audited.
    pub(super) fn bytes(&self) -> usize {
        let digest = self.digest.as_ref().map_or(0, |digest| digest.as_str().len());
        self.repository.as_str().len() + digest + self.rule.len()
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
        if let Some(standing) = break_glass::present_exception(self, asked, present) {
            return Ok(standing);
        }
        let policy = self.policy().ok_or_else(|| Refusal::no_policy(asked))?;
        let id = Digest::parse(&present.id).map_err(|_| Refusal::unverified_id(asked, &present.id))?;
        let namespace = pod.map(|pod| pod.namespace.as_str());
        let key = present_cache::key(&policy, asked, namespace, &id, present.names());
        if let Some(standing) = self.present_cache.find(&key, &self.ledger, jiff::Timestamp::now()) {
            return Ok(standing);
        }
        let case = PresentEvaluation::new(self, policy, asked, id, present, namespace);
        let speaker = LookupBy::of(asked, &case)?;
        if let Some(decided) = case.without_evidence(&speaker) {
            return decided;
        }
        let mut case = (case, speaker);
        let work = async {
            loop {
                let turn = self.readers.acquire().await;
                let once = move || {
                    let decided = case.0.decide_from(&case.1);
                    (case, decided)
                };
                let ran = tokio::task::spawn_blocking(once).await;
                drop(turn);
                let Ok((back, (decided, rests_on))) = ran else {
                    return (Err(Refusal::internal(asked)), None);
                };
                case = back;
                let wanted = case.0.wanted(&decided);
                if wanted.is_empty() {
                    return (decided, rests_on);
                }
                // What is asked was not known before and is from now on, so this ends.
                let answers = quorum::ask(&self.remote_verifier, wanted).await;
                case.0.hear(answers);
            }
        };
        let decided = tokio::time::timeout(self.settings.timeout, work).await;
        let (decided, rests_on) =
            decided.unwrap_or_else(|_| (Err(Refusal::timeout(asked, self.settings.timeout)), None));
        if let (Ok(standing), Some((stamp, until))) = (&decided, rests_on)
            && standing.audited.is_empty()
        {
            self.present_cache.remember(key, standing, stamp, until);
        }
        decided
    }
}

/// Whether `asked` is the id of the image, or the beginning of it, and not one of its names.
pub(super) fn is_id(asked: &str, id: &Digest, names: &BTreeSet<Reference>) -> bool {
    let prefix = asked.strip_prefix("sha256:").unwrap_or(asked);
    let hexadecimal = prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_name = || Reference::parse(asked).is_ok_and(|reference| names.contains(&reference));
    !prefix.is_empty() && hexadecimal && id.hex().starts_with(prefix) && !is_name()
}

/// The names by which the runtime knows an image, as far as they are names.
pub(super) fn names(present: &Present) -> BTreeSet<Reference> {
    present.names().filter_map(|name| Reference::parse(name).ok()).collect()
}
