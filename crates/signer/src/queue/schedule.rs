//! The jobs in memory, in the order in which they are due, at most one per image at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::job::{Job, JobId};

/// The longest sleep when nothing is due, because the clock can be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Schedule {
    state: Mutex<State>,
    changed: Notify,
}

/// The number of jobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Waiting, also for a retry.
    pub(crate) waiting: usize,
    /// In progress.
    pub(crate) busy: usize,
    /// Parked.
    pub(crate) parked: usize,
    /// Signed, and waiting for the renewal of the signature.
    pub(crate) renewing: usize,
}

#[derive(Debug, Default)]
struct State {
    jobs: HashMap<JobId, Job>,
    /// By the time in milliseconds when they are due.
    due: BTreeSet<(i64, JobId)>,
    parked: BTreeSet<JobId>,
    /// Those in `due` that wait for a renewal.
    renewing: HashSet<JobId>,
    /// Images with a job in progress, and the jobs that wait for its end.
    images: HashMap<String, Vec<JobId>>,
    busy: HashSet<JobId>,
}

impl Schedule {
    pub(super) fn new(jobs: BTreeMap<JobId, Job>) -> Self {
        let mut state = State::default();
        for (job_id, job) in jobs {
            state.insert(job_id, job);
        }
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    pub(super) async fn next(&self) -> (JobId, Job) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let wait = {
                let mut state = self.lock();
                let now = Timestamp::now().as_millisecond();
                match state.take(now) {
                    Ok(found) => return found,
                    Err(None) => LONGEST_SLEEP,
                    Err(Some(due)) => {
                        let wait = u64::try_from(due.saturating_sub(now)).unwrap_or_default();
                        Duration::from_millis(wait).min(LONGEST_SLEEP)
                    }
                }
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    pub(super) fn put_back(&self, job_id: JobId, not_before: Timestamp) {
        let mut state = self.lock();
        state.release(job_id);
        if let Some(mut job) = state.jobs.remove(&job_id) {
            job.not_before = not_before.as_millisecond();
            state.insert(job_id, job);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Adds, updates or removes jobs as they are stored now.
    pub(super) fn apply(&self, changes: Vec<(JobId, Option<Job>)>) {
        let mut state = self.lock();
        for (job_id, job) in changes {
            match job {
                // A job in progress keeps its image until it is released.
                Some(job) if state.busy.contains(&job_id) => {
                    state.jobs.insert(job_id, job);
                }
                Some(job) => {
                    state.remove(job_id);
                    state.insert(job_id, job);
                }
                None => {
                    state.release(job_id);
                    state.remove(job_id);
                }
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the work on a job.
    pub(super) fn release(&self, job_id: JobId) {
        self.lock().release(job_id);
    }

    pub(super) fn depth(&self) -> Depth {
        let state = self.lock();
        let (busy, parked, renewing) = (state.busy.len(), state.parked.len(), state.renewing.len());
        Depth { waiting: state.jobs.len().saturating_sub(busy + parked + renewing), busy, parked, renewing }
    }

    pub(super) fn parked(&self, most: usize) -> Vec<Job> {
        let state = self.lock();
        state.parked.iter().take(most).filter_map(|job_id| state.jobs.get(job_id).cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(&mut self, job_id: JobId, job: Job) {
        if job.parked {
            self.parked.insert(job_id);
        } else {
            self.due.insert((job.not_before, job_id));
            if job.renewing {
                self.renewing.insert(job_id);
            }
        }
        self.jobs.insert(job_id, job);
    }

    fn remove(&mut self, job_id: JobId) {
        if let Some(job) = self.jobs.remove(&job_id) {
            self.due.remove(&(job.not_before, job_id));
            self.parked.remove(&job_id);
            self.renewing.remove(&job_id);
            if let Some(held) = self.images.get_mut(&job.image()) {
                held.retain(|other| *other != job_id);
            }
        }
    }

    /// The first due job whose image has no job in progress, or when the next one is due.
    fn take(&mut self, now: i64) -> Result<(JobId, Job), Option<i64>> {
        while let Some(&(due, job_id)) = self.due.first() {
            if due > now {
                return Err(Some(due));
            }
            self.due.pop_first();
            let Some(job) = self.jobs.get(&job_id).cloned() else { continue };
            let image = job.image();
            if let Some(held) = self.images.get_mut(&image) {
                held.push(job_id);
                continue;
            }
            self.images.insert(image, Vec::new());
            self.renewing.remove(&job_id);
            self.busy.insert(job_id);
            return Ok((job_id, job));
        }
        Err(None)
    }

    /// Frees the image; the jobs that waited for it become due.
    fn release(&mut self, job_id: JobId) {
        if !self.busy.remove(&job_id) {
            return;
        }
        let Some(job) = self.jobs.get(&job_id) else { return };
        for held in self.images.remove(&job.image()).unwrap_or_default() {
            if let Some(job) = self.jobs.get(&held) {
                self.due.insert((job.not_before, held));
            }
        }
    }
}
