//! What is to be signed, on disk before anybody is told that it was accepted.
//!
//! One thread writes. It takes all that was asked of it since its last commit and commits it at once, so that a thousand
//! notifications cost one fsync. What is on disk is also in memory, in the order in which it is due.
//!
//! Of an image under a rule one thing is known: that it waits (or is parked), that it was signed, that it was there before
//! the rule, or that it is no image. So nothing is queued twice, and a crash at any point leaves either the job or its end.

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

/// How much the queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Jobs that wait.
    pub queued: usize,
    /// Images that are remembered as signed.
    pub remembered: usize,
}

/// What became of candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offered {
    /// They wait now.
    pub(super) queued: usize,
    /// They wait already, or were signed.
    pub(super) known: usize,
    /// They were there before the rule.
    pub(super) older: usize,
}

/// The queue. Cheap to clone; the writer ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    commands: mpsc::Sender<Command>,
    schedule: Arc<Schedule>,
}

impl Queue {
    /// Opens the queue in `directory`, and makes what is not there. After a crash it is as it was at its last commit.
    ///
    /// # Errors
    /// When the disk does not give it, or another process has it open.
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

    /// Takes the rules that are in force, and forgets all others with what was known under them. Gives the records of
    /// these rules, in their order; one that was never seen begins `now`.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) async fn begin(
        &self,
        rules: Vec<(RuleId, String)>,
        now: Timestamp,
    ) -> Result<Vec<RuleRecord>, QueueError> {
        self.ask(|reply| Command::Begin { rules, now, reply }).await
    }

    /// Notes images that were there before a rule.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) async fn older(
        &self,
        rule: RuleId,
        images: Vec<(Repository, Digest)>,
    ) -> Result<(), QueueError> {
        self.ask(|reply| Command::Older { rule, images, reply }).await
    }

    /// Notes that all images which were there before a rule are known.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) async fn listed(&self, rule: RuleId, now: Timestamp) -> Result<(), QueueError> {
        self.ask(|reply| Command::IndexEntry { rule, now, reply }).await
    }

    /// Queues candidates: all of them, or none where there is no room. They are on disk when this returns.
    ///
    /// # Errors
    /// When the queue is full, or the disk does not take it.
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

    /// The next job that is due. Nobody else gets a job of the same image until this one is settled or put back.
    pub(super) async fn next(&self) -> (JobId, Job) {
        self.schedule.next().await
    }

    /// Puts a job back in memory alone, to be looked at again later: what keeps it is not its fault.
    pub(super) fn put_back(&self, job_id: JobId, not_before: Timestamp) {
        self.schedule.put_back(job_id, not_before);
    }

    /// Notes what became of a job. It is on disk when this returns, its audit record before it.
    ///
    /// # Errors
    /// When the disk does not take it; the job is put back then.
    pub(super) async fn recheck_delay(&self, job_id: JobId, settlement: JobResult) -> Result<(), QueueError> {
        let settled = self.ask(|reply| Command::Settle { job_id, settlement, reply }).await;
        if settled.is_err() {
            self.schedule.put_back(job_id, Timestamp::now() + jiff::SignedDuration::from_secs(1));
        }
        settled
    }

    /// Goes on with the audit record in the file that has its name now: the one before was moved away.
    ///
    /// # Errors
    /// When there can be no such file; the record goes on where it was.
    pub(super) async fn reopen(&self) -> Result<(), QueueError> {
        self.ask(|reply| Command::Reopen { reply }).await
    }

    /// How much waits.
    pub(super) fn depth(&self) -> Depth {
        self.schedule.depth()
    }

    /// Some of the jobs that are parked, the oldest first.
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

/// Why something is not queued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The bound is reached.
    #[error("{0} images wait to be signed, more are not queued")]
    Full(usize),
    /// The disk.
    #[error("the queue cannot be written: {0}")]
    Disk(String),
    /// The file system.
    #[error("the queue's directory cannot be used")]
    Io(#[source] std::io::Error),
    /// Another process has it open.
    #[error("another signer has the queue open")]
    Taken,
    /// What is stored is not what was stored.
    #[error("the queue holds something that is not a job: {0}")]
    Malformed(String),
    /// The writer is gone.
    #[error("the queue has ended")]
    Ended,
}

#[cfg(test)]
mod tests;
