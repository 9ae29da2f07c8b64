//! SLSA's verification summary (VSA) v1: a verifier states that it checked the image by its own policy.
//!
//! Source: slsa.dev/spec `verification_summary/v1`.

use std::collections::BTreeSet;

use super::super::fields::{Fields, string};
use super::{Unmet, choice};
use crate::trust::Pattern;
use crate::untrusted::quoted;

/// Who must have verified what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The ids of verifiers, one of which it must be.
    pub verifiers: BTreeSet<String>,
    /// The resource that was verified.
    pub resource: Pattern,
    /// Levels that must all be verified.
    pub levels: BTreeSet<String>,
}

impl Summary {
    pub(super) const TYPE: &str = "https://slsa.dev/verification_summary/v1";
    pub(super) const TIME: &str = "/timeVerified";

    pub(super) const PATHS: &[&str] = &[
        "predicate/verifier/id",
        "predicate/timeVerified",
        "predicate/resourceUri",
        "predicate/verificationResult",
        "predicate/verifiedLevels",
    ];

    pub(super) fn entries(&self) -> Vec<String> {
        vec![choice::canonical(&self.verifiers), self.resource.to_string(), choice::canonical(&self.levels)]
    }

    pub(super) fn check(&self, mut predicate: Fields) -> Result<(), Unmet> {
        choice::check("verifier.id", &self.verifiers, &predicate.object("verifier")?.string("id")?)?;
        let resource = predicate.string("resourceUri")?;
        if !self.resource.matches(&resource) {
            return Err(Unmet::Field {
                field: "resourceUri".to_owned(),
                wanted: quoted(self.resource.as_str()).to_string(),
                found: quoted(&resource).to_string(),
            });
        }
        let passed = BTreeSet::from(["PASSED".to_owned()]);
        choice::check("verificationResult", &passed, &predicate.string("verificationResult")?)?;
        let levels = predicate.array("verifiedLevels")?;
        let levels = levels.into_iter().map(|level| string(level, "verifiedLevels"));
        let levels: Vec<String> = levels.collect::<Result<_, _>>()?;
        match self.levels.iter().find(|wanted| !levels.iter().any(|level| reaches(level, wanted))) {
            None => Ok(()),
            Some(wanted) => Err(Unmet::Field {
                field: "verifiedLevels".to_owned(),
                wanted: quoted(wanted).to_string(),
                found: quoted(&levels.join(", ")).to_string(),
            }),
        }
    }
}

/// Whether a level is the wanted one or a higher one of its track: a summary lists the highest alone.
fn reaches(level: &str, wanted: &str) -> bool {
    let split = |level: &str| -> Option<(String, u32)> {
        let (track, number) = level.rsplit_once("_LEVEL_")?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        Some((track.to_owned(), number.parse().ok().filter(|_| plain)?))
    };
    match (split(level), split(wanted)) {
        (Some((track, number)), Some((same, least))) => track == same && number >= least,
        _ => level == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::reaches;

    #[test]
    fn a_higher_level_of_the_same_track_counts() {
        for (level, wanted, expected) in [
            ("SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_3", true),
            ("SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_2", true),
            ("SLSA_BUILD_LEVEL_2", "SLSA_BUILD_LEVEL_3", false),
            ("SLSA_SOURCE_LEVEL_3", "SLSA_BUILD_LEVEL_2", false),
            ("SLSA_BUILD_LEVEL_+3", "SLSA_BUILD_LEVEL_2", false),
            ("FAILED", "SLSA_BUILD_LEVEL_2", false),
            ("ACME_REVIEWED", "ACME_REVIEWED", true),
            ("", "ACME_REVIEWED", false),
        ] {
            assert_eq!(reaches(level, wanted), expected, "{level} for {wanted}");
        }
    }
}
