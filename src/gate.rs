//! The decision: may this image run here, and as which digest.
//!
//! [`Gate::admit`] is the only maker of [`Pinned`], and a [`Pinned`] is the only thing that the forwarder takes. Everything
//! else that it returns is a [`Refusal`].

mod admission;
mod admitted_document;
mod cached_verdict;
mod canary;
mod check;
mod checkpoint;
mod content;
mod crl_fetcher;
mod evaluate;
mod evidence_writer;
mod explanation;
mod finding;
mod held_content;
mod lookup;
mod pinned;
mod present;
mod present_cache;
mod present_verdict;
mod provenance;
mod pull;
mod pulled;
mod quorum;
mod refusal;
mod stored_evidence;
mod verdict_cache;
mod verification;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;

pub use crate::telemetry::Kind;
pub use admitted_document::AdmittedDocument;
pub use cached_verdict::CachedVerdict;
pub use canary::CANARY;
pub use content::{Content, NoContent, Target};
pub use evidence_writer::PendingEvidence;
pub use explanation::Explanation;
pub use finding::Finding;
pub use held_content::{HeldContent, Unread};
pub use pinned::Pinned;
pub use present::Present;
pub use present_verdict::PresentVerdict;
pub use refusal::{CANARY_IS_REFUSED, Refusal};

use crate::digest::Digest;
use crate::keys::{self, RemoteVerifier};
use crate::ledger::Ledger;
use crate::policy::{BreakGlassSource, Policy};
use crate::reference::Reference;
use crate::registry::{Credentials, Registry, RequestCounts};
use crate::telemetry::counters::Counter;
use crl_fetcher::CrlFetcher;
use evidence_writer::EvidenceWriter;
use held_content::ContentWalker;
use lookup::Lookup;
use present_cache::PresentImageCache;
use pull::PullEvaluation;
use pulled::Checks;
use pullgate_net::memory::MemoryBudget;
use pullgate_net::single_flight::SingleFlight;
use stored_evidence::SharedRead;
use verdict_cache::VerdictCache;
use verification::VerificationResult;

/// The pod for which an image is pulled, as kubelet reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    /// The pod's Kubernetes namespace.
    pub namespace: String,
}

/// A request for admission of one image.
#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    /// The image name as written.
    pub image: String,
    /// The credentials of this very pull.
    pub credentials: Credentials,
    /// The Kubernetes namespace of the pod, where it is known. Without one, every rule that could apply must admit the image.
    pub namespace: Option<String>,
}

/// Bounds of the gate itself.
#[derive(Clone, Copy, Debug)]
pub struct GateSettings {
    /// The longest that deciding about one image may take.
    pub timeout: Duration,
    /// How many pulls' signatures may be verified at the same time; more wait within their own timeout. Requests to
    /// registries have limits of their own, so that a slow registry uses up its own share only.
    pub concurrent: usize,
}

/// How many images on the node are evaluated at the same time: reading evidence takes a thread for a moment.
const READERS: usize = 16;

/// Decides by the policy in force which images may run.
#[derive(Debug)]
pub struct Gate {
    shared: Shared,
    policy: ArcSwapOption<Policy>,
    break_glass: OnceLock<Box<dyn BreakGlassSource>>,
    present_cache: PresentImageCache,
    walker: ContentWalker,
    readers: Arc<Semaphore>,
    evidence: EvidenceWriter,
    settings: GateSettings,
}

/// What all evaluations share. Cheap to clone.
#[derive(Clone, Debug)]
struct Shared {
    registry: Arc<Registry>,
    ledger: Arc<Ledger>,
    verdicts: Arc<VerdictCache>,
    remote_verifier: Arc<RemoteVerifier>,
    crls: Arc<CrlFetcher>,
    verifying: Arc<SingleFlight<VerificationResult>>,
    reading: Arc<SingleFlight<SharedRead>>,
    /// Limits how many verifications run at the same time.
    verifications: Arc<Semaphore>,
    checks: Arc<Counter>,
}

impl Gate {
    /// A gate without a policy: it refuses everything until [`Gate::set_policy`].
    pub fn new(registry: Arc<Registry>, settings: GateSettings) -> Self {
        let shared = Shared {
            registry,
            ledger: Arc::new(Ledger::in_memory()),
            verdicts: Arc::default(),
            remote_verifier: Arc::new(RemoteVerifier::new(keys::KeySettings::default())),
            crls: Arc::default(),
            verifying: Arc::default(),
            reading: Arc::default(),
            verifications: Arc::new(Semaphore::new(settings.concurrent)),
            checks: Arc::default(),
        };
        Self {
            evidence: EvidenceWriter::new(Arc::clone(&shared.ledger)),
            shared,
            policy: ArcSwapOption::empty(),
            break_glass: OnceLock::new(),
            present_cache: PresentImageCache::default(),
            walker: ContentWalker::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            settings,
        }
    }

