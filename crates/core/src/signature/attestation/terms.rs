//! What a statement must say to meet a condition of the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::FieldError;
use super::super::fields::{Fields, object, parse_kept};
use super::header::{MAX_DEPTH, MAX_VALUES};
use super::reading::{Judged, Reading};
use super::{
    Expected, Pointer, Provenance, Sbom, SbomFormat, Statement, Summary, Unmet, Vulnerabilities, age, moment,
    reading,
};
use crate::json::Keep;

/// Maximum number of fields in one condition.
pub const MAX_FIELDS: usize = 32;

/// What a statement must say: its type, what that type means, exact fields, and its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementTerms {
    condition: String,
    kind: TermsKind,
    fields: BTreeMap<Pointer, Expected>,
    max_age: Option<SignedDuration>,
}

/// What must be stated, by the type of the predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermsKind {
    /// Where and from what the image was built: SLSA provenance v0.2 and v1.
    Provenance(Provenance),
    /// Which vulnerabilities a scanner found: cosign's `vuln/v1`.
    Vulnerabilities(Vulnerabilities),
    /// What is in the image: SPDX and CycloneDX.
    Sbom(Sbom),
    /// That a verifier checked the image: SLSA's verification summary v1.
    Summary(Summary),
    /// Anything else.
    Custom {
        /// The type, exactly.
        predicate_type: String,
        /// Where the predicate has its time.
        time: Option<Pointer>,
    },
}

impl StatementTerms {
    /// The terms of the condition called `condition`. With `max_age`, only the newest statement of each authenticator counts.
    #[must_use]
    pub fn new(
        condition: String,
        kind: TermsKind,
        fields: BTreeMap<Pointer, Expected>,
        max_age: Option<SignedDuration>,
    ) -> Self {
        Self { condition, kind, fields, max_age }
    }

    /// The same terms of a condition whose name has this prefix.
    #[must_use]
    pub(crate) fn prefixed(self, prefix: &str) -> Self {
        Self { condition: format!("{prefix}{}", self.condition), ..self }
    }

    /// The name of the condition.
    #[must_use]
    pub fn condition(&self) -> &str {
        &self.condition
    }

    /// Whether only the newest statement of each authenticator counts, so that one that was not read might be that.
    #[must_use]
    pub fn limits_age(&self) -> bool {
        self.max_age.is_some()
    }

    /// Whether statements of this type are the ones that the condition asks for.
    #[must_use]
    pub fn asks_for(&self, predicate_type: &str) -> bool {
        match &self.kind {
            TermsKind::Provenance(_) => Provenance::TYPES.contains(&predicate_type),
            TermsKind::Vulnerabilities(_) => predicate_type == Vulnerabilities::TYPE,
            TermsKind::Sbom(sbom) => sbom.format_of(predicate_type).is_some(),
            TermsKind::Summary(_) => predicate_type == Summary::TYPE,
            TermsKind::Custom { predicate_type: asked, .. } => predicate_type == asked,
        }
    }

    /// What a verified statement of the right type says; [`Self::judge`] decides what of it counts.
    #[must_use]
    pub fn read(&self, statement: Statement<'_>) -> Reading {
        let read = self.predicate(statement.payload, &self.keep());
        let (time, met) = match read {
            Ok(predicate) => {
                let kind = statement.predicate_type;
                (self.time(kind, &predicate), self.check(kind, predicate))
            }
            Err(cause) => (Ok(None), Err(Unmet::Malformed(cause))),
        };
        Reading::new(statement, time, met)
    }

    /// Decides about all statements that were [read](Self::read): for each, in this order, a proof or why it does not count.
    /// `unknown` are the authenticators by which there are statements of which is not known whether they count: these may be
    /// the newest.
    #[must_use]
    pub fn judge(&self, readings: Vec<Reading>, unknown: &BTreeSet<String>, now: Timestamp) -> Vec<Judged> {
        reading::judge((&self.condition, self.max_age), readings, unknown, now)
    }

