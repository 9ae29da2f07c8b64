//! Attestations against conditions. Unless a row says otherwise, the signature of an attestation is valid.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::super::attestation::{
    Expected, Pointer, Provenance, Sbom, SbomFormat, Severity, SeverityLimit, StatementTerms, Summary,
    TermsKind, Unverified, Vulnerabilities,
};
use super::*;
use crate::trust::Pattern;

mod keyless;
mod newest;
mod pki;
mod predicates;
mod real;
mod statements;

const NOW: &str = "2026-11-05T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

fn terms(kind: TermsKind) -> StatementTerms {
    StatementTerms::new("the-condition".to_owned(), kind, BTreeMap::new(), None)
}

fn with_fields(kind: TermsKind, fields: &[(&str, Expected)]) -> StatementTerms {
    let fields = fields.iter().map(|(pointer, value)| (Pointer::parse(pointer).unwrap(), value.clone()));
    StatementTerms::new("the-condition".to_owned(), kind, fields.collect(), None)
}

fn at_most(kind: TermsKind, days: i64) -> StatementTerms {
    let max_age = SignedDuration::from_hours(days * 24);
    StatementTerms::new("the-condition".to_owned(), kind, BTreeMap::new(), Some(max_age))
}

fn custom() -> TermsKind {
    TermsKind::Custom { predicate_type: REVIEW.to_owned(), time: Some(Pointer::parse("/review/at").unwrap()) }
}

fn scan(limit: SeverityLimit, except: &[&str]) -> TermsKind {
    let except = except.iter().map(|id| (*id).to_owned()).collect();
    TermsKind::Vulnerabilities(Vulnerabilities::new(limit, except))
}

const SLSA_0_2: &str = "https://slsa.dev/provenance/v0.2";
const SLSA_1: &str = "https://slsa.dev/provenance/v1";
const VULNERABILITIES: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const SPDX: &str = "https://spdx.dev/Document";
const CYCLONEDX: &str = "https://cyclonedx.org/bom";
const VSA: &str = "https://slsa.dev/verification_summary/v1";
const REVIEW: &str = "https://example.com/review/v1";

/// A statement about the image of the tests.
fn attestation(predicate_type: &str, predicate: &Value) -> Value {
    let digest = Digest::parse(DIGEST).unwrap();
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{ "name": REPOSITORY, "digest": { "sha256": digest.hex() } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

/// The envelope of a bundle, as cosign puts it under the tag `.att`.
fn envelope(bundle: &Value) -> Attachment {
    let document = bundle["dsseEnvelope"].to_string().into();
    Attachment::Attestation { place: "layer 0".to_owned(), document, certificate: None }
}

/// Both layouts of a statement that `party` signs.
fn attached(party: &Party, statement: &str) -> [Attachment; 2] {
    let bundle = party.bundle(statement);
    [envelope(&bundle), document(bundle.to_string())]
}

/// What becomes of attestations of one type: "met", or the message of the first error.
fn judge(terms: &StatementTerms, attachments: &[Attachment], by: &Authenticator, digest: &Digest) -> String {
    let mut readings = Vec::new();
    for attachment in attachments {
        let unverified = match Unverified::of(attachment) {
            None => return "not an attestation".to_owned(),
            Some(Err(error)) => return crate::untrusted::error_chain(&error),
            Some(Ok(unverified)) => unverified,
        };
        if !terms.asks_for(unverified.predicate_type()) {
            return "not asked for".to_owned();
        }
        match unverified.verify(by, digest, now()) {
            Ok(statement) => readings.push(terms.read(statement)),
            Err(error) => return crate::untrusted::error_chain(&error),
        }
    }
    let mut judged = terms.judge(readings, &BTreeSet::new(), now()).into_iter();
    let failed = judged.find_map(|judged| match judged.outcome {
        Ok(proof) => {
            assert_eq!((proof.condition(), proof.authenticator()), (Some("the-condition"), "release"));
            None
        }
        Err(unmet) => {
            let message = unmet.to_string();
            assert!(message.len() < 600 && crate::untrusted::sanitize(&message) == message, "{message}");
            Some(message)
        }
    });
    failed.unwrap_or_else(|| "met".to_owned())
}

/// The same of one statement, which must be the same in both layouts.
fn outcome_of(terms: &StatementTerms, statement: &Value) -> String {
    let party = Party::release();
    let digest = Digest::parse(DIGEST).unwrap();
    let [envelope, bundle] = attached(&party, &statement.to_string());
    let outcome = judge(terms, &[envelope], &party.authenticator, &digest);
    assert_eq!(judge(terms, &[bundle], &party.authenticator, &digest), outcome, "{statement}");
    outcome
}

/// The same of a predicate.
fn outcome_by(terms: &StatementTerms, predicate_type: &str, predicate: &Value) -> String {
    outcome_of(terms, &attestation(predicate_type, predicate))
}
