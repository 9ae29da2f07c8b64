//! `type = "certificate"`: names that a private PKI certifies.

use std::collections::BTreeMap;
use std::ops::Range;

use super::KeyFiles;
use super::certificates::{read_revocation, read_store, read_texts, read_timestamps};
use crate::config::document::{Document, Table};
use crate::config::suggest;
use crate::trust::{Authenticator, PkiSet, SignerNames, Signers};

/// Reads an authenticator of a private PKI.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    mut table: Table<'_>,
    mut files: KeyFiles<'_>,
) -> Option<Authenticator> {
    let (has_ca, ca) = read_store(document, &mut table, "ca", &mut files);
    let (_, intermediates) = read_store(document, &mut table, "intermediates", &mut files);
    let (has_tsa, tsa) = read_store(document, &mut table, "tsa", &mut files);
    let timestamps = read_timestamps(document, &mut table, has_tsa);
    let revocation = read_revocation(document, &mut table, &mut files);
    let names = match table.take("names") {
        Some(value) => {
            let hint = "write for example \"email:release@example.com\", \"uri:https://host/acme/**\" or \"dns:build.example.com\"";
            let parse = |texts: &[String]| SignerNames::parse(texts.iter().map(String::as_str));
            read_texts(document, ("names", value), "a name", hint, parse)
        }
        None => {
            let message = format!("authenticator {} has no `names`", suggest::quoted(name));
            document.problem(
                at.clone(),
                message,
                "add for example `names = [\"email:release@example.com\"]`",
            );
            None
        }
    };
    if !has_ca {
        let message = format!("authenticator {} has no `ca`", suggest::quoted(name));
        document.problem(at, message, "add for example `ca = [\"trust/ca.pem\"]`");
        return None;
    }
    let set = PkiSet {
        ca: ca?,
        intermediates: intermediates?,
        names: names?,
        tsa: tsa?,
        timestamps: timestamps?,
        revoked: BTreeMap::new(),
        revocation: revocation?,
    };
    Some(Authenticator::of(name.to_owned(), Signers::Pki(Box::new(set))))
}
