//! The one decision: may this image run here, and as which digest.
//!
//! [`Gate::admit`] is the only maker of [`Pinned`], and a [`Pinned`] is the only thing that the forwarder takes. Every
//! way out of it that is not a success is a [`Refusal`]; there is no third answer.

mod break_glass;
mod check;
mod evidence;
mod explanation;
mod facts;
mod pinned;
mod present;
mod present_cache;
mod provenance;
mod pull_evaluation;
mod quorum;
mod refusal;
mod verdict_cache;
mod verification;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;

pub use evidence::{Content, NoContent, PendingEvidence};
pub use explanation::{Explanation, Finding};
pub use pinned::Pinned;
pub use present::{Present, PresentVerdict};
pub use refusal::{Kind, Refusal};

use crate::keys::{self, RemoteVerifier};
use crate::ledger::Ledger;
use crate::policy::{BreakGlassSource, Policy};
use crate::reference::Reference;
use crate::registry::{Credentials, Registry};
use crate::telemetry::Reason;
use crate::telemetry::counters::Counter;
use present_cache::PresentImageCache;
use pull_evaluation::{GateInner, PullEvaluation};
use pullgate_net::single_flight::SingleFlight;
use verdict_cache::VerdictCache;
use verification::VerificationResult;

/// For whom an image is pulled, as kubelet says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// The pod's name.
    pub name: String,
    /// The pod's Kubernetes namespace.
    pub namespace: String,
}

/// What is asked of the gate.
#[derive(Clone, Debug)]
pub struct Question {
    /// The image name as written.
    pub image: String,
    /// The credentials of this very pull.
    pub credentials: Credentials,
    /// The Kubernetes namespace of the pod it is for, where it is known. Where it is not, the strictest rule speaks.
    pub namespace: Option<String>,
}

/// Bounds of the gate itself.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The longest that deciding about one pull may take.
    pub timeout: Duration,
    /// How many pulls' signatures may be judged at the same time; more wait their turn within their own timeout. What is
    /// asked of registries has bounds of its own, which one that is slow uses up for itself only.
    pub concurrent: usize,
}

/// How many images on the node are judged at the same time: reading evidence takes a thread for a moment.
const READERS: usize = 16;

/// How many pieces of evidence are on their way to the disk at the same time. It takes one after the other.
const WRITERS: usize = 4;

/// Decides about pulls by the policy of the moment.
#[derive(Debug)]
pub struct Gate {
    policy: ArcSwapOption<Policy>,
    registry: Arc<Registry>,
    ledger: Arc<Ledger>,
    verdicts: Arc<VerdictCache>,
    remote_verifier: Arc<RemoteVerifier>,
    verifying: Arc<SingleFlight<VerificationResult>>,
    checks: Arc<Counter>,
    turns: Arc<Semaphore>,
    present_cache: PresentImageCache,
    readers: Semaphore,
    writers: Arc<Semaphore>,
    settings: Settings,
    break_glass: OnceLock<Box<dyn BreakGlassSource>>,
}

impl Gate {
    /// A gate without a policy: it refuses everything until [`Gate::set_policy`].
    pub fn new(registry: Arc<Registry>, settings: Settings) -> Self {
        Self {
            policy: ArcSwapOption::empty(),
            registry,
            ledger: Arc::new(Ledger::in_memory()),
            verdicts: Arc::default(),
            remote_verifier: Arc::new(RemoteVerifier::new(keys::Settings::default())),
            verifying: Arc::default(),
            checks: Arc::default(),
            turns: Arc::new(Semaphore::new(settings.concurrent)),
            present_cache: PresentImageCache::default(),
            readers: Semaphore::new(READERS),
            writers: Arc::new(Semaphore::new(WRITERS)),
            settings,
            break_glass: OnceLock::new(),
        }
    }

    /// The same gate with evidence that outlives it; without, evidence is kept in memory.
    #[must_use]
    pub fn with_ledger(self, ledger: Ledger) -> Self {
        Self { ledger: Arc::new(ledger), ..self }
    }

    /// The same gate with another way to ask the services of keys; without, they are asked as the environment says.
    #[must_use]
    pub fn with_remote_verifier(self, remote_verifier: RemoteVerifier) -> Self {
        Self { remote_verifier: Arc::new(remote_verifier), ..self }
    }

    /// Says where openings for an emergency come from; without it there are none. Once only: later ones are ignored.
    pub fn set_break_glass(&self, break_glass: Box<dyn BreakGlassSource>) {
        let _ = self.break_glass.set(break_glass);
    }

    /// Puts a policy in force. Pulls under way finish by the one they began with. Who loads a policy wants to see what
    /// it does: that there was no signature a moment ago is forgotten.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Some(Arc::new(policy)));
        // They are of another policy now; that they are not found is not enough, they would take room.
        self.present_cache.clear();
        self.registry.clear_negative_cache();
    }

    /// The evidence.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// The policy in force.
    pub fn policy(&self) -> Option<Arc<Policy>> {
        self.policy.load_full()
    }

    /// Decides about one pull, and writes down in `explanation` how.
    ///
    /// Dropping the future stops all work on it.
    ///
    /// # Errors
    /// When the image may not run, or that could not be found out in time.
    pub async fn admit(&self, question: &Question, explanation: &mut Explanation) -> Result<Pinned, Refusal> {
        let reference = Reference::parse(&question.image)
            .map_err(|error| Refusal::invalid_reference(&question.image, &error))?;
        explanation.reference = Some(reference.to_string());
        let opened = break_glass::opened(self, question, &reference, explanation).await;
        if let Some(pinned) = opened {
            explanation.reason = Some(pinned.reason());
            return Ok(pinned);
        }
        let policy = self.policy().ok_or_else(|| Refusal::no_policy(&question.image))?;
        let admission =
            PullEvaluation { means: self.means(), policy, question: Arc::new(question.clone()), reference };
        let decided = tokio::time::timeout(self.settings.timeout, admission.decide(explanation));
        let decided = match decided.await {
            Ok(decided) => decided,
            Err(_) => admission.audit(Refusal::timeout(&question.image, self.settings.timeout), explanation),
        };
        explanation.reason = Some(match &decided {
            Ok(pinned) => pinned.reason(),
            Err(refusal) => refusal.reason(),
        });
        decided
    }

    /// How many signatures were verified for pulls, each counted for each authenticator that it was tried with.
    pub fn checks(&self) -> u64 {
        self.checks.get()
    }

    fn means(&self) -> GateInner {
        GateInner {
            registry: Arc::clone(&self.registry),
            ledger: Arc::clone(&self.ledger),
            verdicts: Arc::clone(&self.verdicts),
            remote_verifier: Arc::clone(&self.remote_verifier),
            verifying: Arc::clone(&self.verifying),
            checks: Arc::clone(&self.checks),
            turns: Arc::clone(&self.turns),
        }
    }
}

impl Reason {
    /// Whether an image is admitted for this reason.
    pub fn admits(self) -> bool {
        matches!(
            self,
            Self::Verified | Self::UnsignedAllowed | Self::RuleOff | Self::AuditOnly | Self::BreakGlass
        )
    }
}
