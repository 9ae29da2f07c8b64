use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::digest::Digest;
use crate::signature::RepositoryIdentity;
use crate::trust::openpgp::OpenPgpError;
use crate::trust::openpgp::{Fingerprint, KeyringError, read_keyring};

mod crafted;
mod real;
mod upstream;

/// When almost all keys and signatures of the fixtures are valid.
const NOW: &str = "2026-11-02T00:00:00Z";

fn fixture(path: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/gpg");
    fs::read(fixtures.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// All keys of these keyrings.
fn keys(keyrings: &[&str]) -> GpgSet {
    let read = keyrings.iter().map(|keyring| read_keyring(&fixture(keyring)).unwrap());
    GpgSet::new(read.collect(), Vec::new()).unwrap()
}

/// The fingerprint of the one key in a keyring.
fn key(keyring: &str) -> Fingerprint {
    let read = read_keyring(&fixture(keyring)).unwrap();
    let [one] = read.as_slice() else { panic!("{keyring}") };
    *one.fingerprint()
}

/// The kind of the error, or `ok`.
fn outcome<T>(result: &Result<T, OpenPgpError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let error = format!("{error:?}");
            error.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}
