//! The tables on disk.
//!
//! redb commits atomically and durably, whenever the process or the machine ends.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase as _, ReadableTable, ReadableTableMetadata,
    TableDefinition,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::QueueError;
use super::job::{Job, JobId};
use crate::rule::RuleId;
use pullgate_core::digest::Digest;

/// The name of the file.
const NAME: &str = "queue.redb";

/// The cache of redb, in bytes.
const CACHE: usize = 16 << 20;

/// Jobs by number.
const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs");
/// The state of an image under a rule.
const KNOWN: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("known");
/// The keys of states that may be deleted, in the order in which they were added.
const ORDER: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("order");
/// The active rules.
const RULES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rules");
/// The next number.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const NEXT: &str = "next";

/// The state of an image under a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Known {
    /// Queued, as this job.
    Queued(JobId),
    /// Signed: the manifests of its signatures, and the time.
    Signed(Vec<String>, i64),
    /// Older than the rule.
    Older,
    /// Not an image.
    NoImage,
}

/// An active rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleRecord {
    pub(crate) name: String,
    /// When it was first seen, in milliseconds.
    pub(crate) since: i64,
    /// When its baseline was complete; missing until then.
    pub(crate) listed: Option<i64>,
}

/// The key of a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct KnownKey(Vec<u8>);

impl KnownKey {
    /// The rule comes first, so that its entries are adjacent.
    pub(super) fn new(rule: &str, repository: &str, digest: &str) -> Self {
        let image = Digest::of(format!("{repository}@{digest}").as_bytes());
        Self([rule.as_bytes(), image.hex().as_bytes()].concat())
    }
}

#[derive(Debug)]
pub(super) struct Store {
    database: Database,
}

impl Store {
    pub(super) fn open(directory: &Path) -> Result<Self, QueueError> {
        let database = redb::Builder::new().set_cache_size(CACHE).create(directory.join(NAME));
        let database = database.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => QueueError::Taken,
            other => disk(other),
        })?;
        let store = Self { database };
        // Creates the tables, for readers.
        store.write(|_| Ok(()))?;
        Ok(store)
    }

    pub(super) fn jobs(&self) -> Result<BTreeMap<JobId, Job>, QueueError> {
        let transaction = self.database.begin_read().map_err(disk)?;
        let table = transaction.open_table(JOBS).map_err(disk)?;
        let mut jobs = BTreeMap::new();
        for entry in table.iter().map_err(disk)? {
            let (job_id, job) = entry.map_err(disk)?;
            jobs.insert(job_id.value(), read(job.value())?);
        }
        Ok(jobs)
    }

    /// Commits changes atomically; they are on disk when this returns.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let mut transaction = self.database.begin_write().map_err(disk)?;
        transaction.set_durability(Durability::Immediate).map_err(disk)?;
        let done = {
            let mut tables = Tables {
                jobs: transaction.open_table(JOBS).map_err(disk)?,
                known: transaction.open_table(KNOWN).map_err(disk)?,
                order: transaction.open_table(ORDER).map_err(disk)?,
                rules: transaction.open_table(RULES).map_err(disk)?,
                numbers: transaction.open_table(NUMBERS).map_err(disk)?,
            };
            work(&mut tables)?
        };
        transaction.commit().map_err(disk)?;
        Ok(done)
    }
}

/// The tables of a write transaction.
pub(super) struct Tables<'t> {
    jobs: redb::Table<'t, u64, &'static [u8]>,
    known: redb::Table<'t, &'static [u8], &'static [u8]>,
    order: redb::Table<'t, u64, &'static [u8]>,
    rules: redb::Table<'t, &'static str, &'static [u8]>,
    numbers: redb::Table<'t, &'static str, u64>,
}