    /// The same gate with evidence that outlives it. By default, evidence is kept in memory.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.shared.ledger = Arc::new(ledger);
        self.evidence = EvidenceWriter::new(self.ledger());
        self
    }

    /// The same gate with another client of key services. By default, the environment configures it.
    #[must_use]
    pub fn with_remote_verifier(mut self, remote_verifier: RemoteVerifier) -> Self {
        self.shared.remote_verifier = Arc::new(remote_verifier);
        self
    }

    /// Sets the source of break-glass exceptions; without one there are no exceptions. Later calls are ignored.
    pub fn set_break_glass(&self, break_glass: Box<dyn BreakGlassSource>) {
        let _ = self.break_glass.set(break_glass);
    }

    /// Puts a policy in force. Pulls under way finish by the policy they began with. The negative cache is cleared: an
    /// operator who loads a policy wants to see its effect.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Some(Arc::new(policy)));
        // The entries are of another policy now: they would not be found, but take room.
        self.present_cache.clear();
        self.shared.registry.clear_negative_cache();
    }

    /// The evidence.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.shared.ledger)
    }

    /// The registry client, with the limits of pulls.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.shared.registry)
    }

    /// The memory for documents and requests.
    pub fn memory(&self) -> &MemoryBudget {
        self.shared.registry.memory()
    }

    /// Requests to registries since the start.
    pub fn request_counts(&self) -> &RequestCounts {
        self.shared.registry.request_counts()
    }

    /// The policy in force.
    pub fn policy(&self) -> Option<Arc<Policy>> {
        self.policy.load_full()
    }

    /// Decides about one pull, and writes to `explanation` how.
    ///
    /// Dropping the future stops all work on it.
    ///
    /// # Errors
    /// When the image may not run, or that could not be found out in time.
    pub async fn admit(
        &self,
        request: &AdmissionRequest,
        explanation: &mut Explanation,
    ) -> Result<Pinned, Refusal> {
        let reference = Reference::parse(&request.image)
            .map_err(|error| Refusal::invalid_reference(&request.image, &error))?;
        let break_glass = self.break_glass.get().map(|source| source.exceptions(jiff::Timestamp::now()));
        let policy = self.policy();
        if canary::is_canary(&reference) {
            let (refusal, explained) =
                canary::refuse(request, &reference, policy.as_deref(), break_glass.as_ref());
            *explanation = explained;
            return Err(refusal);
        }
        let lookup = Lookup::new(self.shared.clone(), Arc::new(request.clone()), reference);
        let evaluation = PullEvaluation::new(lookup, policy, break_glass);
        let (decided, explained) = evaluation.decide(self.settings.timeout).await;
        *explanation = explained;
        decided
    }

    /// Adds to `present` what the runtime has of it, if the policy in force denies digests; [`Gate::check_present`] refuses
    /// every image without it then.
    pub async fn read_content(&self, mut present: Present, content: &impl Content) -> Present {
        if self.policy().is_some_and(|policy| policy.deny_list().has_digests())
            && let Ok(id) = Digest::parse(&present.id)
        {
            let names =
                present.repo_tags.iter().chain(&present.repo_digests).chain(std::iter::once(&present.id));
            let names: Vec<&str> = names.map(String::as_str).collect();
            let limit = self.settings.timeout;
            present.content = self.walker.read(&self.shared, (&names, &id), content, limit).await;
        }
        present
    }

    /// Whether what is pulled may be used at all, whatever its rule says: neither a checkpoint, unless `restore` allows
    /// that, nor on the deny list. Called before a pull of `pinned` is forwarded.
    ///
    /// # Errors
    /// When the image is a checkpoint.
    pub async fn check_pinned(&self, pinned: &Pinned, restore: bool) -> Result<(), Refusal> {
        let is_checkpoint = !restore && pinned.is_checkpoint().await;
        if is_checkpoint { Err(Refusal::checkpoint_image(pinned.name(), pinned.name())) } else { Ok(()) }
    }

    /// The same after the pull, which gave the image `id`: by what the runtime has now. An image whose document was not
    /// looked up before may be a checkpoint or an index in an index; a denied configuration is known only now.
    ///
    /// # Errors
    /// When the image is a checkpoint, is denied, or cannot be compared with the deny list.
    pub async fn check_pulled(
        &self,
        pinned: &Pinned,
        id: &str,
        content: &impl Content,
        restore: bool,
    ) -> Result<(), Refusal> {
        let checks = Checks::after(self, pinned, restore);
        pulled::check(self, &[pinned.name(), id], id, content, checks).await
    }

    /// What [`Gate::check_pulled`] needs of `pinned`; `None` when it has nothing to check.
    pub fn unchecked(&self, pinned: &Pinned, restore: bool) -> Option<Pinned> {
        // Without the evidence, which may be large.
        Checks::after(self, pinned, restore).any().then(|| pinned.clone().with_evidence(None))
    }

    /// Whether the runtime's record `name` of the image `id` is one that a pull might have left: not a checkpoint, not
    /// denied, and readable if digests are denied.
    pub async fn is_usable_record(
        &self,
        name: &str,
        id: &str,
        content: &impl Content,
        restore: bool,
    ) -> bool {
        pulled::check(self, &[name], id, content, Checks::all(self, restore)).await.is_ok()
    }

    /// The first of these `records` of `image` from which the runtime would restore a container, instead of starting one.
    ///
    /// # Errors
    /// When there is none of them, or a document cannot be read.
    pub async fn checkpoint_record<'r>(
        &self,
        image: &str,
        records: &[&'r str],
        content: &impl Content,
    ) -> Result<Option<&'r str>, Refusal> {
        let mut any = false;
        for record in records {
            match self.has_checkpoint(image, (&[record], false), content).await? {
                Some(true) => return Ok(Some(record)),
                found => any |= found.is_some(),
            }
        }
        if any { Ok(None) } else { Err(Refusal::runtime(image, held_content::NO_RECORD)) }
    }

    /// Whether one of the records with these names has the annotation of a checkpoint; `None` without a record.
    async fn has_checkpoint(
        &self,
        image: &str,
        names: (&[&str], bool),
        content: &impl Content,
    ) -> Result<Option<bool>, Refusal> {
        let found = self.walker.has_checkpoint(&self.shared, names, content, self.settings.timeout).await;
        found.map_err(|error| match error {
            Unread::Memory(error) => Refusal::memory(image, &error),
            Unread::Content(why) => Refusal::runtime(image, &why),
        })
    }

    /// Decides whether the image `present` may be used for `pod` under the name `asked`, with no registry. Only a key with a
    /// remote check is asked for at its service, unless a confirmation is cached, and lists of revoked certificates are
    /// fetched if the policy says so.
    ///
    /// - Asked by a name, the rule of that name applies, and evidence must show that a digest *of that repository* that
    ///   the rule admits today is this very image: that another name for the same image is admitted changes nothing. A
    ///   name with a digest must mean that digest.
    /// - Asked by an id, or the prefix of one, the rules of the image's repositories apply, by evidence or by the names
    ///   that the runtime has for it; one that admits it is enough.
    ///
    /// # Errors
    /// When it may not be used, or that cannot be known without the registry: then a pull can help.
    pub async fn check_present(
        &self,
        asked: &str,
        present: &Present,
        pod: Option<&Pod>,
    ) -> Result<PresentVerdict, Refusal> {
        Ok(present::check(self, asked, present, pod).await?.0)
    }

    /// As [`Gate::check_present`] without a pod, for a caller that gets the same question and image again. It need not ask
    /// while the second verdict [is current](Gate::is_current); there is none if that cannot be known.
    ///
    /// # Errors
    /// As [`Gate::check_present`].
    pub async fn check_present_to_cache(
        &self,
        asked: &str,
        present: &Present,
    ) -> Result<(PresentVerdict, Option<CachedVerdict>), Refusal> {
        present::check(self, asked, present, None).await
    }

    /// Whether the same question about the same image would get the same verdict now: the policy in force and the evidence
    /// are the same, no break-glass exception is in force, and the verdict has not expired.
    pub fn is_current(&self, verdict: &CachedVerdict) -> bool {
        verdict.is_current(self)
    }

    /// Begins to write new evidence for `pinned` while the runtime pulls it, so that it is on the disk when
    /// [`Gate::finish_evidence`] waits for it. For an index, the image is known only after the pull.
    /// Evidence with large documents is out of memory then, as far as the disk permits: a pull may take minutes.
    pub async fn begin_evidence(&self, pinned: &mut Pinned) -> Option<PendingEvidence> {
        self.evidence.begin(pinned).await
    }

    /// Records that the pull of `pinned` gave the image `id`, so that the image may be used without the registry. `begun`
    /// is what [`Gate::begin_evidence`] returned.
    ///
    /// A failure here does not fail the pull: the image was admitted, only the evidence is lost.
    pub async fn finish_evidence(
        &self,
        pinned: &Pinned,
        begun: Option<PendingEvidence>,
        id: &str,
        content: &impl Content,
    ) {
        let Some(begun) = begun else { return };
        self.evidence.finish(begun, (pinned, id), content, self.memory()).await;
    }

    /// Records that the present image `id` is the one that was admitted as `pinned`, if hashes show that. Otherwise it is
    /// another image, and nothing is recorded.
    pub async fn link_present_image(&self, pinned: &Pinned, id: &str, content: &impl Content) {
        self.evidence.link(pinned, id, content, self.memory()).await;
    }

    /// How many signatures were verified for pulls, each counted once for each authenticator that it was tried with.
    pub fn checks(&self) -> u64 {
        self.shared.checks.get()
    }
}
