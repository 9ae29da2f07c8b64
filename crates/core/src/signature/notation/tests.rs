use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::digest::Digest;
use crate::signature::{Attempts, Fault, RepositoryIdentity};
use crate::trust::TimestampCheck;
use crate::trust::x509::{FetchedCrls, Store, Subjects};

mod crafted;
mod real;
mod written;

fn fixture(path: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/notation");
    fs::read(fixtures.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn store<'a>(files: impl IntoIterator<Item = &'a str>) -> Store {
    let mut store = Store::default();
    for file in files {
        store.add(&fixture(file)).unwrap();
    }
    store
}

fn trust(ca: Store) -> NotationSet {
    NotationSet::below(ca)
}

static NONE: BTreeMap<String, String> = BTreeMap::new();

fn verify(
    document: &[u8],
    trust: &NotationSet,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Result<Signer, SignatureError> {
    super::verify(
        document,
        trust,
        subject,
        Known { now, crls: &FetchedCrls::default(), attempts: &Attempts::default() },
    )
}

fn subject<'a>(digest: &'a Digest, media_type: &'a str, size: usize) -> Subject<'a> {
    Subject {
        digest,
        repositories: &[],
        content: (media_type, size),
        annotations: &NONE,
        identity: RepositoryIdentity::default(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The kind of the error, or `ok`.
fn outcome(result: &Result<Signer, SignatureError>) -> String {
    let (before, error) = match result {
        Ok(_) => return "ok".to_owned(),
        Err(SignatureError::Certified(error)) => match error {
            CertifiedError::NotValidNow(error) => ("NotValidNow: ", format!("{error:?}")),
            CertifiedError::Chain(error) | CertifiedError::Time(error) => ("", format!("{error:?}")),
            CertifiedError::Timestamp(error) => ("timestamp: ", format!("{error:?}")),
            error => ("", format!("{error:?}")),
        },
        Err(SignatureError::Notation(error)) => ("", format!("{error:?}")),
        Err(error) => ("", format!("{error:?}")),
    };
    format!("{before}{}", error.split([' ', '(', '{']).next().unwrap_or_default())
}
