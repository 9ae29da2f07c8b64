//! The writer thread: it commits all commands since the last commit together.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::audit::Audit;
use super::job::{Candidate, Job, JobId, JobResult};
use super::schedule::Schedule;
use super::store::{Known, KnownKey, RuleRecord, Store, Tables};
use super::{Capacity, Offered, QueueError};
use crate::rule::RuleId;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

/// The most commands in one commit.
const BATCH: usize = 512;

/// How long after the baseline a notification may arrive for a push that was made during the baseline.
const LATE: i64 = 60_000;

type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

#[derive(Debug)]
pub(super) enum Command {
    Begin { rules: Vec<(RuleId, String)>, now: Timestamp, reply: Reply<Vec<RuleRecord>> },
    Older { rule: RuleId, images: Vec<(Repository, Digest)>, reply: Reply<()> },
    IndexEntry { rule: RuleId, now: Timestamp, reply: Reply<()> },
    Offer { candidates: Vec<Candidate>, now: Timestamp, reply: Reply<Offered> },
    Complete { job_id: JobId, result: JobResult, reply: Reply<()> },
    Reopen { reply: Reply<()> },
}

pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) audit: Audit,
    pub(super) schedule: Arc<Schedule>,
    pub(super) capacity: Capacity,
}

/// Reports to the caller whether the change is on disk.
type Completion = Box<dyn FnOnce(Result<(), QueueError>) + Send>;

/// The effects of a batch, applied once it is on disk.
#[derive(Default)]
struct Effects {
    jobs: Vec<(JobId, Option<Job>)>,
    completed: Vec<JobId>,
    audit: Vec<String>,
    /// Jobs that the batch adds.
    added: usize,
    replies: Vec<Completion>,
}

impl Writer {
    /// Runs until the last sender is dropped.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = commands.try_recv()
            {
                batch.push(next);
            }
            self.commit(batch);
        }
    }

    fn commit(&mut self, batch: Vec<Command>) {
        let mut effects = Effects::default();
        let (store, audit) = (&self.store, &mut self.audit);
        let mut work = Work { schedule: &self.schedule, capacity: self.capacity, effects: &mut effects };
        let written = store.write(|tables| {
            for command in batch {
                work.apply(tables, audit, command)?;
            }
            // Before the results of the jobs are on disk: after a crash between the two, the signature is found, nothing is
            // signed twice, and the record has a second line that says so.
            audit.append(&work.effects.audit).map_err(QueueError::Io)
        });
        let Effects { jobs, completed, replies, .. } = effects;
        if written.is_ok() {
            for job_id in completed {
                self.schedule.release(job_id);
            }
            self.schedule.apply(jobs);
        } else if let Err(error) = &written {
            tracing::error!(%error, "cannot write the queue");
        }
        for reply in replies {
            reply(match &written {
                Ok(()) => Ok(()),
                Err(error) => Err(QueueError::Disk(error.to_string())),
            });
        }
    }
}

/// The state of a batch in its transaction.
pub(super) struct Work<'w> {
    schedule: &'w Schedule,
    capacity: Capacity,
    effects: &'w mut Effects,
}

