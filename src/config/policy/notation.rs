//! `type = "notation"`: CAs of the Notary Project's signers, as files or in notation's own directories.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::key_files::KeyFiles;
use super::options;
use crate::config::document::{Document, Value};
use crate::config::suggest;
use crate::trust::x509::{MAX_STORE, Store, Subjects, X509Error};
use crate::trust::{Authenticator, NotationSet, Signers, TimestampCheck, VerificationLevel};
use pullgate_config::kind::{Choice, Kind as _};
use pullgate_config::options::ReadByHand;
use pullgate_core::untrusted::error_chain;

/// Maximum size of a file with certificates.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// The ends of names of certificates in a directory, as notation reads them.
const EXTENSIONS: [&str; 4] = ["pem", "crt", "cer", "der"];

/// Reads an authenticator of Notary Project signers.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    value: Value<'_>,
    mut files: KeyFiles<'_>,
) -> Option<Authenticator> {
    let keys = [vec!["type"], ReadByHand::keys(options::NOTATION)].concat();
    let mut table = document.table(value, &format!("[authenticator.{name}]"), &keys)?;
    table.take("type");
    let tsa_given = table.has("tsa");
    let mut stores = Vec::new();
    for key in ["ca", "signing-authority", "tsa"] {
        let list = table.take(key);
        let some = list.is_some();
        let store = list.map_or(Some(Store::default()), |list| read_store(document, key, list, &mut files));
        stores.push((some, store));
    }
    let timestamps = table.take("timestamps");
    if let (Some(value), false) = (&timestamps, tsa_given) {
        let hint = "remove it, or name the roots of timestamp authorities in `tsa`";
        document.problem(value.span.clone(), "`timestamps` needs `tsa`", hint);
    }
    let all = TimestampCheck::ALL.map(|it| (it.name(), it));
    let timestamps = timestamps.map_or(Some(TimestampCheck::default()), |value| {
        Choice(&all, TimestampCheck::default()).read(document, "timestamps", value)
    });
    let all = VerificationLevel::ALL.map(|it| (it.name(), it));
    let level = table.take("level").map_or(Some(VerificationLevel::default()), |value| {
        Choice(&all, VerificationLevel::default()).read(document, "level", value)
    });
    let subjects = match table.take("identities") {
        Some(value) => read_subjects(document, value),
        None => {
            let hint = "add for example `identities = [\"x509.subject: C=US, ST=WA, O=example\"]`";
            let message = format!("authenticator {} has no `identities`", suggest::quoted(name));
            document.problem(at.clone(), message, hint);
            None
        }
    };
    let [(has_ca, ca), (has_authority, signing_authority), (has_tsa, tsa)] = stores.try_into().ok()?;
    if !has_ca && !has_authority {
        let message =
            format!("authenticator {} has neither `ca` nor `signing-authority`", suggest::quoted(name));
        document.problem(at, message, "add for example `ca = [\"trust/ca.pem\"]`");
        return None;
    }
    if has_tsa && !has_ca {
        let hint = "remove `tsa`: it is for signers below `ca`; signatures of a signing authority state their time themselves";
        document.problem(at, "`tsa` needs `ca`", hint);
        return None;
    }
    let set = NotationSet {
        ca: ca?,
        signing_authority: signing_authority?,
        tsa: tsa?,
        subjects: subjects?,
        timestamps: timestamps?,
        level: level?,
        revoked: BTreeMap::new(),
    };
    Some(Authenticator::of(name.to_owned(), Signers::Notation(Box::new(set))))
}

fn read_subjects(document: &mut Document<'_>, value: Value<'_>) -> Option<Subjects> {
    let span = value.span.clone();
    let elements =
        document.array(value, "`identities`", "a list, as in [\"x509.subject: C=US, ST=WA, O=example\"]")?;
    let count = elements.len();
    let texts: Vec<String> = elements
        .into_iter()
        .filter_map(|element| document.string(element, "an identity"))
        .map(|(text, _)| text)
        .collect();
    if texts.len() < count {
        return None;
    }
    Subjects::parse(texts.iter().map(String::as_str))
        .map_err(|error| {
            let hint = "write the subject as `notation inspect` shows it, behind `x509.subject: `";
            document.problem(span, format!("`identities`: {error}"), hint);
        })
        .ok()
}

/// Reads the files and directories of a store.
fn read_store(
    document: &mut Document<'_>,
    key: &str,
    value: Value<'_>,
    files: &mut KeyFiles<'_>,
) -> Option<Store> {
    let (span, mut store, mut sound) = (value.span.clone(), Store::default(), true);
    let elements = document.array(value, &format!("`{key}`"), "a list of files and directories")?;
    for element in elements {
        let Some((name, at)) = document.string(element, "a file") else {
            sound = false;
            continue;
        };
        let path = files.directory.join(&name);
        let listed = if path.is_dir() { list(&path, files) } else { Ok(vec![path.clone()]) };
        let added = listed.and_then(|listed| {
            if listed.is_empty() {
                return Err(("it contains no certificate".to_owned(), "put PEM files there".to_owned()));
            }
            let named =
                |path: &Path| suggest::quoted(&path.file_name().unwrap_or_default().to_string_lossy());
            let within = path.is_dir();
            listed.iter().try_for_each(|path| {
                let added = add(&mut store, path, files);
                added.map_err(|(message, hint)| match within {
                    true => (format!("{}: {message}", named(path)), hint),
                    false => (message, hint),
                })
            })
        });
        if let Err((message, hint)) = added {
            document.problem(at, format!("`{key}` {}: {message}", suggest::quoted(&name)), hint);
            sound = false;
        }
    }
    if sound && store.is_empty() {
        document.problem(span.clone(), format!("`{key}` is empty"), "name a file, or remove it");
        return None;
    }
    if key == "tsa"
        && let Err(error) = store.check_roots()
    {
        document.problem(span, format!("`tsa`: {error}"), "name the roots of the timestamp authorities");
        return None;
    }
    sound.then_some(store)
}

/// A problem and its hint.
type Wrong = (String, String);

/// The certificates in a directory, sorted by name.
fn list(directory: &Path, files: &KeyFiles<'_>) -> Result<Vec<PathBuf>, Wrong> {
    let guarded = files.guard.check_directory(directory);
    guarded.map_err(|error| (error.to_string(), error.hint(directory)))?;
    let unreadable = |error: std::io::Error| (error.kind().to_string(), "make it readable".to_owned());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            paths.push(path);
        }
        if paths.len() > MAX_STORE {
            return Err((
                X509Error::LargeStore.to_string(),
                "remove those that are no longer used".to_owned(),
            ));
        }
    }
    paths.sort();
    Ok(paths)
}

fn add(store: &mut Store, path: &Path, files: &mut KeyFiles<'_>) -> Result<(), Wrong> {
    let read = files.guard.read_bytes(files.root, path, MAX_FILE_BYTES);
    let bytes = read.map_err(|error| (error.to_string(), error.hint(path)))?;
    files.read.push(path.to_owned());
    store.add(&bytes).map_err(|error| {
        let hint = "put certificates of CAs, or a self-signed certificate of a signer, as PEM here";
        (error_chain(&error), hint.to_owned())
    })
}
