//! What an option is, for its reader and for people.

use crate::document::{Document, Value};

/// What documentation, sample files, man pages and schemas say about one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionDoc {
    /// The file, such as `pullgate.toml`.
    pub file: &'static str,
    /// The header of its section, such as `[limits]`; empty at the top of the file.
    pub section: String,
    /// The key in the section, with a dot after the name of a table in it. Empty for the section itself.
    pub key: String,
    /// The type of the value.
    pub kind: OptionKind,
    /// What applies unless it is set.
    pub default: Unset,
    /// The values that it may have, in words.
    pub bounds: String,
    /// What it means, for users.
    pub doc: String,
    /// A value for sample files, in TOML; empty where the default serves.
    pub example: &'static str,
}

/// The type of the value of an option, for schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// `true` or `false`.
    Boolean,
    /// A text such as `"15s"`.
    Duration,
    /// A number, or a text such as `"4MiB"`.
    Bytes,
    /// A whole number.
    Count,
    /// The name of a file or directory.
    Path,
    /// Another text.
    Text,
    /// One of some words: [`OptionDoc::bounds`].
    Choice,
    /// An array.
    List,
    /// A date and time with an offset.
    Time,
    /// An inline table of texts.
    Map,
    /// A table, or an array of tables, with this header.
    Table(&'static str),
}

/// What applies unless an option is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unset {
    /// This value, in TOML.
    Default(String),
    /// What the words say.
    Described(&'static str),
    /// Nothing: it has to be set.
    Required,
}

/// A kind of option whose values are `T`.
pub trait Kind<T> {
    /// Reads a value. One that is not valid is noted as a problem.
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<T>;
    /// What applies unless it is set.
    fn default(&self) -> T;
    /// Both, for people.
    fn describe(&self) -> Description;
}

/// What is said about an option besides its key and its meaning.
#[derive(Debug)]
pub struct Description {
    pub kind: OptionKind,
    pub unset: Unset,
    pub bounds: String,
    pub example: &'static str,
    /// The options of a table.
    pub nested: Vec<OptionDoc>,
}

impl Description {
    pub(crate) fn new(kind: OptionKind, unset: Unset, bounds: impl Into<String>) -> Self {
        Self { kind, unset, bounds: bounds.into(), example: "", nested: Vec::new() }
    }
}
