//! What registry and ledger have for one request. Everything is looked up once, so that all rules see the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::quorum::Confirmations;
use super::stored_evidence::{Kept, StoredEvidence};
use super::{AdmissionRequest, Explanation, Refusal, Shared, provenance};
use crate::digest::Digest;
use crate::ledger::{Complete, Dropped, Evidence, Place};
use crate::reference::Reference;
use crate::registry::{Collected, Platform, RegistryError, Resolved, Wanted};
use crate::signature::Attachment;
use crate::telemetry::Step;
use pullgate_net::memory::{Reserved, Share};

/// Looks things up for one request, and remembers what was found.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub(super) shared: Shared,
    pub(super) request: Arc<AdmissionRequest>,
    pub(super) reference: Reference,
    /// The signatures that are fetched: those that the rules name authenticators for.
    pub(super) wanted: Wanted,
    /// The hash of the policy with these rules.
    pub(super) policy: String,
    /// The memory for its documents.
    pub(super) share: Share,
    /// The answers of key services.
    pub(super) confirmations: Confirmations,
    /// The explanation. Written here, and never read to decide.
    pub(super) explanation: Explanation,
    resolved: Vec<(Reference, Resolved)>,
    kept: BTreeMap<Digest, Option<Kept>>,
    fetched: Vec<Fetched>,
}

/// What the registry has for a digest, and what of that could not be read.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) evidence: Evidence,
    /// Whether its document is an index.
    pub(super) is_index: bool,
    pub(super) collected: Collected,
}

impl Lookup {
    pub(super) fn new(shared: Shared, request: Arc<AdmissionRequest>, reference: Reference) -> Self {
        Self {
            wanted: Wanted::default(),
            policy: String::new(),
            share: shared.registry.memory().share(&reference.repository().to_string()),
            shared,
            request,
            confirmations: Confirmations::default(),
            explanation: Explanation { reference: Some(reference.to_string()), ..Explanation::default() },
            reference,
            resolved: Vec::new(),
            kept: BTreeMap::new(),
            fetched: Vec::new(),
        }
    }

    /// The image as the caller named it.
    pub(super) fn image(&self) -> &str {
        &self.request.image
    }

    /// The key of the evidence about `digest`.
    pub(super) fn place(&self, digest: &Digest) -> Place {
        Place { repository: self.reference.repository().clone(), digest: digest.clone() }
    }

    /// What the registry serves under a name.
    pub(super) async fn resolve(&mut self, reference: &Reference) -> Result<Resolved, Refusal> {
        let same = |(asked, resolved): &&(Reference, Resolved)| {
            asked == reference || reference.digest() == Some(resolved.digest())
        };
        if let Some((_, resolved)) = self.resolved.iter().find(same) {
            return Ok(resolved.clone());
        }
        let begin = Instant::now();
        let registry = &self.shared.registry;
        let resolved = registry.resolve_for(&self.share, reference, &self.request.credentials).await;
        self.explanation.steps.add(Step::Resolve, begin.elapsed());
        let resolved = resolved.map_err(|error| self.unanswered(&error))?;
        if self.resolved.is_empty() {
            self.explanation.digest = Some(resolved.digest().to_string());
            self.explanation.media_type = Some(resolved.media_type().to_owned());
            self.explanation.note(resolved.warnings().iter().cloned());
        }
        self.resolved.push((reference.clone(), resolved.clone()));
        Ok(resolved)
    }

    /// The resolved document with this digest.
    pub(super) fn found(&self, digest: &Digest) -> Option<Resolved> {
        let found = self.resolved.iter().find(|(_, resolved)| resolved.digest() == digest);
        found.map(|(_, resolved)| resolved.clone())
    }

    /// The image for this node that a resolved index lists, by its digest; its bytes are not read yet.
    pub(super) async fn platform(&mut self, resolved: &Resolved) -> Result<Digest, Refusal> {
        let image = resolved
            .image_for(&Platform::of_node())
            .await
            .map_err(|error| Refusal::registry(self.image(), &error))?;
        if image != *resolved.digest() {
            self.explanation.platform_digest = Some(image.to_string());
        }
        Ok(image)
    }

    /// The evidence of the ledger, if it was read already.
    pub(super) fn was_read(&self, digest: &Digest) -> bool {
        self.kept.contains_key(digest)
    }

