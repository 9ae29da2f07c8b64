//! The service: what its parts share, and how they begin and end.

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
use super::{Settings, restart};

/// Errors that are kept for `status`.
const ERRORS: usize = 16;

/// Signs what is pushed, by rule.
#[derive(Debug)]
pub struct Signer {
    pub(super) queue: Queue,
    pub(super) metrics: Metrics,
    /// The rules are others now, or one of them has to begin.
    pub(super) changed: Notify,
    active_config: ArcSwap<ActiveConfig>,
    /// What it was started with.
    began: Settings,
    /// Unless the last reload did what it was asked to.
    reload_failed: Mutex<Option<FailedReload>>,
    errors: Mutex<VecDeque<(Timestamp, String)>>,
}

impl Signer {
    /// Opens the queue and the keys, and puts the rules in force.
    ///
    /// # Errors
    /// When any of them cannot be used.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, SignerError> {
        let limits = &settings.limits;
        let capacity = Capacity { queued: limits.queued, remembered: limits.remembered };
        let directory = settings.directory.clone();
        let began = settings.clone();
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
            began,
            reload_failed: Mutex::default(),
            errors: Mutex::default(),
        }))
    }

    /// Puts other settings in force, all of them or none. What [`needs_restart`](Self::needs_restart) tells of stays until it
    /// is started anew.
    ///
    /// # Errors
    /// When a key or a password cannot be used, or the disk does not take the rules; all is as before then.
    pub async fn reload(&self, settings: Settings) -> Result<(), SignerError> {
        let active_config = self.prepare(settings).await.inspect_err(|error| {
            self.note_failed_reload(vec![pullgate_core::untrusted::error_chain(error)]);
        })?;
        self.active_config.store(Arc::new(active_config));
        *self.reload_failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.changed.notify_waiters();
        Ok(())
    }

    async fn prepare(&self, settings: Settings) -> Result<ActiveConfig, SignerError> {
        Ok(PendingConfig::of(settings).await?.begin(&self.queue, Timestamp::now()).await?)
    }

    /// Keeps for `status` why the settings of before are still in force, until a reload does what it was asked to.
    pub fn note_failed_reload(&self, reasons: Vec<String>) {
        let failed = FailedReload { at: Timestamp::now().to_string(), reasons };
        *self.reload_failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
    }

    pub(super) fn failed_reload(&self) -> Option<FailedReload> {
        self.reload_failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The settings, as they are written in `signer.toml`, that were changed by a reload and count only after a restart.
    #[must_use]
    pub fn needs_restart(&self) -> Vec<&'static str> {
        restart::needed(&self.began, &self.active_config().settings)
    }

    /// Goes on with the audit record in the file that has its name now, after the one before was moved away. Nothing is
    /// lost and no line is in both: what was signed until then is in the old one.
    ///
    /// # Errors
    /// When there can be no such file; the record goes on where it was.
    pub async fn reopen_record(&self) -> Result<(), QueueError> {
        self.queue.reopen().await
    }

    /// Takes what a notification told: what is to be signed is on disk when this returns.
    pub(super) async fn notified(&self, notification: Notification) -> Result<Offered, QueueError> {
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

    /// All that was there before a rule is known: it signs from now on.
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

/// Why the service does not begin, or does not take other settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The queue.
    #[error("the queue cannot be used")]
    Queue(#[from] QueueError),
    /// The settings.
    #[error("the settings cannot be put in force")]
    Settings(#[from] ActiveConfigError),
}
