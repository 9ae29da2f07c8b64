//! In-toto statements (v1) that are image signatures.
//!
//! Source: in-toto/attestation `spec/v1/statement.md`; the predicate type is from sigstore/cosign
//! `pkg/types/predicate.go`. Only that type is accepted: a key that attests the content of an image has not signed the
//! image.

use serde_json::{Map, Value};

use super::fields::{FieldError, Fields, object, parse, string};
use super::{SignatureError, Subject, annotations, repository};
use crate::digest::Digest;
use crate::untrusted::{Quoted, quoted};

/// Maximum number of subjects in a statement, as in sigstore-go; cosign writes one.
pub const MAX_SUBJECTS: usize = 1024;
const MAX_DEPTH: usize = 32;

/// The `_type` of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The predicate type of a signature.
pub const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT: &str = "statement";

/// Checks that the statement `payload`, which a trusted key signed, is a signature of `subject`.
pub(super) fn check(payload: &[u8], subject: &Subject<'_>) -> Result<(), SignatureError> {
    // Two entries for the digest may differ: what is required must be in each.
    let ours = entries(payload, subject.digest)?;
    ours.iter().try_for_each(|entry| {
        repository::check_annotation(entry, subject)?;
        annotations::check(subject.annotations, entry)
    })
}

/// The annotations of the first subject of a verified statement that has `digest`.
pub(super) fn annotations(payload: &[u8], digest: &Digest) -> Result<Map<String, Value>, SignatureError> {
    Ok(entries(payload, digest)?.into_iter().next().unwrap_or_default())
}

/// The annotations of each subject of the statement that has `digest`: at least one.
fn entries(payload: &[u8], digest: &Digest) -> Result<Vec<Map<String, Value>>, SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: STATEMENT, cause };
    let mut statement =
        parse(payload, MAX_DEPTH).and_then(|value| object(value, STATEMENT)).map_err(malformed)?;
    let predicate = statement.string("predicateType").map_err(malformed)?;
    if predicate != PREDICATE_TYPE {
        return Err(SignatureError::WrongPredicate { found: quoted(&predicate) });
    }
    let kind = statement.string("_type").map_err(malformed)?;
    if kind != STATEMENT_TYPE {
        return Err(SignatureError::WrongType { what: STATEMENT, found: quoted(&kind) });
    }
    let subjects = statement.array("subject").map_err(malformed)?;
    check_count(subjects.len())?;
    let named = subjects.into_iter().map(Named::of).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    let first = named.first().map_or(quoted(""), Named::quoted);
    let ours: Vec<_> = named.into_iter().filter(|named| named.has(digest)).collect();
    if ours.is_empty() {
        return Err(SignatureError::OtherDigest { found: first });
    }
    Ok(ours.into_iter().map(|named| named.annotations).collect())
}

/// The first SHA-256 or SHA-512 digest of the subjects of a statement that may not be verified.
pub(super) fn first_digest(payload: &[u8]) -> Result<Digest, SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: STATEMENT, cause };
    let mut statement =
        parse(payload, MAX_DEPTH).and_then(|value| object(value, STATEMENT)).map_err(malformed)?;
    let subjects = statement.array("subject").map_err(malformed)?;
    check_count(subjects.len())?;
    let named = subjects.into_iter().map(Named::of).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    first_of(&named)
}

/// The first SHA-256 or SHA-512 digest of these subjects, whatever it is of.
pub(super) fn first_of(subjects: &[Named]) -> Result<Digest, SignatureError> {
    let first = subjects.iter().find_map(Named::first);
    first.ok_or_else(|| SignatureError::OtherDigest { found: quoted("") })
}

pub(super) fn check_count(found: usize) -> Result<(), SignatureError> {
    if (1..=MAX_SUBJECTS).contains(&found) {
        return Ok(());
    }
    Err(SignatureError::Count { what: "statement must have 1 to 1024 subjects", found })
}

/// One subject: its digests, each with its algorithm, and its annotations.
#[derive(Debug)]
pub(super) struct Named {
    digests: Vec<(String, String)>,
    annotations: Map<String, Value>,
}

impl Named {
    pub(super) fn of(subject: Value) -> Result<Self, FieldError> {
        let mut subject = object(subject, "subject")?;
        let digests = subject.object("digest")?.rest();
        let digests = digests.into_iter().map(|(name, value)| Ok((name, string(value, "digest")?)));
        let digests = digests.collect::<Result<_, FieldError>>()?;
        let annotations = subject.optional("annotations").map(|value| object(value, "annotations"));
        let annotations = annotations.transpose()?.map(Fields::rest).unwrap_or_default();
        Ok(Self { digests, annotations })
    }

    /// Whether `digest` is one of them, with its algorithm and in its canonical form.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.digests.iter().any(|(name, hex)| name == digest.algorithm().name() && hex == digest.hex())
    }

    /// Its first digest of a kind that images have.
    pub(super) fn first(&self) -> Option<Digest> {
        let texts = self.digests.iter().map(|(name, hex)| format!("{name}:{hex}"));
        texts.filter_map(|text| Digest::parse(&text).ok()).next()
    }

    pub(super) fn quoted(&self) -> Quoted {
        self.digests.first().map_or(quoted(""), |(name, hex)| quoted(&format!("{name}:{hex}")))
    }
}
