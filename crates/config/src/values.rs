//! Values that several configuration files have in common.

use std::ops::Range;
use std::path::PathBuf;

use pullgate_core::trust::Algorithm;
use toml::de::DeValue;

use crate::document::{Document, Table, Value};
use crate::suggest;

/// The longest name of an authenticator, in bytes.
pub const MAX_NAME: usize = 64;

/// Takes the table `name` out of `root`, with these keys allowed in it.
pub fn section<'a>(
    document: &mut Document<'_>,
    root: &mut Table<'a>,
    name: &str,
    known: &[&str],
) -> Option<Table<'a>> {
    let value = root.take(name)?;
    document.table(value, &format!("[{name}]"), known)
}

/// Takes an absolute path, and where it is written.
pub fn read_path(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &str,
) -> Option<(PathBuf, Range<usize>)> {
    let value = table.take(key)?;
    let (text, span) = document.string(value, &format!("`{key}`"))?;
    let path = PathBuf::from(&text);
    if path.is_absolute() && !text.contains('\0') {
        return Some((path, span));
    }
    let hint =
        if text.contains("://") { "leave out everything before the path" } else { "write it from `/`" };
    document.problem(span, format!("`{key}` is not an absolute path"), hint);
    None
}

/// Takes `true` or `false`.
pub fn read_boolean(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<bool> {
    let value = table.take(key)?;
    if let DeValue::Boolean(flag) = value.value {
        return Some(flag);
    }
    document.problem(value.span, format!("`{key}` is not a boolean"), "write true or false");
    None
}

/// Takes one of some words.
pub fn read_choice<T: Copy>(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &str,
    choices: &[(&str, T)],
) -> Option<T> {
    let value = table.take(key)?;
    let (text, span) = document.string(value, &format!("`{key}`"))?;
    let chosen = choices.iter().find(|(name, _)| *name == text);
    if chosen.is_none() {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let message = format!("`{key}` is {}", suggest::quoted(&text));
        document.problem(span, message, suggest::one_of(&text, &names));
    }
    chosen.map(|&(_, choice)| choice)
}

/// Whether `name` can be the name of an authenticator.
pub fn check_name(document: &mut Document<'_>, name: &str, at: &Range<usize>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
        document.problem(
            at.clone(),
            format!("{} cannot be the name of an authenticator", suggest::quoted(name)),
            format!("use at most {MAX_NAME} letters, digits, `-`, `_` and `.`"),
        );
    }
}

/// Reads the name of a signature algorithm.
pub fn read_algorithm(document: &mut Document<'_>, value: Value<'_>) -> Option<Algorithm> {
    let (text, span) = document.string(value, "`algorithm`")?;
    let algorithm = text.parse();
    algorithm
        .map_err(|_| {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            let message = format!("unknown algorithm {}", suggest::quoted(&text));
            document.problem(span, message, suggest::one_of(&text, &known));
        })
        .ok()
}

/// Whether `text` is a host name or an address, with or without a port.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let (name, port) = text.rsplit_once(':').unwrap_or((text, "443"));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(plain) && port.parse::<u16>().is_ok()
}
