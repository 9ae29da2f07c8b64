//! Processes jobs: looks up the image, signs it, records the result.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::active_config::ActiveConfig;
use super::image::{Found, look};
use super::queue::{Job, JobId, JobResult};
use super::recheck::Rechecks;
use super::reconcile::{self, ListError};
use super::rule::{ActiveRule, Trigger};
use super::service::Signer;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_net::backoff::Backoff;
use pullgate_registry::{Class, RegistryError};
use pullgate_sign::{CertificateChainError, SignError, Signed};

/// The delay after the first attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The delay of a job whose rule has not started.
const NOT_STARTED: SignedDuration = SignedDuration::from_secs(1);

/// Delays in milliseconds between lookups of a tag: distribution sends the notification of a manifest before it writes its
/// tag (`registry/handlers/manifests.go`, `PutManifest`).
const TAG_PAUSES: [u64; 8] = [5, 5, 10, 20, 40, 80, 160, 320];

/// Attempts to find a tag.
const TAG_ATTEMPTS: u32 = 3;

/// The timeout of one attempt.
const ATTEMPT: Duration = Duration::from_secs(120);

/// Runs until `stop` is true, and completes the current job.
pub(super) async fn work(signer: Arc<Signer>, mut stop: tokio::sync::watch::Receiver<bool>) {
    let mut rechecks = Rechecks::new(Arc::clone(&signer));
    loop {
        let (job_id, job) = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            next = signer.queue.next() => next,
        };
        one(&signer, job_id, job, &mut rechecks).await;
    }
    rechecks.end().await;
}

async fn one(signer: &Signer, job_id: JobId, job: Job, rechecks: &mut Rechecks) {
    let active_config = signer.active_config();
    let Some(applied) = active_config.rule(&job.rule) else {
        // The rule was removed, and its jobs are about to be.
        signer.queue.put_back(job_id, Timestamp::now() + NOT_STARTED);
        return;
    };
    if !active_config.has_started(&applied.id) && !job.requested {
        signer.queue.put_back(job_id, Timestamp::now() + NOT_STARTED);
        return;
    }
    let (begun, mut new) = (std::time::Instant::now(), None);
    let done = tokio::time::timeout(ATTEMPT, attempt(&active_config, applied, &job)).await;
    let result = match done.unwrap_or(Err(Failure::Slow)) {
        Ok(Done::Signed(signed)) => {
            let (now, added) = (Timestamp::now(), signed.is_new());
            let audit = record(&active_config, applied, &job, &signed, now);
            signer.metrics.signed(added, begun.elapsed(), latency(&job, now));
            let (repository, digest) = (&job.repository, &job.digest);
            tracing::info!(repository, digest, rule = applied.rule.name, added, "signed");
            let (manifests, renew) = (manifests(&signed), renewal(&active_config, applied, &signed));
            new = Some(signed);
            JobResult::Signed { manifests, at: now.as_millisecond(), audit, renew }
        }
        Ok(Done::NoImage) => {
            signer.metrics.passed_over.add();
            JobResult::NoImage
        }
        Ok(Done::Left(why)) => {
            signer.metrics.left.add();
            let (repository, digest, tags) = (&job.repository, &job.digest, &job.tags);
            tracing::warn!(repository, digest, ?tags, rule = applied.rule.name, "not signed: {why}");
            JobResult::Dropped { pushes: job.pushes }
        }
        Err(failure) => fail(signer, applied, &job, &failure),
    };
    if let Err(error) = signer.queue.complete(job_id, result).await {
        tracing::error!(%error, "cannot record the result of a job: the signer repeats the job");
    } else if let Some(signed) = new {
        rechecks.add(&active_config, applied, job, &signed).await;
    }
}