    /// The evidence that the ledger has for a digest.
    ///
    /// # Errors
    /// When it is large, and there is no memory for it.
    pub(super) async fn kept(&mut self, digest: &Digest) -> Result<Option<Kept>, Refusal> {
        if let Some(kept) = self.kept.get(digest) {
            return Ok(kept.clone());
        }
        let place = self.place(digest);
        let stored = StoredEvidence { ledger: Arc::clone(&self.shared.ledger), place: place.clone() };
        let found = stored.read(&self.shared, &self.share).await;
        let mut kept = found.map_err(|error| Refusal::memory(self.image(), &error))?;
        if kept.is_none() {
            // Another pull of the same image may have ended while the disk was read.
            kept = self.noted(&place).await;
        }
        self.kept.insert(digest.clone(), kept.clone());
        Ok(kept)
    }

    /// Adds evidence that another pull of the same image has recorded since.
    pub(super) async fn refresh_kept(&mut self, digest: &Digest) {
        if let Some(noted) = self.noted(&self.place(digest)).await {
            self.kept.insert(digest.clone(), Some(noted));
        }
    }

    /// The evidence at `place`, if it is in memory.
    async fn noted(&self, place: &Place) -> Option<Kept> {
        let evidence = self.shared.ledger.noted(place)?;
        let is_index = match self.kept.get(&place.digest) {
            // Two documents with one digest are one document.
            Some(Some(kept)) => kept.is_index,
            _ => provenance::check_consistent(&evidence).await?,
        };
        Some(Kept { evidence, is_index })
    }

    /// What the registry has for a digest, and what only the ledger has.
    pub(super) async fn fetch(&mut self, reference: &Reference, digest: &Digest) -> Result<Fetched, Refusal> {
        if let Some(at) = self.fetched.iter().position(|fetched| fetched.evidence.digest == *digest) {
            return Ok(self.fetched.swap_remove(at));
        }
        let (shared, request) = (self.shared.clone(), Arc::clone(&self.request));
        let (place, share, wanted) = (self.place(digest), self.share.clone(), self.wanted);
        // Where the digest is in the name, its bytes and its signatures are requested at the same time.
        let (resolved, (mut collected, spent)) =
            tokio::join!(self.resolve(reference), collect(&shared, &request, &place, &share, wanted));
        let resolved = resolved?;
        self.explanation.steps.add(Step::Collect, spent);
        self.explanation.note(collected.problems.iter().map(ToString::to_string));
        let mut evidence = Evidence {
            attachments: std::mem::take(&mut collected.attachments),
            ..self.unsigned_evidence(&resolved)
        };
        if let Some(Some(kept)) = self.kept.get(digest) {
            evidence.add_attachments(&kept.evidence.attachments);
            evidence.images.clone_from(&kept.evidence.images);
        }
        Ok(Fetched { evidence, is_index: resolved.is_index(), collected })
    }

    /// Keeps what was fetched, for the other rules and for the ledger.
    pub(super) fn keep_fetched(&mut self, fetched: Fetched) {
        self.fetched.push(fetched);
    }

    /// Reduces fetched evidence to what is worth keeping: what the findings rest on, and a bounded part of the rest.
    pub(super) fn prefer(&self, evidence: &mut Evidence, collected: &Collected) -> Dropped {
        let findings = &self.explanation.findings;
        let valid = findings.iter().filter(|finding| finding.outcome.is_ok());
        let places = valid.map(|finding| finding.place.as_str()).collect();
        let is_hiding = collected.hiding().is_some();
        let complete = match self.wanted.attestations && !is_hiding {
            true => self.complete(evidence),
            false => Complete::No,
        };
        evidence.prefer(&places, is_hiding, complete)
    }

    /// The conditions for which each authenticator has an attestation of these that counts: older ones are not needed.
    fn complete(&self, evidence: &Evidence) -> Complete {
        let own: BTreeSet<&str> = evidence.attachments.iter().map(Attachment::place).collect();
        let mut counts: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
        for finding in &self.explanation.findings {
            let Some(condition) =
                finding.condition.as_deref().filter(|_| own.contains(finding.place.as_str()))
            else {
                continue;
            };
            let of = counts.entry(condition).or_default().entry(&finding.authenticator).or_default();
            *of |= finding.outcome.is_ok();
        }
        let met = counts.iter().filter(|(_, counts)| counts.values().all(|counts| *counts));
        Complete::of(&self.policy, met.map(|(condition, _)| *condition))
    }

