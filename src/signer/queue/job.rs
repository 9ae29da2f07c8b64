//! One image that is to be signed under one rule.

use serde::{Deserialize, Serialize};

use super::super::rule::RuleId;
use crate::digest::Digest;
use crate::reference::Repository;

/// Tags of one job that are kept: any that leads to the image will do.
const TAGS: usize = 16;

/// The number of a job, in the order in which they were queued.
pub(in crate::signer) type Ticket = u64;

/// What is to be queued.
#[derive(Clone, Debug)]
pub(in crate::signer) struct Candidate {
    pub(in crate::signer) rule: RuleId,
    pub(in crate::signer) repository: Repository,
    pub(in crate::signer) digest: Digest,
    pub(in crate::signer) tag: Option<String>,
    /// When it was pushed, as it was told or else when we heard of it, in milliseconds.
    pub(in crate::signer) pushed: i64,
    /// Whether somebody asked for it, and not only pushed.
    pub(in crate::signer) requested: bool,
    pub(in crate::signer) actor: Option<String>,
}

/// A job as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::signer) struct Job {
    pub(in crate::signer) rule: String,
    pub(in crate::signer) repository: String,
    pub(in crate::signer) digest: String,
    pub(in crate::signer) tags: Vec<String>,
    pub(in crate::signer) requested: bool,
    pub(in crate::signer) actor: Option<String>,
    /// Milliseconds since 1970, as all times here.
    pub(in crate::signer) pushed: i64,
    /// When we were told.
    pub(in crate::signer) received: i64,
    /// How often it was pushed or asked for since it was queued.
    pub(in crate::signer) pushes: u64,
    pub(in crate::signer) attempts: u32,
    pub(in crate::signer) not_before: i64,
    pub(in crate::signer) parked: bool,
    /// Whether it was there before its rule, and waits because it was asked for.
    pub(in crate::signer) older: bool,
    pub(in crate::signer) error: Option<String>,
}

/// What became of a job.
#[derive(Clone, Debug)]
pub(in crate::signer) enum Settlement {
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
