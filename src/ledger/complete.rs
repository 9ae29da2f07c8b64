//! For which conditions evidence has the newest attestations.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The most conditions that evidence is complete for, if it is not for all.
const MAX_CONDITIONS: usize = 64;

/// For which conditions with `max-age` evidence has the newest attestations. It must not meet others: an older good
/// attestation would count instead of a newer bad one that was not read or not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Complete {
    /// For none: attestations were not wanted, or some could not be read or kept.
    #[default]
    No,
    /// For these, under one policy: they were met, and only attestations that they did not need were dropped after that.
    For(BTreeSet<String>),
    /// For all: every attestation that was there is kept.
    All,
}

impl Complete {
    /// For these conditions of the policy with the hash `policy`: another policy may trust other signers.
    pub fn of<'n>(policy: &str, conditions: impl Iterator<Item = &'n str>) -> Self {
        Self::For(conditions.map(|name| entry(policy, name)).take(MAX_CONDITIONS).collect())
    }

    /// Whether the newest attestations for a condition of the policy with the hash `policy` are there.
    pub fn covers(&self, policy: &str, condition: &str) -> bool {
        match self {
            Self::No => false,
            Self::For(conditions) => conditions.contains(&entry(policy, condition)),
            Self::All => true,
        }
    }

    /// Whether it is within the limit.
    pub(super) fn is_bounded(&self) -> bool {
        !matches!(self, Self::For(conditions) if conditions.len() > MAX_CONDITIONS)
    }

    /// Adds what `old` covers, as far as there is room.
    pub(super) fn extend(&mut self, old: &Self) {
        match (&mut *self, old) {
            (Self::All, _) | (_, Self::No) => {}
            (Self::For(own), Self::For(others)) => {
                own.extend(others.iter().take(MAX_CONDITIONS.saturating_sub(own.len())).cloned());
            }
            (Self::No, _) | (_, Self::All) => *self = old.clone(),
        }
    }
}

fn entry(policy: &str, condition: &str) -> String {
    Digest::of(format!("{policy} {condition}").as_bytes()).to_string()
}