impl Tables<'_> {
    pub(super) fn job(&self, job_id: JobId) -> Result<Option<Job>, QueueError> {
        self.jobs.get(job_id).map_err(disk)?.map(|job| read(job.value())).transpose()
    }

    pub(super) fn put_job(&mut self, job_id: JobId, job: &Job) -> Result<(), QueueError> {
        self.jobs.insert(job_id, write(job)?.as_slice()).map_err(disk)?;
        Ok(())
    }

    pub(super) fn remove_job(&mut self, job_id: JobId) -> Result<(), QueueError> {
        self.jobs.remove(job_id).map_err(disk)?;
        Ok(())
    }

    pub(super) fn known(&self, key: &KnownKey) -> Result<Option<Known>, QueueError> {
        self.known.get(key.0.as_slice()).map_err(disk)?.map(|known| read(known.value())).transpose()
    }

    pub(super) fn put_known(&mut self, key: &KnownKey, known: &Known) -> Result<(), QueueError> {
        self.known.insert(key.0.as_slice(), write(known)?.as_slice()).map_err(disk)?;
        Ok(())
    }

    pub(super) fn forget(&mut self, key: &KnownKey) -> Result<(), QueueError> {
        self.known.remove(key.0.as_slice()).map_err(disk)?;
        Ok(())
    }

    /// Lets the entry of this key be deleted after `most` newer ones.
    pub(super) fn may_forget(&mut self, key: &KnownKey, most: usize) -> Result<(), QueueError> {
        let number = self.next_number()?;
        self.order.insert(number, key.0.as_slice()).map_err(disk)?;
        while self.order.len().map_err(disk)? > u64::try_from(most).unwrap_or(u64::MAX) {
            let Some(oldest) = self.order.pop_first().map_err(disk)?.map(|(_, key)| key.value().to_vec())
            else {
                break;
            };
            let key = KnownKey(oldest);
            if matches!(self.known(&key)?, Some(Known::Signed(..) | Known::NoImage)) {
                self.forget(&key)?;
            }
        }
        Ok(())
    }

    pub(super) fn rule(&self, id: &str) -> Result<Option<RuleRecord>, QueueError> {
        self.rules.get(id).map_err(disk)?.map(|rule| read(rule.value())).transpose()
    }

    pub(super) fn put_rule(&mut self, id: &RuleId, record: &RuleRecord) -> Result<(), QueueError> {
        self.rules.insert(id.as_str(), write(record)?.as_slice()).map_err(disk)?;
        Ok(())
    }

    pub(super) fn rules(&self) -> Result<Vec<String>, QueueError> {
        let mut ids = Vec::new();
        for entry in self.rules.iter().map_err(disk)? {
            ids.push(entry.map_err(disk)?.0.value().to_owned());
        }
        Ok(ids)
    }

    /// Deletes a rule and the state of its images. Returns its jobs.
    pub(super) fn end_rule(&mut self, id: &str) -> Result<Vec<JobId>, QueueError> {
        self.rules.remove(id).map_err(disk)?;
        let end = [id.as_bytes(), &[u8::MAX]].concat();
        self.known.retain_in(id.as_bytes()..end.as_slice(), |_, _| false).map_err(disk)?;
        let mut ended = Vec::new();
        for entry in self.jobs.iter().map_err(disk)? {
            let (job_id, job) = entry.map_err(disk)?;
            if read::<Job>(job.value())?.rule == id {
                ended.push(job_id.value());
            }
        }
        for job_id in &ended {
            self.remove_job(*job_id)?;
        }
        Ok(ended)
    }

    pub(super) fn next_number(&mut self) -> Result<u64, QueueError> {
        let next = self.numbers.get(NEXT).map_err(disk)?.map_or(0, |number| number.value());
        self.numbers.insert(NEXT, next.saturating_add(1)).map_err(disk)?;
        Ok(next)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, QueueError> {
    serde_json::from_slice(bytes).map_err(|error| QueueError::Malformed(error.to_string()))
}

fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, QueueError> {
    serde_json::to_vec(value).map_err(|error| QueueError::Malformed(error.to_string()))
}

fn disk(error: impl std::error::Error) -> QueueError {
    QueueError::Disk(error.to_string())
}
