//! Certificates and lists of revoked ones, as files or in directories: what the kinds of authenticators with CAs share.

use std::path::{Path, PathBuf};

use super::KeyFiles;
use crate::config::document::{Document, Table, Value};
use crate::config::suggest;
use crate::trust::TimestampCheck;
use crate::trust::x509::{MAX_CRL_BYTES, MAX_STORE, Revocation, RevocationMode, Store, X509Error};
use pullgate_config::kind::{Choice, Kind as _};
use pullgate_core::untrusted::error_chain;

/// Maximum size of a file with certificates.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// The ends of names of certificates in a directory, as notation reads them.
const EXTENSIONS: [&str; 4] = ["pem", "crt", "cer", "der"];
/// The ends of names of lists of revoked certificates in a directory.
const CRL_EXTENSIONS: [&str; 3] = ["crl", "pem", "der"];

/// A problem and its hint.
type Wrong = (String, String);

/// Reads the store of the option `key`, and whether it is there.
pub(super) fn read_store(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &str,
    files: &mut KeyFiles<'_>,
) -> (bool, Option<Store>) {
    let Some(value) = table.take(key) else { return (false, Some(Store::default())) };
    let (span, mut store) = (value.span.clone(), Store::default());
    let add = |bytes: &[u8]| store.add(bytes).map_err(|error| error_chain(&error));
    let hint = "put the certificates of CAs, or a self-signed certificate of a signer, into this file as PEM";
    let sound = read_files(document, (key, value), (&EXTENSIONS, MAX_FILE_BYTES, hint), (files, add));
    if sound && store.is_empty() {
        document.problem(span.clone(), format!("`{key}` is empty"), "name a file, or remove the option");
        return (true, None);
    }
    if key == "tsa"
        && let Err(error) = store.check_roots()
    {
        document.problem(
            span,
            format!("`tsa`: {error}"),
            "name the root certificates of the timestamp authorities",
        );
        return (true, None);
    }
    (true, sound.then_some(store))
}

/// Reads when timestamps are needed; `has_tsa` if there is anything to verify them with.
pub(super) fn read_timestamps(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    has_tsa: bool,
) -> Option<TimestampCheck> {
    let value = table.take("timestamps");
    if let (Some(value), false) = (&value, has_tsa) {
        let hint = "remove `timestamps`, or name the root certificates of timestamp authorities in `tsa`";
        document.problem(value.span.clone(), "`timestamps` needs `tsa`", hint);
    }
    let all = TimestampCheck::ALL.map(|it| (it.name(), it));
    value.map_or(Some(TimestampCheck::default()), |value| {
        Choice(&all, TimestampCheck::default()).read(document, "timestamps", value)
    })
}

/// Reads how revoked certificates are found out.
pub(super) fn read_revocation(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    files: &mut KeyFiles<'_>,
) -> Option<Revocation> {
    let (mut revocation, mut sound) = (Revocation::default(), true);
    if let Some(value) = table.take("crl") {
        let span = value.span.clone();
        let limit = u64::try_from(MAX_CRL_BYTES.saturating_mul(2)).unwrap_or(u64::MAX);
        let add = |bytes: &[u8]| revocation.add(bytes).map_err(|error| error_chain(&error));
        let hint = "put complete CRLs into this file, as the CA issues them (`openssl ca -gencrl`)";
        sound = read_files(document, ("crl", value), (&CRL_EXTENSIONS, limit, hint), (files, add));
        if sound && !revocation.is_on() {
            document.problem(span, "`crl` is empty", "name a file, or remove the option");
            sound = false;
        }
    }
    if let Some(value) = table.take("distribution-points") {
        let all = [("ignore", false), ("fetch", true)];
        let fetch = Choice(&all, false).read(document, "distribution-points", value);
        sound &= fetch.is_some();
        revocation.fetch = fetch.unwrap_or_default();
    }
    if let Some(value) = table.take("revocation") {
        let span = value.span.clone();
        let all = RevocationMode::ALL.map(|it| (it.name(), it));
        let mode = Choice(&all, RevocationMode::default()).read(document, "revocation", value);
        if sound && !revocation.is_on() {
            let hint = "name CRL files in `crl`, or add `distribution-points = \"fetch\"`";
            document.problem(span, "`revocation` needs certificate revocation lists (CRLs)", hint);
            return None;
        }
        sound &= mode.is_some();
        revocation.mode = mode.unwrap_or_default();
    }
    sound.then_some(revocation)
}

