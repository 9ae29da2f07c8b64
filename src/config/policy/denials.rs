//! `[deny]`: images and keys that are refused whatever a rule says.

use super::declared::Declared;
use super::options;
use crate::config::document::{Document, Value};
use crate::config::suggest;
use crate::digest::Digest;
use crate::policy::{DenyList, MAX_DENIED};
use crate::trust::Identity;
use crate::trust::openpgp::Fingerprint;
use pullgate_config::options::ReadByHand;

/// The deny list, and where each key of it is declared.
#[derive(Default)]
pub(super) struct Denied {
    pub(super) list: DenyList,
    pub(super) keys: Vec<Declared<String>>,
}

/// Adds the entries of one file. Files may repeat each other: in an emergency a duplicate entry is no reason to reject the
/// policy.
pub(super) fn read(document: &mut Document<'_>, value: Value<'_>, denied: &mut Denied) {
    let Some(mut table) = document.table(value, "[deny]", &["digests", "keys"]) else { return };
    if let Some(digests) = table.take("digests") {
        each(document, digests, "digests", options::DENY_DIGEST, |document, value, reason| {
            if let Some(digest) = document.digest(value, "a denied digest") {
                denied.list.deny_digest(digest, reason);
            }
        });
    }
    if let Some(keys) = table.take("keys") {
        each(document, keys, "keys", options::DENY_KEY, |document, value, reason| {
            let Some((text, span)) = document.string(value, "a denied key") else { return };
            let openpgp = text.starts_with("openpgp4fpr:").then(|| Fingerprint::parse(&text)).flatten();
            let text = openpgp.map_or(text, |key| Identity::openpgp(&key).to_string());
            if openpgp.is_some() || text.starts_with("sha256:") && Digest::parse(&text).is_ok() {
                let (file, place) = (document.file().to_owned(), document.place(span.start));
                denied.keys.push(Declared { value: text.clone(), file, place });
                denied.list.deny_key(text, reason);
            } else {
                let message = format!("{} is not the fingerprint of a key", suggest::quoted(&text));
                document.problem(
                    span,
                    message,
                    "write \"sha256:\" and the SHA-256 of the DER public key, in hex, or for an OpenPGP key \"openpgp4fpr:\" and its fingerprint",
                );
            }
        });
    }
}

fn each(
    document: &mut Document<'_>,
    value: Value<'_>,
    list: &str,
    options: &[ReadByHand],
    mut take: impl FnMut(&mut Document<'_>, Value<'_>, String),
) {
    let keys = ReadByHand::keys(options);
    let key = keys.first().copied().unwrap_or_default();
    let span = value.span.clone();
    let form = format!("a list, as in [{{ {key} = \"sha256:…\", reason = \"…\" }}]");
    let Some(elements) = document.array(value, &format!("`{list}`"), &form) else { return };
    if elements.len() > MAX_DENIED {
        document.problem(span, format!("`{list}` has more than {MAX_DENIED} entries"), "remove old ones");
        return;
    }
    for element in elements {
        let Some(mut table) = document.table(element, &format!("an entry of `{list}`"), &keys) else {
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
