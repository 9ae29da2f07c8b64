//! The one decision: may this image run here, and as which digest.
//!
//! [`Gate::admit`] is the only maker of [`Pinned`], and a [`Pinned`] is the only thing that the forwarder takes. Every
//! way out of it that is not a success is a [`Refusal`]; there is no third answer.

mod admission;
mod binding;
mod check;
mod confirm;
mod emergency;
mod explanation;
mod look;
mod pinned;
mod pulled;
mod refusal;
mod standing;
mod standings;
mod verdicts;
mod verification;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;

pub use explanation::{Explanation, Finding};
pub use pinned::Pinned;
pub use pulled::{Content, NoContent, Writing};
pub use refusal::{Kind, Refusal};
pub use standing::{Present, Standing};

use crate::keys::{self, Confirmer};
use crate::ledger::Ledger;
use crate::policy::{Emergency, Policy};
use crate::reference::Reference;
use crate::registry::{Credentials, Registry};
use crate::telemetry::Reason;
use crate::telemetry::counters::Counter;
use admission::{Admission, Means};
use pullgate_net::single_flight::SingleFlight;
use standings::Standings;
use verdicts::Verdicts;
use verification::Verified;

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
    verdicts: Arc<Verdicts>,
    confirmer: Arc<Confirmer>,
    verifying: Arc<SingleFlight<Verified>>,
    checks: Arc<Counter>,
    turns: Arc<Semaphore>,
    standings: Standings,
    readers: Semaphore,
    writers: Arc<Semaphore>,
    settings: Settings,
    emergency: OnceLock<Box<dyn Emergency>>,
}

impl Gate {
    /// A gate without a policy: it refuses everything until [`Gate::set_policy`].
    pub fn new(registry: Arc<Registry>, settings: Settings) -> Self {
        Self {
            policy: ArcSwapOption::empty(),
            registry,
            ledger: Arc::new(Ledger::in_memory()),
            verdicts: Arc::default(),
            confirmer: Arc::new(Confirmer::new(keys::Settings::default())),
            verifying: Arc::default(),
            checks: Arc::default(),
            turns: Arc::new(Semaphore::new(settings.concurrent)),
            standings: Standings::default(),
            readers: Semaphore::new(READERS),
            writers: Arc::new(Semaphore::new(WRITERS)),
            settings,
            emergency: OnceLock::new(),
        }
    }

    /// The same gate with evidence that outlives it; without, evidence is kept in memory.
    #[must_use]
    pub fn with_ledger(self, ledger: Ledger) -> Self {
        Self { ledger: Arc::new(ledger), ..self }
    }

    /// The same gate with another way to ask the services of keys; without, they are asked as the environment says.
    #[must_use]
    pub fn with_confirmer(self, confirmer: Confirmer) -> Self {
        Self { confirmer: Arc::new(confirmer), ..self }
    }

    /// Says where openings for an emergency come from; without it there are none. Once only: later ones are ignored.
    pub fn set_emergency(&self, emergency: Box<dyn Emergency>) {
        let _ = self.emergency.set(emergency);
    }

    /// Puts a policy in force. Pulls under way finish by the one they began with. Who loads a policy wants to see what
    /// it does: that there was no signature a moment ago is forgotten.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Some(Arc::new(policy)));
        // They are of another policy now; that they are not found is not enough, they would take room.
        self.standings.clear();
        self.registry.forget_absences();
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
        let opened = emergency::opened(self, question, &reference, explanation).await;
        if let Some(pinned) = opened {
            explanation.reason = Some(pinned.reason());
            return Ok(pinned);
        }
        let policy = self.policy().ok_or_else(|| Refusal::no_policy(&question.image))?;
        let admission =
            Admission { means: self.means(), policy, question: Arc::new(question.clone()), reference };
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

    fn means(&self) -> Means {
        Means {
            registry: Arc::clone(&self.registry),
            ledger: Arc::clone(&self.ledger),
            verdicts: Arc::clone(&self.verdicts),
            confirmer: Arc::clone(&self.confirmer),
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
