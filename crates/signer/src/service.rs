//! The state that the parts of the service share, its start and its reload.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::active_config::{ActiveConfig, ActiveConfigError, PendingConfig};
use super::failed_reload::FailedReload;
use super::metrics::Metrics;
use super::notification::Notification;
use super::queue::{Candidate, Capacity, Offered, Queue, QueueError};
use super::rule::{RuleId, applying};
use super::{SignerSettings, restart};

/// Errors that are kept for `status`.
const ERRORS: usize = 16;

/// Signs what is pushed, by rule.
#[derive(Debug)]
pub struct Signer {
    pub(super) queue: Queue,
    pub(super) metrics: Metrics,
    /// The rules have changed, or one of them has to begin.
    pub(super) changed: Notify,
    active_config: ArcSwap<ActiveConfig>,
    /// The settings at the start.
    initial: SignerSettings,
    /// Set by a failed reload until one succeeds.
    reload_failed: Mutex<Option<FailedReload>>,
    errors: Mutex<VecDeque<(Timestamp, String)>>,
}

impl Signer {
    /// Opens the queue and the keys, and activates the rules.
    ///
    /// # Errors
    /// When any of them cannot be used.
    pub async fn open(settings: SignerSettings) -> Result<Arc<Self>, SignerError> {
        let limits = &settings.limits;
        let capacity = Capacity { queued: limits.queued, remembered: limits.remembered };
        let directory = settings.directory.clone();
        let initial = settings.clone();
        let prepared = PendingConfig::of(settings).await?;
        let opened = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&directory).map_err(QueueError::Io)?;
            Queue::open(&directory, capacity)
        });
        let queue = opened.await.map_err(|_| QueueError::Ended)??;
        let active_config = prepared.begin(&queue, Timestamp::now()).await?;
        Ok(Arc::new(Self {
            queue,
            metrics: Metrics::default(),
            changed: Notify::new(),
            active_config: ArcSwap::from_pointee(active_config),
            initial,
            reload_failed: Mutex::default(),
            errors: Mutex::default(),
        }))
    }

    /// Activates new settings, all or nothing. Those in [`needs_restart`](Self::needs_restart) apply after a restart.
    ///
    /// # Errors
    /// When a key or a password cannot be used, or the queue cannot be written; nothing changes then.
    pub async fn reload(&self, settings: SignerSettings) -> Result<(), SignerError> {
        let active_config = self.prepare(settings).await.inspect_err(|error| {
            self.note_failed_reload(vec![pullgate_core::untrusted::error_chain(error)]);
        })?;
        self.active_config.store(Arc::new(active_config));
        *self.reload_failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.changed.notify_waiters();
        Ok(())
    }

    async fn prepare(&self, settings: SignerSettings) -> Result<ActiveConfig, SignerError> {
        Ok(PendingConfig::of(settings).await?.begin(&self.queue, Timestamp::now()).await?)
    }

    /// Keeps the reason of a failed reload for `status`, until a reload succeeds.
    pub fn note_failed_reload(&self, reasons: Vec<String>) {
        let failed = FailedReload { at: Timestamp::now().to_string(), reasons };
        *self.reload_failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
    }

    pub(super) fn failed_reload(&self) -> Option<FailedReload> {
        self.reload_failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The changed settings, as they are named in `signer.toml`, that apply only after a restart.
    #[must_use]
    pub fn needs_restart(&self) -> Vec<&'static str> {
        restart::needed(&self.initial, &self.active_config().settings)
    }

    /// Reopens the audit record after the file was moved away. No line is lost or duplicated: signatures until then are in
    /// the old file.
    ///
    /// # Errors
    /// When the file cannot be created; the open one stays in use.
    pub async fn reopen_record(&self) -> Result<(), QueueError> {
        self.queue.reopen().await
    }

    /// Queues the pushes of a notification: they are on disk when this returns.
    pub(super) async fn enqueue(&self, notification: Notification) -> Result<Offered, QueueError> {
        let active_config = self.active_config();
        let now = Timestamp::now();
        let mut candidates = Vec::new();
        for push in notification.pushes {
            let at = push.at.unwrap_or(now);
            let before = candidates.len();
            for applied in applying(&active_config.rules, &push.repository, push.tag.as_deref(), at) {
                candidates.push(Candidate {
                    rule: applied.id.clone(),
                    repository: push.repository.clone(),
                    digest: push.digest.clone(),
                    tag: push.tag.clone(),
                    pushed: at.as_millisecond(),
                    requested: false,
                    actor: push.actor.clone(),
                });
            }
            if candidates.len() == before {
                self.metrics.unruled.add();
            }
        }
        let offered = self.queue.offer(candidates, now).await?;
        self.metrics.queued.add_all(offered.queued);
        self.metrics.known.add_all(offered.known);
        self.metrics.older.add_all(offered.older);
        Ok(offered)
    }

    pub(super) fn active_config(&self) -> Arc<ActiveConfig> {
        self.active_config.load_full()
    }

    /// Marks the baseline of a rule as complete: it signs from now on.
    pub(super) fn start_rule(&self, id: &RuleId) {
        self.active_config.rcu(|active_config| active_config.with_started(id));
    }

    /// Keeps an error for `status`.
    pub(super) fn note_error(&self, error: String) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() >= ERRORS {
            errors.pop_front();
        }
        errors.push_back((Timestamp::now(), error));
    }

    pub(super) fn errors(&self) -> Vec<(Timestamp, String)> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Why the service does not start, or does not accept new settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    #[error("the queue cannot be used")]
    Queue(#[from] QueueError),
    #[error("the settings of signer.toml cannot be used")]
    Settings(#[from] ActiveConfigError),
}