/// The result of an attempt.
enum Done {
    Signed(Signed),
    NoImage,
    Left(&'static str),
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the tags of the repository cannot be read")]
    List(#[source] ListError),
    #[error("the attempt took longer than {ATTEMPT:?}")]
    Slow,
    #[error("the repository does not have this image")]
    Missing,
    #[error("no tag resolves to this digest any more")]
    Superseded,
    #[error("the queue entry has no valid {0}")]
    Name(&'static str),
}

async fn attempt(active_config: &ActiveConfig, applied: &ActiveRule, job: &Job) -> Result<Done, Failure> {
    let repository = Repository::parse(&job.repository).map_err(|_| Failure::Name("repository"))?;
    let digest = Digest::parse(&job.digest).map_err(|_| Failure::Name("digest"))?;
    let key = active_config.key(&applied.rule).ok_or(Failure::Name("key"))?;
    // The rules were applied before it was queued, and a changed rule has another id; checking again is cheap.
    if !applied.rule.covers(&repository) {
        return Ok(Done::Left("the rule does not apply to this repository"));
    }
    let (registry, credentials) = (&active_config.registry, &active_config.credentials);
    let covered = |tag: &&String| job.requested || applied.rule.covers_tag(&repository, tag);
    let mut tags: Vec<String> = job.tags.iter().filter(covered).cloned().collect();
    let mut has_all_tags = !job.tags_dropped;
    let attached = active_config.attached(&applied.rule);
    if let Some(notation) = &attached.notation {
        notation.certificates.check_validity(Timestamp::now()).map_err(SignError::Certificate)?;
    }
    let order = active_config.order(&applied.rule, (&repository, &digest), &attached);
    let image = async {
        let mut pauses = TAG_PAUSES.into_iter();
        loop {
            match look(registry, (&repository, &digest), &tags, !job.requested, credentials).await? {
                Found::Image(image) => {
                    key.rate.acquire().await;
                    return Ok(image);
                }
                Found::Attached => return Err(Stop::Attached),
                Found::Missing => return Err(Failure::Missing.into()),
                Found::Superseded => match pauses.next() {
                    Some(pause) => tokio::time::sleep(Duration::from_millis(pause)).await,
                    None if has_all_tags => return Err(Failure::Superseded.into()),
                    None => {
                        let tagged = reconcile::tagged(active_config, &applied.rule, &repository).await;
                        let tagged = tagged.map_err(Failure::List)?.into_iter();
                        tags = tagged.filter(|(.., found)| *found == digest).map(|(_, tag, _)| tag).collect();
                        has_all_tags = true;
                    }
                },
            }
        }
    };
    match pullgate_sign::sign_found(registry, &order, &key.key, image).await {
        Ok(signed) => Ok(Done::Signed(signed)),
        Err(Stop::Attached) => Ok(Done::NoImage),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Why an attempt ends early.
enum Stop {
    Attached,
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn fail(signer: &Signer, applied: &ActiveRule, job: &Job, failure: &Failure) -> JobResult {
    signer.metrics.failed.add();
    let error = pullgate_core::untrusted::error_chain(failure);
    let attempts = job.attempts.saturating_add(1);
    let limits = &signer.active_config().settings.limits;
    let (repository, digest, rule) = (&job.repository, &job.digest, &applied.rule.name);
    let result = match retry_decision(failure) {
        RetryDecision::Retry => None,
        RetryDecision::RetryLimited if attempts < limits.attempts => None,
        RetryDecision::Gone if attempts < limits.attempts => None,
        RetryDecision::Moved if attempts < TAG_ATTEMPTS => None,
        RetryDecision::Gone | RetryDecision::Moved => {
            signer.metrics.left.add();
            Some(JobResult::Dropped { pushes: job.pushes })
        }
        RetryDecision::RetryLimited | RetryDecision::GiveUp => {
            Some(JobResult::Parked { error: error.clone() })
        }
    };
    if let Some(result) = result {
        tracing::error!(
            repository,
            digest,
            rule,
            attempts,
            error,
            "image not signed, and pullgate-signer does not try again"
        );
        return result;
    }
    tracing::warn!(
        repository,
        digest,
        rule,
        attempts,
        error,
        "image not signed yet: pullgate-signer tries again later"
    );
    let pause = pause(attempts, limits.longest_pause);
    let pause = SignedDuration::try_from(pause).unwrap_or(NOT_STARTED);
    JobResult::Again { not_before: (Timestamp::now() + pause).as_millisecond(), error }
}

/// Whether a retry may succeed.
enum RetryDecision {
    /// Probably: the registry or the key is unavailable for now.
    Retry,
    /// Unknown.
    RetryLimited,
    /// The image does not exist.
    Gone,
    /// No tag refers to the image: not any more, or not yet.
    Moved,
    /// Never.
    GiveUp,
}

fn retry_decision(failure: &Failure) -> RetryDecision {
    let of_registry = |error: &RegistryError| match error.class() {
        Class::Unanswered => RetryDecision::Retry,
        _ => RetryDecision::RetryLimited,
    };
    match failure {
        Failure::Registry(error)
        | Failure::Sign(SignError::Registry(error))
        | Failure::List(ListError::Registry(error)) => of_registry(error),
        // A timestamp authority may come back, and a certificate that ended can be renewed.
        Failure::Sign(
            SignError::Key(_)
            | SignError::Certificate(CertificateChainError::Ended(_))
            | SignError::Contended { .. }
            | SignError::Timestamp(_)
            | SignError::SelfCheck(_),
        )
        | Failure::Slow => RetryDecision::Retry,
        Failure::Sign(SignError::NotKept { .. }) | Failure::List(_) => RetryDecision::RetryLimited,
        Failure::Missing | Failure::Sign(SignError::NoImage { .. }) => RetryDecision::Gone,
        Failure::Superseded => RetryDecision::Moved,
        Failure::Sign(_) | Failure::Name(_) => RetryDecision::GiveUp,
    }
}

/// The delay after an attempt, by its number from 1.
fn pause(attempts: u32, longest: Duration) -> Duration {
    Backoff::new(FIRST_PAUSE, longest).jittered(attempts.saturating_sub(1))
}

fn latency(job: &Job, now: Timestamp) -> Duration {
    Duration::from_millis(
        u64::try_from(now.as_millisecond().saturating_sub(job.received)).unwrap_or_default(),
    )
}

fn manifests(signed: &Signed) -> Vec<String> {
    signed.attached.iter().map(|attached| attached.manifest.to_string()).collect()
}

/// When the signature is to be made again, in milliseconds: before it expires. The operator requests each signature of a manual
/// rule.
fn renewal(active_config: &ActiveConfig, applied: &ActiveRule, signed: &Signed) -> Option<i64> {
    if applied.rule.trigger == Trigger::Manual {
        return None;
    }
    let notation = active_config.attached(&applied.rule).notation?;
    let renewals = signed.attached.iter().filter_map(|attached| notation.renewal(attached.expires?));
    renewals.min().map(Timestamp::as_millisecond)
}

/// The line of the audit record.
fn record(
    active_config: &ActiveConfig,
    applied: &ActiveRule,
    job: &Job,
    signed: &Signed,
    now: Timestamp,
) -> String {
    let rule = &applied.rule;
    let key = active_config.key(rule).map(|key| key.key.public().fingerprint().to_owned());
    json!({
        "time": now.to_string(),
        // "present": an equal signature existed, perhaps ours from before a crash.
        "outcome": if signed.is_new() { "signed" } else { "present" },
        "repository": job.repository,
        "digest": job.digest,
        "tags": job.tags,
        "rule": rule.name,
        "rule_id": applied.id.as_str(),
        "authenticator": rule.authenticator,
        "algorithm": rule.algorithm.name(),
        "key": key,
        "layout": rule.layout.name(),
        "manifests": manifests(signed),
        "trigger": match (job.renewing, job.requested) {
            (true, _) => "renewal",
            (false, true) => "request",
            (false, false) => "push",
        },
        // From the notification: a hint.
        "pushed_by": job.actor,
        "pushed_at": Timestamp::from_millisecond(job.pushed).ok().map(|at| at.to_string()),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_limit_and_differ() {
        let longest = Duration::from_secs(300);
        for (attempts, most) in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (100, 300)] {
            let pauses: Vec<Duration> = (0..50).map(|_| pause(attempts, longest)).collect();
            let bounds = Duration::from_secs(most) / 2..=Duration::from_secs(most);
            assert!(pauses.iter().all(|pause| bounds.contains(pause)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{attempts}");
        }
    }
}