    /// Everything that can change a verdict, for the hash of the policy.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        let mut entries = vec![self.condition.clone(), self.kind.name().to_owned()];
        entries.extend(match &self.kind {
            TermsKind::Provenance(provenance) => provenance.entries(),
            TermsKind::Vulnerabilities(vulnerabilities) => vulnerabilities.entries(),
            TermsKind::Sbom(sbom) => sbom.entries(),
            TermsKind::Summary(summary) => summary.entries(),
            TermsKind::Custom { predicate_type, time } => {
                vec![predicate_type.clone(), time.as_ref().map(Pointer::to_string).unwrap_or_default()]
            }
        });
        entries.push(self.max_age.map(|max_age| max_age.as_secs().to_string()).unwrap_or_default());
        entries
            .extend(self.fields.iter().flat_map(|(pointer, value)| [pointer.to_string(), value.canonical()]));
        entries
    }

    fn check(&self, predicate_type: &str, predicate: Value) -> Result<(), Unmet> {
        for (pointer, expected) in &self.fields {
            pointer.check(expected, &predicate)?;
        }
        match &self.kind {
            TermsKind::Provenance(provenance) => provenance.check(predicate_type, fields_of(predicate)?),
            TermsKind::Vulnerabilities(vulnerabilities) => vulnerabilities.check(fields_of(predicate)?),
            TermsKind::Sbom(sbom) => sbom.check(predicate_type, predicate),
            TermsKind::Summary(summary) => summary.check(fields_of(predicate)?),
            TermsKind::Custom { .. } => Ok(()),
        }
    }

    /// The time that the predicate has, if it has one.
    fn time(&self, predicate_type: &str, predicate: &Value) -> Result<Option<Timestamp>, Unmet> {
        let place = match &self.kind {
            TermsKind::Provenance(_) => Provenance::time_of(predicate_type),
            // When the report was signed does not show when the image was scanned.
            TermsKind::Vulnerabilities(_) => {
                let time = moment::read(predicate.pointer(Vulnerabilities::TIME))?;
                return time.map(Some).ok_or(Unmet::NoTime);
            }
            TermsKind::Sbom(sbom) => sbom.format_of(predicate_type).map_or("", SbomFormat::time),
            TermsKind::Summary(_) => Summary::TIME,
            TermsKind::Custom { time: Some(pointer), .. } => return moment::read(pointer.find(predicate)),
            TermsKind::Custom { time: None, .. } => return Ok(None),
        };
        moment::read(predicate.pointer(place))
    }

    fn predicate(&self, payload: &[u8], keep: &Keep) -> Result<Value, FieldError> {
        let statement = parse_kept(payload, (MAX_DEPTH, MAX_VALUES), keep)?;
        // A statement may have no predicate.
        Ok(object(statement, "statement")?.optional("predicate").unwrap_or(Value::Null))
    }

    /// What of a statement is needed.
    fn keep(&self) -> Keep {
        let mut keep = Keep::paths(match &self.kind {
            TermsKind::Provenance(_) => Provenance::PATHS,
            TermsKind::Vulnerabilities(_) => Vulnerabilities::PATHS,
            TermsKind::Sbom(_) => Sbom::PATHS,
            TermsKind::Summary(_) => Summary::PATHS,
            TermsKind::Custom { .. } => &[],
        });
        let time = match &self.kind {
            TermsKind::Custom { time, .. } => time.as_ref(),
            _ => None,
        };
        for pointer in self.fields.keys().chain(time) {
            keep.add(std::iter::once("predicate").chain(pointer.names()));
        }
        keep
    }
}

fn fields_of(predicate: Value) -> Result<Fields, FieldError> {
    object(predicate, "predicate")
}

impl TermsKind {
    /// The word of `type` in the policy.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Provenance(_) => "slsa-provenance",
            Self::Vulnerabilities(_) => "vulnerabilities",
            Self::Sbom(_) => "sbom",
            Self::Summary(_) => "vsa",
            Self::Custom { .. } => "custom",
        }
    }
}

/// For messages: ``vulnerabilities, none above medium, at most 7d old``.
impl fmt::Display for StatementTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.kind {
            TermsKind::Vulnerabilities(vulnerabilities) => write!(f, ", {}", vulnerabilities.limit())?,
            TermsKind::Custom { predicate_type, .. } => write!(f, " {predicate_type}")?,
            TermsKind::Provenance(_) | TermsKind::Sbom(_) | TermsKind::Summary(_) => {}
        }
        match self.max_age {
            Some(max_age) => write!(f, ", at most {} old", age::show(max_age)),
            None => Ok(()),
        }
    }
}
