//! Signing on the operator's request: images older than their rule, manual rules, and parked images.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::queue::{Candidate, QueueError};
use super::reconcile::{self, ListError};
use super::rule::ActiveRule;
use super::service::Signer;
use pullgate_core::reference::{Reference, ReferenceError};
use pullgate_registry::{RegistryError, Target};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// The name of the rule; without it, every rule that applies to the image.
    pub rule: Option<String>,
    /// Images, by tag or digest.
    pub images: Vec<String>,
    /// Every tagged image of the rule.
    pub existing: bool,
}

/// The result of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitResponse {
    /// Newly queued images.
    pub queued: usize,
    /// Images that were queued already.
    pub known: usize,
}

impl Signer {
    pub(super) async fn submit(&self, request: &SubmitRequest) -> Result<SubmitResponse, RequestError> {
        let active_config = self.active_config();
        let named =
            |applied: &&ActiveRule| request.rule.as_ref().is_none_or(|name| *name == applied.rule.name);
        let rules: Vec<&ActiveRule> = active_config.rules.iter().filter(named).collect();
        if rules.is_empty() {
            return Err(RequestError::NoRule);
        }
        let mut taken = SubmitResponse::default();
        if request.existing {
            for applied in &rules {
                taken.queued += reconcile::queue_all(self, &active_config, applied, true).await?;
            }
        }
        let mut candidates = Vec::new();
        for image in &request.images {
            let reference = Reference::parse(image)?;
            let repository = reference.repository();
            let target = match (reference.digest(), reference.tag()) {
                (Some(digest), _) => Target::Digest(digest),
                (None, tag) => Target::Tag(tag.unwrap_or("latest")),
            };
            let stored = active_config
                .registry
                .writer(repository, &active_config.credentials)
                .get_manifest_optional(target)
                .await?;
            let stored = stored.ok_or_else(|| RequestError::Missing(image.clone()))?;
            let digest = reference.digest().cloned().unwrap_or(stored.digest);
            let before = candidates.len();
            for applied in rules.iter().filter(|applied| applied.rule.covers(repository)) {
                candidates.push(Candidate {
                    rule: applied.id.clone(),
                    repository: repository.clone(),
                    digest: digest.clone(),
                    tag: reference.tag().map(ToOwned::to_owned),
                    pushed: Timestamp::now().as_millisecond(),
                    requested: true,
                    actor: None,
                });
            }
            if candidates.len() == before {
                return Err(RequestError::NotCovered(image.clone()));
            }
        }
        let offered = self.queue.offer(candidates, Timestamp::now()).await?;
        taken.queued += offered.queued;
        taken.known += offered.known;
        Ok(taken)
    }
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("signer.toml has no rule with this name")]
    NoRule,
    #[error("no rule applies to {0}")]
    NotCovered(String),
    #[error("the registry does not have {0}")]
    Missing(String),
    #[error(transparent)]
    Name(#[from] ReferenceError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}
