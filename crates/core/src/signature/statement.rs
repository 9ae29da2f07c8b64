//! In-toto statements (v1) that are image signatures.
//!
//! Source: in-toto/attestation `spec/v1/statement.md`; the predicate type is from sigstore/cosign
//! `pkg/types/predicate.go`. Only that type is accepted: a key that attests the content of an image has not signed the
//! image.

use serde_json::{Map, Value};

use super::SignatureError;
use super::fields::{FieldError, Fields, object, parse, string};
use crate::digest::Digest;
use crate::untrusted::{Quoted, quoted};

/// Maximum number of subjects in a statement; cosign writes one.
pub const MAX_SUBJECTS: usize = 16;
const MAX_DEPTH: usize = 32;

/// The `_type` of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The predicate type of a signature.
pub const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT: &str = "statement";

/// Checks that the statement `payload`, which a trusted key signed, has `digest` as a subject.
pub(super) fn check(payload: &[u8], digest: &Digest) -> Result<(), SignatureError> {
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
    if !(1..=MAX_SUBJECTS).contains(&subjects.len()) {
        return Err(SignatureError::Count {
            what: "statement must have 1 to 16 subjects",
            found: subjects.len(),
        });
    }
    let named = subjects.into_iter().map(Digests::of).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    if named.iter().any(|digests| digests.contain(digest)) {
        return Ok(());
    }
    Err(SignatureError::OtherDigest { found: named.first().map_or(quoted(""), Digests::quoted) })
}

/// The annotations of the first subject of a verified statement that has `digest`.
pub(super) fn annotations(payload: &[u8], digest: &Digest) -> Result<Map<String, Value>, SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: STATEMENT, cause };
    let mut statement =
        parse(payload, MAX_DEPTH).and_then(|value| object(value, STATEMENT)).map_err(malformed)?;
    for subject in statement.array("subject").map_err(malformed)? {
        let mut fields = object(subject.clone(), "subject").map_err(malformed)?;
        if Digests::of(subject).map_err(malformed)?.contain(digest) {
            return match fields.optional("annotations") {
                None => Ok(Map::new()),
                Some(value) => object(value, "annotations").map(Fields::rest).map_err(malformed),
            };
        }
    }
    Ok(Map::new())
}

/// The digests of one subject, each with its algorithm.
struct Digests(Vec<(String, String)>);

impl Digests {
    fn of(subject: Value) -> Result<Self, FieldError> {
        let digests = object(subject, "subject")?.object("digest")?.rest();
        let digests = digests.into_iter().map(|(name, value)| Ok((name, string(value, "digest")?)));
        digests.collect::<Result<_, _>>().map(Self)
    }

    /// Whether `digest` is one of them, with its algorithm and in its canonical form.
    fn contain(&self, digest: &Digest) -> bool {
        self.0.iter().any(|(name, hex)| name == digest.algorithm().name() && hex == digest.hex())
    }

    fn quoted(&self) -> Quoted {
        self.0.first().map_or(quoted(""), |(name, hex)| quoted(&format!("{name}:{hex}")))
    }
}
