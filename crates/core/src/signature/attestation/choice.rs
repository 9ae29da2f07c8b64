//! Exact texts, one of which a field must have.

use std::collections::BTreeSet;

use super::Unmet;
use crate::untrusted::quoted;

/// Checks that `found` is one of `wanted`, if any is required.
pub(super) fn check(field: &str, wanted: &BTreeSet<String>, found: &str) -> Result<(), Unmet> {
    if wanted.is_empty() || wanted.contains(found) {
        return Ok(());
    }
    let texts: Vec<String> = wanted.iter().map(|text| quoted(text).to_string()).collect();
    Err(Unmet::Field {
        field: field.to_owned(),
        wanted: texts.join(" or "),
        found: quoted(found).to_string(),
    })
}

/// The texts as one, for the hash of the policy: those of different sets differ.
pub(super) fn canonical(texts: &BTreeSet<String>) -> String {
    texts.iter().map(|text| format!("{}:{text}", text.len())).collect()
}
