//! Looks again at a signature under a tag. Most registries have no conditional writes, so another signer that had read the tag
//! before may have overwritten it since. A worker does not wait for that: the image is signed.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::active_config::ActiveConfig;
use super::queue::{Candidate, Job};
use super::rule::ActiveRule;
use super::service::Signer;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_core::untrusted::error_chain;
use pullgate_sign::{RECHECK_DELAY, SignError, Signed};

/// Concurrent rechecks of one worker.
const AT_ONCE: usize = 32;

/// The rechecks of one worker.
pub(super) struct Rechecks {
    signer: Arc<Signer>,
    running: JoinSet<()>,
}

/// A signature to look at again.
struct Recheck {
    active_config: Arc<ActiveConfig>,
    applied: ActiveRule,
    repository: Repository,
    digest: Digest,
    job: Job,
}

impl Rechecks {
    pub(super) fn new(signer: Arc<Signer>) -> Self {
        Self { signer, running: JoinSet::new() }
    }

    /// Looks again at new signatures, if one is under a tag.
    pub(super) async fn add(
        &mut self,
        active_config: &Arc<ActiveConfig>,
        applied: &ActiveRule,
        job: Job,
        signed: &Signed,
    ) {
        let names = Repository::parse(&job.repository).ok().zip(Digest::parse(&job.digest).ok());
        let Some((repository, digest)) = names else { return };
        if !signed.attached.iter().any(|attached| attached.added && attached.tag.is_some()) {
            return;
        }
        while self.running.len() >= AT_ONCE {
            self.running.join_next().await;
        }
        while self.running.try_join_next().is_some() {}
        let (active_config, applied) = (Arc::clone(active_config), applied.clone());
        let recheck = Recheck { active_config, applied, repository, digest, job };
        let signer = Arc::clone(&self.signer);
        self.running.spawn(async move { recheck.run(&signer).await });
    }

    /// Completes those that run.
    pub(super) async fn end(mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

impl Recheck {
    async fn run(self, signer: &Signer) {
        tokio::time::sleep(RECHECK_DELAY).await;
        let (rule, image) = (&self.applied.rule.name, format!("{}@{}", self.repository, self.digest));
        match self.is_lost().await {
            Ok(false) => {}
            Ok(true) => {
                tracing::warn!(
                    rule,
                    image,
                    "another signer has overwritten the signature: pullgate-signer adds the signature again"
                );
                let now = Timestamp::now();
                let candidate = Candidate {
                    rule: self.applied.id.clone(),
                    repository: self.repository,
                    digest: self.digest,
                    tag: None,
                    pushed: self.job.pushed,
                    requested: true,
                    actor: self.job.actor,
                };
                if let Err(error) = signer.queue.offer(vec![candidate], now).await {
                    signer.note_error(format!(
                        "rule {rule}: the overwritten signature of {image} cannot be added again: {error}"
                    ));
                }
            }
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(
                    rule,
                    image,
                    error,
                    "cannot check whether another signer has overwritten the signature"
                );
            }
        }
    }

    async fn is_lost(&self) -> Result<bool, SignError> {
        let (active_config, rule) = (&*self.active_config, &self.applied.rule);
        let Some(key) = active_config.key(rule) else { return Ok(false) };
        let attached = active_config.attached(rule);
        let order = active_config.order(rule, (&self.repository, &self.digest), &attached);
        let missing = pullgate_sign::missing(&active_config.registry, &order, key.key.public()).await?;
        Ok(!missing.is_empty())
    }
}
