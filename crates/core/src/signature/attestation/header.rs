//! What a statement is about, and what kind of statement it is.

use serde_json::Value;

use super::super::fields::{object, parse_kept};
use super::super::statement::{Named, STATEMENT_TYPE, check_count, first_of};
use super::super::{FieldError, SignatureError};
use crate::digest::Digest;
use crate::json::Keep;
use crate::untrusted::quoted;

/// Arrays and objects in a statement: reports of scanners nest them about 15 deep.
pub(super) const MAX_DEPTH: usize = 64;
/// Values in a statement, also those that are not read. The library for keyless signatures keeps all of them.
pub(super) const MAX_VALUES: usize = 1 << 18;

const STATEMENT: &str = "statement";

/// The `_type` of statements before v1.
const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";

/// A statement without its predicate.
#[derive(Debug)]
pub(super) struct Header {
    predicate_type: String,
    subjects: Vec<Named>,
}

impl Header {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, SignatureError> {
        let malformed = |cause| SignatureError::Malformed { what: STATEMENT, cause };
        let keep = Keep::paths(&["_type", "predicateType", "subject/*/digest", "subject/*/annotations"]);
        let statement = parse_kept(payload, (MAX_DEPTH, MAX_VALUES), &keep);
        let mut statement = statement.and_then(|value| object(value, STATEMENT)).map_err(malformed)?;
        let kind = statement.string("_type").map_err(malformed)?;
        if kind != STATEMENT_TYPE && kind != STATEMENT_V0_1 {
            return Err(SignatureError::WrongType { what: STATEMENT, found: quoted(&kind) });
        }
        let predicate_type = statement.string("predicateType").map_err(malformed)?;
        let subjects = statement.array("subject").map_err(malformed)?;
        check_count(subjects.len())?;
        let named = |subject: Value| Named::of(subject);
        let subjects: Result<Vec<_>, FieldError> = subjects.into_iter().map(named).collect();
        Ok(Self { predicate_type, subjects: subjects.map_err(malformed)? })
    }

    pub(super) fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// The first digest, whatever it is of.
    pub(super) fn first_digest(&self) -> Result<Digest, SignatureError> {
        first_of(&self.subjects)
    }

    /// Checks that one of the subjects has `digest`.
    pub(super) fn check(&self, digest: &Digest) -> Result<(), SignatureError> {
        if self.subjects.iter().any(|named| named.has(digest)) {
            return Ok(());
        }
        let found = self.subjects.first().map_or_else(|| quoted(""), Named::quoted);
        Err(SignatureError::OtherDigest { found })
    }
}