    /// The evidence about `digest` that is worth keeping.
    pub(super) fn into_evidence(mut self, digest: &Digest) -> Option<Arc<Evidence>> {
        let fetched = self.fetched.iter().position(|fetched| fetched.evidence.digest == *digest);
        if let Some(at) = fetched {
            let fetched = self.fetched.swap_remove(at);
            let mut evidence = fetched.evidence;
            let dropped = self.prefer(&mut evidence, &fetched.collected);
            let image = self.request.image.as_str();
            if !dropped.needed.is_empty() {
                let dropped = dropped.needed;
                tracing::warn!(
                    image,
                    ?dropped,
                    "attestations of the image are too large to be kept as evidence"
                );
            }
            if !dropped.others.is_empty() {
                let dropped = dropped.others;
                tracing::info!(
                    image,
                    ?dropped,
                    "attestations of the image that no rule required are not kept as evidence"
                );
            }
            return Some(Arc::new(evidence));
        }
        let kept = self.kept.remove(digest).flatten();
        kept.map(|kept| kept.evidence).or_else(|| {
            let (_, resolved) = self.resolved.iter().find(|(_, resolved)| resolved.digest() == digest)?;
            Some(Arc::new(self.unsigned_evidence(resolved)))
        })
    }

    /// A copy for work that several requests share, with an explanation of its own; see [`Lookup::merge`].
    pub(super) fn part(&self) -> Self {
        let explanation = Explanation {
            digest: self.explanation.digest.clone(),
            media_type: self.explanation.media_type.clone(),
            platform_digest: self.explanation.platform_digest.clone(),
            ..Explanation::default()
        };
        Self { explanation, ..self.clone() }
    }

    /// Adds what shared work has found.
    pub(super) fn merge(&mut self, part: Self) {
        let new = |(asked, _): &(Reference, Resolved)| !self.resolved.iter().any(|(known, _)| known == asked);
        let resolved: Vec<_> = part.resolved.into_iter().filter(new).collect();
        self.resolved.extend(resolved);
        self.kept.extend(part.kept);
        self.confirmations.merge(part.confirmations);
        let replaced = |known: &Fetched| {
            part.fetched.iter().any(|fetched| fetched.evidence.digest == known.evidence.digest)
        };
        self.fetched.retain(|known| !replaced(known));
        self.fetched.extend(part.fetched);
        self.explanation.merge(part.explanation);
    }

    /// Memory for work on its documents.
    ///
    /// # Errors
    /// When none becomes free in time.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<Option<Reserved>, Refusal> {
        if bytes == 0 {
            return Ok(None);
        }
        let limit = self.shared.registry.limits().queue_timeout;
        let reserved = self.share.reserve(bytes, limit).await;
        reserved.map(Some).map_err(|error| Refusal::memory(self.image(), &error))
    }

    pub(super) fn unanswered(&self, error: &RegistryError) -> Refusal {
        Refusal::registry(self.image(), error)
    }

    /// What is known of an image before its signatures are fetched.
    fn unsigned_evidence(&self, resolved: &Resolved) -> Evidence {
        Evidence {
            repository: self.reference.repository().clone(),
            digest: resolved.digest().clone(),
            media_type: resolved.media_type().to_owned(),
            document: resolved.bytes().clone(),
            images: Vec::new(),
            attachments: Vec::new(),
            complete: Complete::No,
            names: vec![self.reference.to_string()],
            rule: String::new(),
            keys: Vec::new(),
            recorded: jiff::Timestamp::now(),
        }
    }
}

async fn collect(
    shared: &Shared,
    request: &AdmissionRequest,
    Place { repository, digest }: &Place,
    share: &Share,
    wanted: Wanted,
) -> (Collected, Duration) {
    let begin = Instant::now();
    let image = (repository, digest);
    let collected = shared.registry.attachments_for(share, image, &request.credentials, wanted).await;
    (collected, begin.elapsed())
}
