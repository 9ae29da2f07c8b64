//! An image that is to be signed under one rule.

use serde::{Deserialize, Serialize};

use super::super::rule::RuleId;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

/// Tags of one job: one that refers to the image is enough.
const TAGS: usize = 16;

/// Jobs are numbered in the order in which they are queued.
pub(crate) type JobId = u64;

/// An image that may be queued.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) rule: RuleId,
    pub(crate) repository: Repository,
    pub(crate) digest: Digest,
    pub(crate) tag: Option<String>,
    /// When it was pushed, by the notification or else when it was received, in milliseconds.
    pub(crate) pushed: i64,
    /// Whether the operator requested it.
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
    /// Whether [`Self::tags`] was full. A sender can name tags that do not refer to the image until the ones that do are
    /// gone, so the tags of the registry are read before the job is given up.
    pub(crate) tags_dropped: bool,
    pub(crate) requested: bool,
    pub(crate) actor: Option<String>,
    /// Milliseconds since 1970, as all times here.
    pub(crate) pushed: i64,
    /// When the notification was received.
    pub(crate) received: i64,
    /// Pushes and requests since it was queued.
    pub(crate) pushes: u64,
    pub(crate) attempts: u32,
    pub(crate) not_before: i64,
    pub(crate) parked: bool,
    /// Whether it is older than its rule, and queued by request.
    pub(crate) older: bool,
    pub(crate) error: Option<String>,
    /// Whether it is signed, and waits until the signature is to be made again.
    #[serde(default)]
    pub(crate) renewing: bool,
}

/// The result of a job.
#[derive(Clone, Debug)]
pub(crate) enum JobResult {
    /// The signature is in the registry. `audit` is the line of the audit record.
    /// If it expires, it is made again at `renew`, in milliseconds.
    Signed { manifests: Vec<String>, at: i64, audit: String, renew: Option<i64> },
    /// It is not an image, permanently.
    NoImage,
    /// Nothing to sign now. A push after the first `pushes` ones queues it again.
    Dropped { pushes: u64 },
    /// It is retried.
    Again { not_before: i64, error: String },
    /// The operator must look at it.
    Parked { error: String },
}

impl Job {
    pub(super) fn new(candidate: &Candidate, older: bool, now: i64) -> Self {
        Self {
            rule: candidate.rule.as_str().to_owned(),
            repository: candidate.repository.to_string(),
            digest: candidate.digest.to_string(),
            tags: candidate.tag.iter().cloned().collect(),
            tags_dropped: false,
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
            renewing: false,
        }
    }

    /// Waits until the signature is to be made again.
    pub(super) fn await_renewal(&mut self, due: i64) {
        (self.renewing, self.parked, self.attempts, self.error) = (true, false, 0, None);
        (self.not_before, self.received) = (due, due);
    }

    /// Merges another push of the same image.
    pub(super) fn join(&mut self, candidate: &Candidate, now: i64) {
        self.pushes = self.pushes.saturating_add(1);
        if let Some(tag) = &candidate.tag
            && !self.tags.contains(tag)
        {
            if self.tags.len() >= TAGS {
                self.tags.remove(0);
                self.tags_dropped = true;
            }
            self.tags.push(tag.clone());
        }
        self.requested |= candidate.requested;
        if self.parked || self.renewing && candidate.requested {
            (self.parked, self.renewing, self.attempts, self.not_before) = (false, false, 0, now);
        }
    }

    /// The image, which has one manifest of signatures.
    pub(super) fn image(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }
}
