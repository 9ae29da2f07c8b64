//! Retired names of commands, options and values. Using one is an error with its replacement.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue};

/// A retired name.
#[derive(Clone, Copy, Debug)]
pub struct Retired {
    /// The name as on the command line.
    pub name: &'static str,
    /// A word that the command lines with this name also contain. Empty for names of commands.
    pub command: &'static str,
    /// The replacement.
    pub replacement: &'static str,
}

/// Replaces an error about a retired name by one with the replacement.
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
