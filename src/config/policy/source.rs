//! `source` of a key: a public key that is fetched from a key service and pinned by its fingerprint.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::document::{Document, Table};
use crate::config::problem::Place;
use crate::config::suggest;
use crate::digest::Digest;
use crate::keys::{KeyCache, Location, PinnedKey};
use crate::trust::{Algorithm, PssSalt, PublicKey};

/// The public keys that are known without network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownKeys {
    /// The directory of fetched keys.
    pub cache: KeyCache,
    /// Why the last attempt to fetch a key failed, by location.
    pub failures: BTreeMap<String, String>,
}

/// A key with a `source`, as a policy declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredKey {
    /// Its authenticator.
    pub authenticator: String,
    /// Its location and its fingerprint.
    pub key: PinnedKey,
    /// Whether it was fetched.
    pub cached: bool,
    /// The file that declares it.
    pub file: String,
    /// The place in the file.
    pub place: Place,
}

/// The location of a key and its fingerprint.
pub(super) struct Source {
    pub(super) location: Location,
    pub(super) fingerprint: Digest,
    pub(super) span: Range<usize>,
}

/// Reads `source` and `fingerprint`; `None` if a problem is noted.
pub(super) fn read(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    source: crate::config::document::Value<'_>,
) -> Option<Source> {
    let fingerprint = table.take("fingerprint");
    let (text, span) = document.string(source, "`source`")?;
    let location = location(document, &text, span.clone());
    let Some(fingerprint) = fingerprint else {
        let place = location.as_ref().map_or_else(|| text.clone(), ToString::to_string);
        let hint = format!(
            "run `pullgate-signer keys public '{}'`, compare the fingerprint with the one that the owner of the key publishes, and add it as `fingerprint`",
            place
        );
        document.problem(span, "the key has a `source`, but no `fingerprint`", hint);
        return None;
    };
    let (text, at) = document.string(fingerprint, "`fingerprint`")?;
    let fingerprint = Digest::parse(&text).ok().filter(|_| text.starts_with("sha256:"));
    if fingerprint.is_none() {
        let message = format!("{} is not the fingerprint of a key", suggest::quoted(&text));
        document.problem(at, message, "write \"sha256:\" and the SHA-256 of the DER public key, in hex");
    }
    Some(Source { location: location?, fingerprint: fingerprint?, span })
}

fn location(document: &mut Document<'_>, text: &str, span: Range<usize>) -> Option<Location> {
    let location = match text.parse::<Location>() {
        Ok(location) => location,
        Err(error) => {
            let (message, hint) = super::advice::advice(&error, "write alikms://, vault:// or pkcs11:");
            document.problem(span, format!("`source`: {message}"), hint);
            return None;
        }
    };
    let (message, hint) = match &location {
        Location::File(_) => ("`source` is a file", "name a public key in a file by `file`"),
        Location::Transit(key) if key.version.is_none() => (
            "`source` names no version of the key",
            "add `version=` and the number of the version, because each version is a different key",
        ),
        _ => return Some(location),
    };
    document.problem(span, message, hint);
    None
}

impl Source {
    /// The public key if it is known; otherwise a problem is noted.
    pub(super) fn find(
        &self,
        document: &mut Document<'_>,
        (authenticator, algorithm, salt): (&str, Algorithm, PssSalt),
        known: &KnownKeys,
        declared: &mut Vec<DeclaredKey>,
    ) -> (PinnedKey, Option<PublicKey>) {
        let (location, fingerprint) = (self.location.clone(), self.fingerprint.clone());
        let key = PinnedKey { location, fingerprint, algorithm, salt };
        let public = known.cache.find(&key);
        declared.push(DeclaredKey {
            authenticator: authenticator.to_owned(),
            key: key.clone(),
            cached: public.is_some(),
            file: document.file().to_owned(),
            place: document.place(self.span.start),
        });
        if public.is_none() {
            let shown = suggest::quoted(&key.location.to_string());
            let (message, hint) = match known.failures.get(&key.location.to_string()) {
                Some(why) => (
                    format!("key {shown} cannot be fetched: {why}"),
                    "the daemon tries again regularly; to try now, run `pullgate-signer keys fetch`",
                ),
                None => (
                    format!(
                        "key {shown} has not been fetched into {} yet",
                        known.cache.directory().display()
                    ),
                    "the daemon fetches the key; to fetch it now, run `pullgate-signer keys fetch`",
                ),
            };
            document.problem(self.span.clone(), message, hint);
        }
        (key, public)
    }
}
