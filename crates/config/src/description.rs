//! What an option is, for its reader and for people.

use crate::document::{Document, Value};
use crate::duration::Units;

/// A configuration file, for documentation.
#[derive(Debug)]
pub struct FileDoc {
    /// The heading of its documentation, such as `policy.toml and policy.d/*.toml`.
    pub heading: &'static str,
    /// The name of its manual page in section 5.
    pub page: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// Where it is, and who reads it when.
    pub place: &'static str,
    pub options: Vec<OptionDoc>,
    /// The tables whose `type` decides which keys they may have.
    pub types: Vec<TypeKeys>,
}

/// The keys that a table may have if its `type` is this one.
#[derive(Debug)]
pub struct TypeKeys {
    /// The header of the table.
    pub header: &'static str,
    /// The value of `type`.
    pub name: &'static str,
    /// Whether a table without `type` has this type.
    pub is_default: bool,
    pub keys: Vec<&'static str>,
}

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
    /// How many of them.
    pub many: Many,
    /// What applies unless it is set.
    pub default: Unset,
    /// The values that it may have, in words.
    pub bounds: String,
    /// What it means, for users.
    pub doc: String,
    /// A value for sample files, in TOML; empty where the default serves.
    pub example: &'static str,
}

impl OptionDoc {
    /// What it means, its values, and what applies unless it is set.
    #[must_use]
    pub fn description(&self) -> String {
        let values =
            if self.bounds.is_empty() { String::new() } else { format!(" Values: {}.", self.bounds) };
        let unset = match self.default.in_words().as_str() {
            "" | "–" => String::new(),
            words => format!(" Default: {words}."),
        };
        format!("{}{values}{unset}", self.doc)
    }
}

/// The type of the value of an option, for schemas. Where a schema cannot say all, it refuses less than the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number, or a text with a number and its unit, such as `"15s"`.
    Number(Range),
    /// The name of a file or directory.
    Path,
    /// A path from `/` on.
    AbsolutePath,
    /// Another text.
    Text,
    /// A text that is not blank, in one line.
    Sentence,
    /// A text that this regular expression finds.
    Pattern(&'static str),
    /// One of some words: [`OptionDoc::bounds`].
    Choice,
    /// The digest of an image.
    Digest,
    /// A date and time with an offset.
    Time,
    /// A table with at most so many texts.
    Texts(usize),
    /// A table with at most so many texts, whole numbers and booleans.
    Fields(usize),
    /// A table, or an array of tables, with this header.
    Table(&'static str),
    /// A table with these keys of the table at the given place.
    Part(&'static str, &'static [&'static str]),
    /// An array of at most so many, which is read as a whole.
    List(&'static Self, usize),
    /// One of these kinds.
    Either(&'static [Self]),
}

/// The numbers that an option may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The units that a text with a number may have.
    pub units: &'static Units,
    /// Whether the number may also be written without quotes and unit.
    pub bare: bool,
    pub minimum: u64,
    pub maximum: u64,
    /// A word that may be written instead; empty if there is none.
    pub word: &'static str,
}

/// How many values an option has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    One,
    /// An array of at least and at most so many.
    List(usize, usize),
    /// One, or an array of at least and at most so many.
    OneOrList(usize, usize),
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
    /// Nothing: it, or another one, has to be set; or the program decides by other options whether it has to be set.
    Depends,
}

impl Unset {
    /// For people; a dash where something has to be set.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Required | Self::Depends => "–".to_owned(),
            Self::Described(words) => (*words).to_owned(),
            Self::Default(value) if value == "[]" => "none".to_owned(),
            Self::Default(value) => value.replace(['"', '[', ']'], ""),
        }
    }
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
    pub many: Many,
    pub unset: Unset,
    pub bounds: String,
    pub example: &'static str,
    /// The options of a table.
    pub nested: Vec<OptionDoc>,
}

impl Description {
    pub(crate) fn new(kind: OptionKind, unset: Unset, bounds: impl Into<String>) -> Self {
        Self { kind, many: Many::One, unset, bounds: bounds.into(), example: "", nested: Vec::new() }
    }
}
