use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::digest::Digest;
use crate::signature::RepositoryIdentity;
use crate::trust::x509::{Store, Subjects};

mod crafted;
mod real;

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

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The kind of the error, or `ok`.
fn outcome(result: &Result<Signer, SignatureError>) -> String {
    let (before, error) = match result {
        Ok(_) => return "ok".to_owned(),
        Err(SignatureError::Notation(NotationError::Chain(error) | NotationError::Time(error))) => {
            ("", format!("{error:?}"))
        }
        Err(SignatureError::Notation(NotationError::Timestamp(error))) => {
            ("timestamp: ", format!("{error:?}"))
        }
        Err(SignatureError::Notation(error)) => ("", format!("{error:?}")),
        Err(error) => ("", format!("{error:?}")),
    };
    format!("{before}{}", error.split([' ', '(', '{']).next().unwrap_or_default())
}
