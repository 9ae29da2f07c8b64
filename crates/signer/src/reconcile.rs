//! Lists the registry: the baseline of each rule, and images whose notification was lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::active_config::ActiveConfig;
use super::queue::{Candidate, QueueError};
use super::rule::{ActiveRule, Rule, Trigger};
use super::service::Signer;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_registry::{RegistryError, Target, is_attachment_tag};

/// Concurrent requests for tags.
const AT_ONCE: usize = 8;

/// Images per command to the queue.
const TOGETHER: usize = 256;

/// Delay after a listing that failed.
const AGAIN: Duration = Duration::from_secs(15);

/// An image under a tag.
pub(super) type Tagged = (Repository, String, Digest);

/// Makes the baseline of each rule, and then lists its images periodically.
pub(super) async fn keep(signer: Arc<Signer>) {
    let mut ran = tokio::time::Instant::now();
    loop {
        let changed = signer.changed.notified();
        tokio::pin!(changed);
        // From here on no change is missed.
        changed.as_mut().enable();
        let mut failed = false;
        let active_config = signer.active_config();
        for applied in &active_config.rules {
            if !active_config.has_started(&applied.id) && applied.rule.trigger == Trigger::Automatic {
                failed |= !begin(&signer, &active_config, applied).await;
            }
        }
        let interval = active_config.settings.reconcile.interval;
        if interval.is_some_and(|interval| ran.elapsed() >= interval) {
            for applied in active_config.rules.iter().filter(|applied| {
                applied.rule.trigger == Trigger::Automatic && signer.active_config().has_started(&applied.id)
            }) {
                find_new(&signer, &active_config, applied).await;
            }
            ran = tokio::time::Instant::now();
        }
        let left = interval.map(|interval| interval.saturating_sub(ran.elapsed()));
        let wait = if failed { Some(left.map_or(AGAIN, |left| left.min(AGAIN))) } else { left };
        match wait {
            Some(wait) => drop(tokio::time::timeout(wait, changed).await),
            None => changed.await,
        }
    }
}

/// Records all images that are older than a rule, so that no notification has them signed as new.
async fn begin(signer: &Signer, active_config: &ActiveConfig, applied: &ActiveRule) -> bool {
    let rule = &applied.rule.name;
    let noted = async {
        for images in list(active_config, &applied.rule).await?.chunks(TOGETHER) {
            let images = images.iter().map(|(repository, _, digest)| (repository.clone(), digest.clone()));
            signer.queue.older(applied.id.clone(), images.collect()).await?;
        }
        signer.queue.listed(applied.id.clone(), Timestamp::now()).await.map_err(ListError::Queue)
    };
    match noted.await {
        Ok(()) => {
            signer.metrics.lists.add();
            tracing::info!(rule, since = %applied.since, "the images of the rule are listed: the signer signs new images for this rule from now on");
            signer.start_rule(&applied.id);
            true
        }
        Err(error) => {
            signer.metrics.failed_lists.add();
            signer.note_error(format!(
                "rule {rule} has not started, because its first listing failed: {error}"
            ));
            tracing::error!(rule, %error, "the images of the rule could not be listed, so the signer does not sign for this rule yet");
            false
        }
    }
}

/// Queues images without a state.
async fn find_new(signer: &Signer, active_config: &ActiveConfig, applied: &ActiveRule) {
    let rule = &applied.rule.name;
    match queue_all(signer, active_config, applied, false).await {
        Ok(queued) => {
            signer.metrics.lists.add();
            tracing::info!(rule, queued, "registry listed");
        }
        Err(error) => {
            signer.metrics.failed_lists.add();
            signer.note_error(format!("rule {rule}: {error}"));
            tracing::warn!(rule, %error, "cannot list the registry");
        }
    }
}

/// Queues all images of a rule, and returns how many were new.
pub(super) async fn queue_all(
    signer: &Signer,
    active_config: &ActiveConfig,
    applied: &ActiveRule,
    requested: bool,
) -> Result<usize, ListError> {
    let mut queued = 0;
    for images in list(active_config, &applied.rule).await?.chunks(TOGETHER) {
        let now = Timestamp::now();
        let candidates = images.iter().map(|(repository, tag, digest)| Candidate {
            rule: applied.id.clone(),
            repository: repository.clone(),
            digest: digest.clone(),
            tag: Some(tag.clone()),
            pushed: now.as_millisecond(),
            requested,
            actor: None,
        });
        let offered = signer.queue.offer(candidates.collect(), now).await?;
        signer.metrics.queued.add_all(offered.queued);
        queued += offered.queued;
    }
    Ok(queued)
}

/// Every tagged image that a rule applies to.
pub(super) async fn list(active_config: &ActiveConfig, rule: &Rule) -> Result<Vec<Tagged>, ListError> {
    let ActiveConfig { registry, credentials, settings, .. } = active_config;
    let most = settings.limits.listed;
    let repositories = match &settings.reconcile.repositories {
        Some(known) => known.clone(),
        None => registry.repository_pages(&settings.registry.host, credentials, most)?.all().await?,
    };
    let covered: BTreeSet<String> =
        repositories.iter().filter(|it| rule.covers(it)).map(ToString::to_string).collect();
    let mut found = Vec::new();
    for repository in repositories.iter().filter(|it| covered.contains(it.as_str())) {
        found.extend(tagged(active_config, rule, repository).await?);
        if found.len() > most {
            return Err(ListError::TooMany(most));
        }
    }
    Ok(found)
}

/// Every tagged image of one repository that a rule applies to.
pub(super) async fn tagged(
    active_config: &ActiveConfig,
    rule: &Rule,
    repository: &Repository,
) -> Result<Vec<Tagged>, ListError> {
    let ActiveConfig { registry, credentials, settings, .. } = active_config;
    let tags = match registry.tag_pages(repository, credentials, settings.limits.listed)?.all().await {
        Ok(tags) => tags,
        // The repository was emptied, and is still in the catalog.
        Err(RegistryError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut tags = tags.into_iter().filter(|tag| !is_attachment_tag(tag) && rule.covers_tag(repository, tag));
    let mut found = Vec::new();
    let mut requests = JoinSet::new();
    loop {
        while requests.len() < AT_ONCE
            && let Some(tag) = tags.next()
        {
            let (registry, credentials) = (registry.clone(), credentials.clone());
            let repository = repository.clone();
            requests.spawn(async move {
                let stored = registry
                    .writer(&repository, &credentials)
                    .get_manifest_optional(Target::Tag(&tag))
                    .await?;
                Ok::<_, RegistryError>(stored.map(|stored| (repository, tag, stored.digest)))
            });
        }
        match requests.join_next().await {
            None => return Ok(found),
            Some(Ok(answer)) => found.extend(answer?),
            Some(Err(_)) => return Err(ListError::Abandoned),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ListError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the registry lists more than {0} images; see `listed` in [limits]")]
    TooMany(usize),
    #[error("the task that lists the registry ended early")]
    Abandoned,
}
