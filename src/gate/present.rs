//! Whether a present image may be used: decided by its id and by evidence, without the network, except for keys with a
//! remote check and for lists of revoked certificates.

mod asked;
mod evaluation;

use std::sync::Arc;

use self::asked::Asked;
use self::evaluation::{PresentEvaluation, RestsOn, exception};
use super::{CachedVerdict, Gate, HeldContent, Pod, PresentVerdict, Refusal, present_cache, quorum};
use crate::api::Image;
use crate::digest::Digest;
use crate::policy::{BreakGlass, Policy};

/// Evidence up to this size, in bytes, is read without a part of the memory budget: sixteen questions read at a time.
const SMALL_EVIDENCE: u64 = 128 << 10;

/// How many times its size evidence takes while it is evaluated: a parsed document is larger than its bytes.
const PARSED: usize = 4;

/// How many names of one image are considered; more are ignored.
const MAX_PRESENT_NAMES: usize = 256;

/// An image as the runtime has it (`runtime.v1` `Image`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Its id: the digest of its configuration.
    pub id: String,
    /// The names with a tag that lead to it.
    pub repo_tags: Vec<String>,
    /// The names with a digest that lead to it. Hints only: whoever can record an image can record any name for it.
    pub repo_digests: Vec<String>,
    /// What the runtime has of it; needed where digests are denied. See [`Gate::read_content`].
    pub content: HeldContent,
}

impl Present {
    /// The names that are considered.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().chain(&self.repo_digests).take(MAX_PRESENT_NAMES).map(String::as_str)
    }
}

impl From<&Image> for Present {
    fn from(image: &Image) -> Self {
        Self {
            id: image.id.clone(),
            repo_tags: image.repo_tags.clone(),
            repo_digests: image.repo_digests.clone(),
            content: HeldContent::NotRead,
        }
    }
}

/// A verdict, and the same with all that it depends on, if it may be used again.
pub(super) type Checked = (PresentVerdict, Option<CachedVerdict>);

/// Evaluates a present image: by break-glass, from the cache, or by evidence. See [`Gate::check_present`].
pub(super) async fn check(
    gate: &Gate,
    asked: &str,
    present: &Present,
    pod: Option<&Pod>,
) -> Result<Checked, Refusal> {
    let id = Digest::parse(&present.id);
    let namespace = pod.map(|pod| pod.namespace.as_str());
    let described =
        id.as_ref().ok().map(|id| Asked::new(asked, id.clone(), present, namespace).map(Arc::new));
    if let (Some(source), Some(Ok(described))) = (gate.break_glass.get(), &described)
        && let Some(verdict) = excepted(gate, described, source.exceptions(jiff::Timestamp::now())).await?
    {
        return Ok((verdict, None));
    }
    let policy = gate.policy().ok_or_else(|| Refusal::no_policy(asked))?;
    let (Ok(id), Some(described)) = (id, described) else {
        return Err(Refusal::unverified_id(asked, &present.id));
    };
    let described = described?;
    let held = match &present.content {
        _ if !policy.deny_list().has_digests() => None,
        content => Some(content.digests(asked)?),
    };
    let names = present.names().chain(held.into_iter().flatten().map(Digest::as_str));
    let key = present_cache::key(&policy, asked, namespace, &id, names);
    if let Some((entry, until)) = gate.present_cache.find(&key, &gate.shared.ledger, jiff::Timestamp::now()) {
        return Ok((entry.verdict().clone(), CachedVerdict::new(&policy, Some(entry), until)));
    }
    let (decided, rests_on) = evaluate(gate, Arc::clone(&policy), asked, described).await;
    let verdict = decided?;
    if !verdict.audited().is_empty() {
        return Ok((verdict, None));
    }
    let cached = match rests_on {
        RestsOn::Policy(until) => CachedVerdict::new(&policy, None, until),
        RestsOn::Evidence(stamp, until) => {
            let entry = gate.present_cache.remember(key, &verdict, stamp, until);
            CachedVerdict::new(&policy, Some(entry), until)
        }
        RestsOn::Unknown => None,
    };
    Ok((verdict, cached))
}

