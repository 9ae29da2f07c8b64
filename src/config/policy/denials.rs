//! `[deny]`: images and keys that are refused whatever a rule says.

use super::declared::Declared;
use crate::config::document::{Document, Value};
use crate::config::suggest;
use crate::digest::Digest;
use crate::policy::{DenyList, MAX_DENIED};

const KEYS: [&str; 2] = ["digests", "keys"];

/// The deny list, and where each key of it is declared.
#[derive(Default)]
pub(super) struct Denied {
    pub(super) list: DenyList,
    pub(super) keys: Vec<Declared<String>>,
}

/// Adds what the table of one file denies. Files may repeat each other: in an emergency nothing is gained by refusing
/// what says the same twice.
pub(super) fn read(document: &mut Document<'_>, value: Value<'_>, denied: &mut Denied) {
    let Some(mut table) = document.table(value, "[deny]", &KEYS) else { return };
    if let Some(digests) = table.take("digests") {
        each(document, digests, "digests", "digest", |document, value, reason| {
            if let Some(digest) = document.digest(value, "a denied digest") {
                denied.list.deny_digest(digest, reason);
            }
        });
    }
    if let Some(keys) = table.take("keys") {
        each(document, keys, "keys", "key", |document, value, reason| {
            let Some((text, span)) = document.string(value, "a denied key") else { return };
            if text.starts_with("sha256:") && Digest::parse(&text).is_ok() {
                let (file, place) = (document.file().to_owned(), document.place(span.start));
                denied.keys.push(Declared { value: text.clone(), file, place });
                denied.list.deny_key(text, reason);
            } else {
                let message = format!("{} is not the fingerprint of a key", suggest::quoted(&text));
                document.problem(
                    span,
                    message,
                    "write \"sha256:\" and the SHA-256 of the DER public key, in hex",
                );
            }
        });
    }
}

fn each(
    document: &mut Document<'_>,
    value: Value<'_>,
    list: &str,
    key: &str,
    mut take: impl FnMut(&mut Document<'_>, Value<'_>, String),
) {
    let span = value.span.clone();
    let form = format!("a list, as in [{{ {key} = \"sha256:…\", reason = \"…\" }}]");
    let Some(elements) = document.array(value, &format!("`{list}`"), &form) else { return };
    if elements.len() > MAX_DENIED {
        document.problem(span, format!("`{list}` has more than {MAX_DENIED} entries"), "remove old ones");
        return;
    }
    for element in elements {
        let Some(mut table) = document.table(element, &format!("an entry of `{list}`"), &[key, "reason"])
        else {
            continue;
        };
        match (table.take(key), table.take("reason")) {
            (Some(value), Some(reason)) => {
                if let Some(reason) = document.sentence(reason, "`reason`") {
                    take(document, value, reason);
                }
            }
            _ => document.problem(
                table.span,
                format!("an entry of `{list}` has no `{key}` or no `reason`"),
                format!("write {{ {key} = \"sha256:…\", reason = \"…\" }}"),
            ),
        }
    }
}
