//! `type = "attestor"`: the keys of an attestor of Binary Authorization or kritis, of PKIX and of OpenPGP.

use std::ops::Range;

use super::{KeyFiles, gpg, options, read_key_set};
use crate::config::document::{Document, Table};
use crate::config::suggest;
use crate::trust::{AttestorSet, Authenticator, Signers};

/// Reads an attestor.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    mut table: Table<'_>,
    mut files: KeyFiles<'_>,
) -> Option<Authenticator> {
    let of_keys = options::with_remote(options::AUTHENTICATOR);
    table.take("type");
    let (has_keys, has_openpgp) = (table.has("keys"), gpg::has_keys(&table));
    if !has_keys && !has_openpgp {
        let message =
            format!("attestor {} has neither `keys` nor `keyrings` nor `armored`", suggest::quoted(name));
        document.problem(at, message, "add for example `keys = [{ file = \"keys/attestor.pem\" }]`");
        return None;
    }
    let problems = document.problems.len();
    let openpgp = match has_openpgp {
        true => gpg::read_set(document, at.clone(), &mut table, &mut files),
        false => unused(document, &mut table, &["fingerprints"], "keyrings"),
    };
    let keys = match has_keys {
        true => read_key_set(document, name, at, &mut table, &mut files),
        false => unused(document, &mut table, &of_keys, "keys"),
    };
    if document.problems.len() > problems {
        return None;
    }
    let set = AttestorSet::new(keys, openpgp)?;
    Some(Authenticator::of(name.to_owned(), Signers::Attestor(Box::new(set))))
}

/// Notes the options of one kind of keys, where there are no such keys. There is never a set.
fn unused<T>(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    options: &[&str],
    needed: &str,
) -> Option<T> {
    for option in options {
        if let Some(value) = table.take(option) {
            let message = format!("`{option}` has no effect without `{needed}`");
            document.problem(value.span, message, format!("add `{needed}`, or remove `{option}`"));
        }
    }
    None
}
