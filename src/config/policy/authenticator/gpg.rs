//! `type = "gpg"`: OpenPGP keys, in keyring files or in the policy itself.

use std::ops::Range;

use super::{KeyFiles, advice};
use crate::config::document::{Document, Table, Value};
use crate::config::suggest;
use crate::trust::openpgp::{
    Certificate, Fingerprint, KeyringError, MAX_KEYRING_BYTES, MAX_KEYS, read_keyring,
};
use crate::trust::{Authenticator, GpgSet, Signers};

/// Reads an authenticator of OpenPGP keys.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    mut table: Table<'_>,
    mut files: KeyFiles<'_>,
) -> Option<Authenticator> {
    if !has_keys(&table) {
        let message = format!("authenticator {} has neither `keyrings` nor `armored`", suggest::quoted(name));
        document.problem(at.clone(), message, "add for example `keyrings = [\"keys/release.gpg\"]`");
    }
    let set = read_set(document, at, &mut table, &mut files)?;
    Some(Authenticator::of(name.to_owned(), Signers::Gpg(Box::new(set))))
}

/// Whether a table has OpenPGP keys.
pub(super) fn has_keys(table: &Table<'_>) -> bool {
    ["keyrings", "armored"].iter().any(|key| table.span_of(key).is_some())
}

/// Reads the OpenPGP keys of a table, and which of them count; `None` without keys, or if a problem is noted.
pub(super) fn read_set(
    document: &mut Document<'_>,
    at: Range<usize>,
    table: &mut Table<'_>,
    files: &mut KeyFiles<'_>,
) -> Option<GpgSet> {
    let accepted = match table.take("fingerprints") {
        Some(value) => read_fingerprints(document, value),
        None => Some(Vec::new()),
    };
    let (keyrings, armored) = (table.take("keyrings"), table.take("armored"));
    if keyrings.is_none() && armored.is_none() {
        return None;
    }
    let filed = keyrings.map_or(Some(Vec::new()), |value| read_files(document, value, files));
    let written = armored.map_or(Some(Vec::new()), |value| {
        let (text, span) = document.string(value, "`armored`")?;
        let read = read_keyring(text.as_bytes());
        read.map(|keys| vec![keys]).map_err(|error| note(document, "armored", span, error)).ok()
    });
    let (accepted, filed, written) = (accepted?, filed?, written?);
    let made = GpgSet::new([filed, written].concat(), accepted);
    made.map_err(|error| note(document, "fingerprints", at, error)).ok()
}

/// Notes a problem with the value of `key`.
fn note(document: &mut Document<'_>, key: &str, span: Range<usize>, error: KeyringError) {
    let (message, hint) = advice(&error, "write it with `gpg --export`");
    document.problem(span, format!("`{key}`: {message}"), hint);
}

fn read_fingerprints(document: &mut Document<'_>, value: Value<'_>) -> Option<Vec<Fingerprint>> {
    let span = value.span.clone();
    let elements = document.array(value, "`fingerprints`", "a list of fingerprints of primary keys")?;
    let count = elements.len();
    if count == 0 || count > MAX_KEYS {
        let message = format!("`fingerprints` has {count} elements");
        let hint = format!(
            "name 1 to {MAX_KEYS} primary keys, or remove `fingerprints` to accept all keys of the keyrings"
        );
        document.problem(span, message, hint);
        return None;
    }
    let mut found = Vec::new();
    for element in elements {
        let Some((text, at)) = document.string(element, "a fingerprint") else { continue };
        match Fingerprint::parse(&text) {
            // In whatever spelling.
            Some(key) if found.contains(&key) => {
                let message = format!("duplicate fingerprint {}", suggest::quoted(&text));
                document.problem(at, message, "remove one of them");
            }
            Some(key) => found.push(key),
            None => {
                let message = format!("{} is not the fingerprint of an OpenPGP key", suggest::quoted(&text));
                let hint = "write all 40 digits that `gpg --list-keys` shows; a key ID is not enough";
                document.problem(at, message, hint);
            }
        }
    }
    (found.len() == count).then_some(found)
}

fn read_files(
    document: &mut Document<'_>,
    value: Value<'_>,
    files: &mut KeyFiles<'_>,
) -> Option<Vec<Vec<Certificate>>> {
    let span = value.span.clone();
    let elements = document.array(value, "`keyrings`", "a list of files")?;
    if elements.is_empty() {
        document.problem(span, "`keyrings` is empty", "name a file, or remove `keyrings`");
        return None;
    }
    let (count, mut found) = (elements.len(), Vec::new());
    for element in elements {
        let Some((name, at)) = document.string(element, "a file") else { continue };
        let path = files.directory.join(&name);
        let limit = u64::try_from(MAX_KEYRING_BYTES).unwrap_or(u64::MAX);
        let bytes = match files.content.read_bytes(files.root, &path, limit) {
            Ok(bytes) => bytes,
            Err(error) => {
                document.problem(
                    at,
                    format!("`keyrings` {}: {error}", suggest::quoted(&name)),
                    error.hint(&path),
                );
                continue;
            }
        };
        files.read.push(path);
        match read_keyring(&bytes) {
            Ok(keys) => found.push(keys),
            Err(error) => {
                let (message, hint) = advice(&error, "write it with `gpg --export`");
                document.problem(at, format!("`keyrings` {}: {message}", suggest::quoted(&name)), hint);
            }
        }
    }
    (found.len() == count).then_some(found)
}