impl Work<'_> {
    fn apply(
        &mut self,
        tables: &mut Tables<'_>,
        audit: &mut Audit,
        command: Command,
    ) -> Result<(), QueueError> {
        match command {
            Command::Begin { rules, now, reply } => {
                let records = self.begin(tables, &rules, now)?;
                self.answer(reply, Ok(records));
            }
            Command::Older { rule, images, reply } => {
                for (repository, digest) in images {
                    let key = KnownKey::new(rule.as_str(), repository.as_str(), digest.as_str());
                    // A push that was received before the baseline listed it is not older: it stays queued.
                    if tables.known(&key)?.is_none() {
                        tables.put_known(&key, &Known::Older)?;
                    }
                }
                self.answer(reply, Ok(()));
            }
            Command::IndexEntry { rule, now, reply } => {
                if let Some(mut record) = tables.rule(rule.as_str())? {
                    record.listed = Some(now.as_millisecond());
                    tables.put_rule(&rule, &record)?;
                }
                self.answer(reply, Ok(()));
            }
            Command::Offer { candidates, now, reply } => {
                let offered = self.offer(tables, candidates, now.as_millisecond())?;
                self.answer(reply, offered);
            }
            Command::Complete { job_id, result, reply } => {
                self.complete(tables, job_id, result)?;
                self.answer(reply, Ok(()));
            }
            Command::Reopen { reply } => {
                let reopened = audit.reopen();
                self.answer(reply, reopened);
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        tables: &mut Tables<'_>,
        rules: &[(RuleId, String)],
        now: Timestamp,
    ) -> Result<Vec<RuleRecord>, QueueError> {
        for id in tables.rules()? {
            if !rules.iter().any(|(rule, _)| rule.as_str() == id) {
                let ended = tables.end_rule(&id)?;
                self.effects.jobs.extend(ended.into_iter().map(|job_id| (job_id, None)));
            }
        }
        let mut records = Vec::new();
        for (id, name) in rules {
            let record = match tables.rule(id.as_str())? {
                Some(record) => record,
                None => {
                    let record = RuleRecord { name: name.clone(), since: now.as_millisecond(), listed: None };
                    tables.put_rule(id, &record)?;
                    record
                }
            };
            records.push(record);
        }
        Ok(records)
    }

    /// The outer error is the database's, the inner one that the queue is full.
    fn offer(
        &mut self,
        tables: &mut Tables<'_>,
        candidates: Vec<Candidate>,
        now: i64,
    ) -> Result<Result<Offered, QueueError>, QueueError> {
        let depth = self.schedule.depth();
        let there = depth.waiting + depth.busy + depth.parked + self.effects.added;
        if there.saturating_add(candidates.len()) > self.capacity.queued {
            return Ok(Err(QueueError::Full(there)));
        }
        let mut offered = Offered::default();
        for candidate in candidates {
            let rule = candidate.rule.as_str();
            // The rule was removed while the notification was read.
            let Some(record) = tables.rule(rule)? else { continue };
            let key = KnownKey::new(rule, candidate.repository.as_str(), candidate.digest.as_str());
            let known = tables.known(&key)?;
            if let Some(Known::Queued(job_id)) = known
                && let Some(mut job) = tables.job(job_id)?
            {
                job.join(&candidate, now);
                tables.put_job(job_id, &job)?;
                self.effects.jobs.push((job_id, Some(job)));
                offered.known += 1;
                continue;
            }
            let older = matches!(known, Some(Known::Older));
            // Pushed during the baseline, according to the notification: it was listed, and is not older.
            let late = record
                .listed
                .is_none_or(|listed| candidate.pushed <= listed && now <= listed.saturating_add(LATE));
            match known {
                _ if candidate.requested => {}
                Some(Known::Signed(..) | Known::NoImage) => {
                    offered.known += 1;
                    continue;
                }
                Some(Known::Older) if !(late && candidate.pushed >= record.since) => {
                    offered.older += 1;
                    continue;
                }
                Some(Known::Older | Known::Queued(_)) | None => {}
            }
            let (job_id, job) = (tables.next_number()?, Job::new(&candidate, older, now));
            tables.put_job(job_id, &job)?;
            tables.put_known(&key, &Known::Queued(job_id))?;
            self.effects.jobs.push((job_id, Some(job)));
            self.effects.added += 1;
            offered.queued += 1;
        }
        Ok(Ok(offered))
    }

    fn complete(
        &mut self,
        tables: &mut Tables<'_>,
        job_id: JobId,
        result: JobResult,
    ) -> Result<(), QueueError> {
        self.effects.completed.push(job_id);
        // Its rule was removed meanwhile. A signature is in the audit record all the same.
        let Some(mut job) = tables.job(job_id)? else {
            if let JobResult::Signed { audit, .. } = result {
                self.effects.audit.push(audit);
            }
            return Ok(());
        };
        let key = KnownKey::new(&job.rule, &job.repository, &job.digest);
        let ended = match result {
            JobResult::Signed { manifests, at, audit, renew } => {
                self.effects.audit.push(audit);
                match renew.filter(|_| self.has_room_to_renew(&job)) {
                    Some(due) => {
                        job.await_renewal(due);
                        None
                    }
                    None => Some(Known::Signed(manifests, at)),
                }
            }
            JobResult::NoImage => Some(Known::NoImage),
            JobResult::Dropped { pushes } if job.pushes == pushes => {
                tables.remove_job(job_id)?;
                match job.older {
                    true => tables.put_known(&key, &Known::Older)?,
                    false => tables.forget(&key)?,
                }
                self.effects.jobs.push((job_id, None));
                return Ok(());
            }
            JobResult::Dropped { .. } => {
                job.renewing = false;
                None
            }
            JobResult::Again { not_before, error } => {
                job.attempts = job.attempts.saturating_add(1);
                (job.not_before, job.error, job.renewing) = (not_before, Some(error), false);
                None
            }
            JobResult::Parked { error } => {
                job.attempts = job.attempts.saturating_add(1);
                (job.parked, job.error, job.renewing) = (true, Some(error), false);
                None
            }
        };
        match ended {
            Some(known) => {
                tables.remove_job(job_id)?;
                tables.put_known(&key, &known)?;
                tables.may_forget(&key, self.capacity.remembered)?;
                self.effects.jobs.push((job_id, None));
            }
            None => {
                tables.put_job(job_id, &job)?;
                self.effects.jobs.push((job_id, Some(job)));
            }
        }
        Ok(())
    }

    /// Whether one more signed image can wait for a renewal: at most as many as wait to be signed.
    fn has_room_to_renew(&self, job: &Job) -> bool {
        let has_room = self.schedule.depth().renewing < self.capacity.queued;
        if !has_room {
            let (repository, digest) = (&job.repository, &job.digest);
            tracing::error!(
                repository,
                digest,
                "the signer cannot renew a signature before it expires, because too many signatures wait for a renewal: see `queued` in [limits]"
            );
        }
        has_room
    }

    /// Replies once the change is on disk.
    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, QueueError>) {
        self.effects.replies.push(Box::new(move |written: Result<(), QueueError>| {
            let _ = reply.send(written.and(answer));
        }));
    }
}
