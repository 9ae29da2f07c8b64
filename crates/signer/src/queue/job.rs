//! One image that is to be signed under one rule.

use serde::{Deserialize, Serialize};

use super::super::rule::RuleId;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

/// Tags of one job that are kept: any that leads to the image will do.
const TAGS: usize = 16;

/// The number of a job, in the order in which they were queued.
pub(crate) type JobId = u64;

/// What is to be queued.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) rule: RuleId,
    pub(crate) repository: Repository,
    pub(crate) digest: Digest,
    pub(crate) tag: Option<String>,
    /// When it was pushed, as it was told or else when we heard of it, in milliseconds.
    pub(crate) pushed: i64,
    /// Whether somebody asked for it, and not only pushed.
    pub(crate) requested: bool,
    pub(crate) actor: Option<String>,
}

/// A job as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) rule: String,
    pub(crate) repository: String,
    pub(crate) digest: String,
    pub(crate) tags: Vec<String>,
    pub(crate) requested: bool,
    pub(crate) actor: Option<String>,
    /// Milliseconds since 1970, as all times here.
    pub(crate) pushed: i64,
    /// When we were told.
    pub(crate) received: i64,
    /// How often it was pushed or asked for since it was queued.
    pub(crate) pushes: u64,
    pub(crate) attempts: u32,
    pub(crate) not_before: i64,
    pub(crate) parked: bool,
    /// Whether it was there before its rule, and waits because it was asked for.
    pub(crate) older: bool,
    pub(crate) error: Option<String>,
}

/// What became of a job.
#[derive(Clone, Debug)]
pub(crate) enum JobResult {
    /// The signature is there. `audit` is the line of the record.
    Signed { manifests: Vec<String>, at: i64, audit: String },
    /// It is no image, and never will be.
    NoImage,
    /// There is nothing to sign now; should it be pushed again, or have been since it was looked at after so many pushes,
    /// it is looked at again.
    Dropped { pushes: u64 },
    /// It is tried again.
    Again { not_before: i64, error: String },
    /// Somebody has to look.
    Parked { error: String },
}

impl Job {
    pub(super) fn new(candidate: &Candidate, older: bool, now: i64) -> Self {
        Self {
            rule: candidate.rule.as_str().to_owned(),
            repository: candidate.repository.to_string(),
            digest: candidate.digest.to_string(),
            tags: candidate.tag.iter().cloned().collect(),
            requested: candidate.requested,
            actor: candidate.actor.clone(),
            pushed: candidate.pushed,
            received: now,
            pushes: 1,
            attempts: 0,
            not_before: now,
            parked: false,
            older,
            error: None,
        }
    }

    /// Takes in another push of the same image.
    pub(super) fn join(&mut self, candidate: &Candidate, now: i64) {
        self.pushes = self.pushes.saturating_add(1);
        if let Some(tag) = &candidate.tag
            && !self.tags.contains(tag)
        {
            if self.tags.len() >= TAGS {
                self.tags.remove(0);
            }
            self.tags.push(tag.clone());
        }
        self.requested |= candidate.requested;
        if self.parked {
            (self.parked, self.attempts, self.not_before) = (false, 0, now);
        }
    }

    /// What there is one manifest of signatures for.
    pub(super) fn image(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }
}
