//! Names of commands, options and values that no longer exist. Each is an error that names its replacement.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue};

/// A name that no longer exists.
#[derive(Clone, Copy, Debug)]
pub struct Retired {
    /// The name, as it was on the command line.
    pub name: &'static str,
    /// A word of the command lines that had it. Empty for the name of a command.
    pub command: &'static str,
    /// What to write instead.
    pub replacement: &'static str,
}

/// Replaces an error about a retired name by one that names the replacement.
pub(crate) fn explain(
    error: clap::Error,
    command: &mut Command,
    words: &[OsString],
    retired: &[Retired],
) -> clap::Error {
    let kinds = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg, ContextKind::InvalidValue];
    let names: Vec<&str> = kinds.iter().filter_map(|kind| text(error.get(*kind)?)).collect();
    let is_within = |word: &str| word.is_empty() || words.iter().any(|it| it == word);
    let found = retired.iter().find(|it| names.contains(&it.name) && is_within(it.command));
    match found {
        Some(Retired { name, replacement, .. }) => {
            command.error(error.kind(), format!("`{name}` has been replaced by `{replacement}`"))
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