/// Reads a list of texts, and what they mean together.
pub(super) fn read_texts<T, E: std::fmt::Display>(
    document: &mut Document<'_>,
    (key, value): (&str, Value<'_>),
    what: &str,
    hint: &str,
    parse: impl FnOnce(&[String]) -> Result<T, E>,
) -> Option<T> {
    let span = value.span.clone();
    let elements = document.array(value, &format!("`{key}`"), "a list of strings")?;
    let count = elements.len();
    let texts: Vec<String> = elements
        .into_iter()
        .filter_map(|element| document.string(element, what))
        .map(|(text, _)| text)
        .collect();
    if texts.len() < count {
        return None;
    }
    parse(&texts).map_err(|error| document.problem(span, format!("`{key}`: {error}"), hint)).ok()
}

/// Reads files, and directories of files, that the option `key` names; whether all of them were good.
fn read_files(
    document: &mut Document<'_>,
    (key, value): (&str, Value<'_>),
    (extensions, limit, hint): (&[&str], u64, &str),
    (files, mut add): (&mut KeyFiles<'_>, impl FnMut(&[u8]) -> Result<(), String>),
) -> bool {
    let Some(elements) = document.array(value, &format!("`{key}`"), "a list of files and directories") else {
        return false;
    };
    let mut sound = true;
    for element in elements {
        let Some((name, at)) = document.string(element, "a file") else {
            sound = false;
            continue;
        };
        let path = files.directory.join(&name);
        let within = files.content.is_directory(&path);
        let listed = if within { list(&path, extensions, files) } else { Ok(vec![path]) };
        let read = listed.and_then(|listed| {
            listed.iter().try_for_each(|path| {
                let added = read(path, limit, files)
                    .and_then(|bytes| add(&bytes).map_err(|message| (message, hint.to_owned())));
                added.map_err(|(message, hint)| match within {
                    true => (format!("{}: {message}", named(path)), hint),
                    false => (message, hint),
                })
            })
        });
        if let Err((message, hint)) = read {
            document.problem(at, format!("`{key}` {}: {message}", suggest::quoted(&name)), hint);
            sound = false;
        }
    }
    sound
}

fn named(path: &Path) -> String {
    suggest::quoted(&path.file_name().unwrap_or_default().to_string_lossy())
}

/// The files in a directory with one of these ends, sorted by name; at least one.
fn list(directory: &Path, extensions: &[&str], files: &KeyFiles<'_>) -> Result<Vec<PathBuf>, Wrong> {
    let listed = files.content.list(directory);
    let mut paths = Vec::new();
    for path in listed.map_err(|error| (error.to_string(), error.hint(directory)))? {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| extensions.contains(&extension)) {
            paths.push(path);
        }
        if paths.len() > MAX_STORE {
            return Err((
                X509Error::LargeStore.to_string(),
                "remove the files that are no longer used".to_owned(),
            ));
        }
    }
    if paths.is_empty() {
        let ends = extensions.iter().map(|end| format!("*.{end}")).collect::<Vec<_>>();
        return Err((
            format!("the directory contains no file ({})", ends.join(", ")),
            "put such files into the directory".to_owned(),
        ));
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path, limit: u64, files: &mut KeyFiles<'_>) -> Result<Vec<u8>, Wrong> {
    let read = files.content.read_bytes(files.root, path, limit);
    let bytes = read.map_err(|error| (error.to_string(), error.hint(path)))?;
    files.read.push(path.to_owned());
    Ok(bytes)
}
