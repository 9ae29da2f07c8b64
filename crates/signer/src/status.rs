//! The status of the service, for users and programs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::certificate::CertificateStatus;
use super::failed_reload::FailedReload;
use super::service::Signer;

/// Parked images in the status.
const SHOWN: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Images that wait to be signed.
    pub waiting: usize,
    /// Images that are being signed.
    pub busy: usize,
    /// Images that the operator must look at.
    pub parked: usize,
    /// Signed images that wait for the renewal of a signature that expires.
    #[serde(default)]
    pub renewing: usize,
    /// Some of them, the oldest first.
    pub parked_images: Vec<ParkedImage>,
    pub rules: Vec<RuleStatus>,
    /// The last reload, if it failed: the previous rules are active.
    #[serde(default)]
    pub reload_failed: Option<FailedReload>,
    /// Changed settings that apply only after a restart, as they are named in `signer.toml`.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// The last errors that are not about one image, the newest last, each with its time.
    pub errors: Vec<String>,
}

/// An image that is not retried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedImage {
    /// The image, by digest.
    pub image: String,
    /// The tags in its notifications.
    pub tags: Vec<String>,
    pub rule: String,
    pub attempts: u32,
    /// The last error.
    pub error: Option<String>,
}

/// A rule, and since when it is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    pub name: String,
    /// Identifies the rule in this version.
    pub id: String,
    /// When it was first seen.
    pub since: String,
    /// `automatic` or `manual`.
    pub trigger: String,
    /// Whether its baseline is complete, so that it signs.
    pub started: bool,
    /// The fingerprint of its key.
    pub key: Option<String>,
    pub algorithm: String,
    /// Its certificate chain, for Notation signatures.
    #[serde(default)]
    pub certificate: Option<CertificateStatus>,
}

impl Status {
    /// The state of `signer` now.
    #[must_use]
    pub fn of(signer: &Signer) -> Self {
        let (depth, active_config, now) = (signer.queue.depth(), signer.active_config(), Timestamp::now());
        let name = |id: &str| active_config.rule(id).map_or_else(|| id.to_owned(), |it| it.rule.name.clone());
        let parked_images = signer.queue.parked(SHOWN).into_iter().map(|job| ParkedImage {
            image: format!("{}@{}", job.repository, job.digest),
            rule: name(&job.rule),
            tags: job.tags,
            attempts: job.attempts,
            error: job.error,
        });
        let rules = active_config.rules.iter().map(|applied| RuleStatus {
            name: applied.rule.name.clone(),
            id: applied.id.to_string(),
            since: applied.since.to_string(),
            trigger: applied.rule.trigger.name().to_owned(),
            started: active_config.has_started(&applied.id),
            key: active_config.key(&applied.rule).map(|key| key.key.public().fingerprint().to_owned()),
            algorithm: applied.rule.algorithm.name().to_owned(),
            certificate: active_config.certificate(&applied.rule, now),
        });
        let line = |(at, error): (Timestamp, String)| format!("{at} {error}");
        Self {
            waiting: depth.waiting,
            busy: depth.busy,
            parked: depth.parked,
            renewing: depth.renewing,
            parked_images: parked_images.collect(),
            rules: rules.collect(),
            reload_failed: signer.failed_reload(),
            needs_restart: signer.needs_restart().into_iter().map(ToOwned::to_owned).collect(),
            errors: signer.errors().into_iter().map(line).collect(),
        }
    }
}