/// The verdict by a break-glass exception. One for a digest needs evidence.
async fn excepted(
    gate: &Gate,
    asked: &Arc<Asked>,
    break_glass: BreakGlass,
) -> Result<Option<PresentVerdict>, Refusal> {
    if !break_glass.has_digests(jiff::Timestamp::now()) {
        return Ok(exception(&gate.shared, asked, &break_glass, 0));
    }
    let (shared, described) = (gate.shared.clone(), Arc::clone(asked));
    read(gate, asked, move |most| exception(&shared, &described, &break_glass, most)).await
}

/// Runs `work` on a blocking thread, in turn. It may read one piece of evidence for the image after the other, none of
/// them larger than its argument says.
async fn read<T: Send + 'static>(
    gate: &Gate,
    asked: &Arc<Asked>,
    work: impl FnOnce(u64) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let (ledger, described) = (gate.ledger(), Arc::clone(asked));
    let largest = in_turn(gate, move || ledger.largest(&described.id, described.hinted())).await;
    let largest = largest.map_err(|()| Refusal::internal(&asked.text))?;
    // Reserved before the turn is taken: a question about small evidence does not wait for memory.
    let mut reserved = None;
    if largest > SMALL_EVIDENCE {
        let bytes = usize::try_from(largest).unwrap_or(usize::MAX).saturating_mul(PARSED);
        let memory = gate.shared.registry.memory();
        let taken = memory.present(bytes, gate.settings.timeout).await;
        reserved = Some(taken.map_err(|error| Refusal::memory(&asked.text, &error))?);
    }
    let most = largest.max(SMALL_EVIDENCE);
    let counted = move || {
        let done = work(most);
        drop(reserved);
        done
    };
    in_turn(gate, counted).await.map_err(|()| Refusal::internal(&asked.text))
}

/// The result of `work` on one of the threads that read evidence. Dropping the future does not end the work, so the work
/// has the turn: where the disk hangs, it takes no more threads than these.
async fn in_turn<T: Send + 'static>(gate: &Gate, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ()> {
    let turn = Arc::clone(&gate.readers).acquire_owned().await.map_err(drop)?;
    let counted = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(counted).await.map_err(drop)
}

async fn evaluate(
    gate: &Gate,
    policy: Arc<Policy>,
    name: &str,
    asked: Arc<Asked>,
) -> (Result<PresentVerdict, Refusal>, RestsOn) {
    let mut evaluation = PresentEvaluation::new(gate.shared.clone(), policy, Arc::clone(&asked));
    if let Some((decided, until)) = evaluation.without_evidence() {
        return (decided, RestsOn::Policy(until));
    }
    let work = async {
        loop {
            let once = move |most| {
                let decided = evaluation.decide(most);
                (evaluation, decided)
            };
            let (decided, rests_on);
            (evaluation, (decided, rests_on)) = match read(gate, &asked, once).await {
                Ok(ran) => ran,
                Err(refusal) => return (Err(refusal), RestsOn::Unknown),
            };
            let (open, crls) = evaluation.open_checks(&decided);
            let fetched = evaluation.crls.fetch((&gate.shared.crls, &gate.shared.registry), crls).await;
            if open.is_empty() && !fetched {
                return (decided, rests_on);
            }
            // Each check that is made here was open before and is not from now on, so this ends.
            evaluation.confirm(quorum::ask(&gate.shared.remote_verifier, open).await);
        }
    };
    let timeout = gate.settings.timeout;
    let decided = tokio::time::timeout(timeout, work).await;
    decided.unwrap_or_else(|_| (Err(Refusal::timeout(name, timeout)), RestsOn::Unknown))
}
