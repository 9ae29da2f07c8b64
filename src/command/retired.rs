//! Names of commands and options that no longer exist. Each is an error that names its replacement.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue};

/// The retired name, a word of the command lines that had it (empty: any), and the replacement.
const RETIRED: [(&str, &str, &str); 9] = [
    ("verifier", "", "image-verifier"),
    ("--existing", "sign", "--all-tags SCOPE"),
    ("--existing", "request", "--all-tags"),
    ("--list", "sign", "--from-file FILE"),
    ("--output", "import", "--out-file FILE"),
    ("--json", "status", "--output json"),
    ("--json", "keys", "--output json"),
    ("--format", "keys", "--output FORMAT"),
    ("table", "scan", "text"),
];

/// Replaces an error about a retired name by one that names the replacement.
pub(super) fn explain(error: clap::Error, command: &mut Command, words: &[OsString]) -> clap::Error {
    let named = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg, ContextKind::InvalidValue];
    let names: Vec<&str> = named.iter().filter_map(|kind| text(error.get(*kind)?)).collect();
    let has = |word: &str| word.is_empty() || words.iter().any(|it| it == word);
    let retired = RETIRED.iter().find(|(name, within, _)| names.contains(name) && has(within));
    match retired {
        Some((name, _, replacement)) => {
            command.error(error.kind(), format!("`{name}` has been renamed: use `{replacement}`"))
        }
        None => error,
    }
}

fn text(value: &ContextValue) -> Option<&str> {
    match value {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}
