//! The queue of images to sign, on disk before a notification is acknowledged.
//!
//! One thread writes. It commits all commands since its last commit together, so that a thousand notifications cost one
//! fsync. Everything on disk is also in memory, in the order in which it is due.
//!
//! The state of an image under a rule is one of: queued (or parked), signed, older than the rule, not an image. So nothing
//! is queued twice, and a crash at any point leaves either the job or its result.

mod audit;
mod job;
mod schedule;
mod store;
mod writer;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

pub(super) use job::{Candidate, Job, JobId, JobResult};
pub(super) use schedule::Depth;
pub(super) use store::RuleRecord;

use self::schedule::Schedule;
use self::store::Store;
use self::writer::Command;
use super::rule::RuleId;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

/// Commands that wait for the writer; more wait at their senders.
const COMMANDS: usize = 1024;

/// Limits of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Jobs.
    pub queued: usize,
    /// Images that are recorded as signed.
    pub remembered: usize,
}

/// The result of offering candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offered {
    /// Added to the queue.
    pub(super) queued: usize,
    /// Queued already, or signed.
    pub(super) known: usize,
    /// Older than the rule.
    pub(super) older: usize,
}

/// Cheap to clone; the writer ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    commands: mpsc::Sender<Command>,
    schedule: Arc<Schedule>,
}

impl Queue {
    /// Opens the queue in `directory`, and creates it if needed. After a crash it is in the state of its last commit.
    ///
    /// # Errors
    /// When it cannot be read, or another process has it open.
    pub(super) fn open(directory: &Path, capacity: Capacity) -> Result<Self, QueueError> {
        let store = Store::open(directory)?;
        let audit = audit::Audit::open(directory)?;
        let schedule = Arc::new(Schedule::new(store.jobs()?));
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let writer = writer::Writer { store, audit, schedule: Arc::clone(&schedule), capacity };
        let thread = std::thread::Builder::new().name("queue".to_owned());
        thread.spawn(move || writer.run(receiver)).map_err(QueueError::Io)?;
        Ok(Self { commands, schedule })
    }

    /// Sets the active rules, and deletes all others with the state of their images. Returns the records of these rules, in
    /// their order; a new rule begins `now`.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub(super) async fn begin(
        &self,
        rules: Vec<(RuleId, String)>,
        now: Timestamp,
    ) -> Result<Vec<RuleRecord>, QueueError> {
        self.ask(|reply| Command::Begin { rules, now, reply }).await
    }

    /// Records images that are older than a rule.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub(super) async fn older(
        &self,
        rule: RuleId,
        images: Vec<(Repository, Digest)>,
    ) -> Result<(), QueueError> {
        self.ask(|reply| Command::Older { rule, images, reply }).await
    }

    /// Records that the baseline of a rule is complete.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub(super) async fn listed(&self, rule: RuleId, now: Timestamp) -> Result<(), QueueError> {
        self.ask(|reply| Command::IndexEntry { rule, now, reply }).await
    }

    /// Queues candidates: all of them, or none if the limit would be exceeded. They are on disk when this returns.
    ///
    /// # Errors
    /// When the queue is full, or cannot be written.
    pub(super) async fn offer(
        &self,
        candidates: Vec<Candidate>,
        now: Timestamp,
    ) -> Result<Offered, QueueError> {
        if candidates.is_empty() {
            return Ok(Offered::default());
        }
        self.ask(|reply| Command::Offer { candidates, now, reply }).await
    }

    /// The next due job. No other worker gets a job of the same image until this one is completed or put back.
    pub(super) async fn next(&self) -> (JobId, Job) {
        self.schedule.next().await
    }

    /// Puts a job back in memory only, for a later attempt that does not count as a failure.
    pub(super) fn put_back(&self, job_id: JobId, not_before: Timestamp) {
        self.schedule.put_back(job_id, not_before);
    }

    /// Records the result of a job. It is on disk when this returns, after its audit record.
    ///
    /// # Errors
    /// When the queue cannot be written; the job is put back then.
    pub(super) async fn complete(&self, job_id: JobId, result: JobResult) -> Result<(), QueueError> {
        let completed = self.ask(|reply| Command::Complete { job_id, result, reply }).await;
        if completed.is_err() {
            self.schedule.put_back(job_id, Timestamp::now() + jiff::SignedDuration::from_secs(1));
        }
        completed
    }

    /// Reopens the audit record after the file was moved away.
    ///
    /// # Errors
    /// When the file cannot be created; the open one stays in use.
    pub(super) async fn reopen(&self) -> Result<(), QueueError> {
        self.ask(|reply| Command::Reopen { reply }).await
    }

    pub(super) fn depth(&self) -> Depth {
        self.schedule.depth()
    }

    /// Parked jobs, the oldest first, at most `most`.
    pub(super) fn parked(&self, most: usize) -> Vec<Job> {
        self.schedule.parked(most)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, QueueError>>) -> Command,
    ) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| QueueError::Ended)?;
        answer.await.map_err(|_| QueueError::Ended)?
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The limit is reached.
    #[error("the queue is full with {0} images; see `queued` in [limits]")]
    Full(usize),
    /// The database failed.
    #[error("the queue cannot be written: {0}")]
    Disk(String),
    /// The file system failed.
    #[error("the directory of the queue (`directory` in [state]) cannot be used")]
    Io(#[source] std::io::Error),
    /// Another process has it open.
    #[error("another signer process has the queue open")]
    Taken,
    /// The stored data is not valid.
    #[error("the queue has an invalid entry: {0}")]
    Malformed(String),
    /// The writer has ended.
    #[error("the queue is closed, because its writer has ended")]
    Ended,
}

#[cfg(test)]
mod tests;
