//! Reads a TOML file value by value, so that all errors are reported at once.
//!
//! Deserialising would stop at the first error. Here each value is taken out of its table by name, and each error becomes a
//! [`Problem`] with its place.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use jiff::Timestamp;

use crate::problem::{MAX_PROBLEMS, Place, Problem, Problems};
use crate::renamed::renamed;
use crate::suggest;
use pullgate_core::digest::Digest;

/// One file, and its problems so far.
#[derive(Debug)]
pub struct Document<'a> {
    file: &'a str,
    text: &'a str,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    pub problems: Vec<Problem>,
}

/// A value and its place.
#[derive(Debug)]
pub struct Value<'a> {
    pub value: DeValue<'a>,
    pub span: Range<usize>,
}

/// A table whose keys are all known.
#[derive(Debug)]
pub struct Table<'a> {
    values: BTreeMap<String, Value<'a>>,
    pub span: Range<usize>,
}

impl<'a> Document<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { file, text, lines, problems: Vec::new() }
    }

    /// What `read` makes of the file.
    ///
    /// # Errors
    /// All problems. Then there is no value, whatever is right in the file.
    pub fn load<T>(
        file: &'a str,
        text: &'a str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Problems> {
        let mut document = Self::new(file, text);
        match read(&mut document) {
            Some(value) if document.problems.is_empty() => Ok(value),
            _ => Err(Problems::from(document.problems)),
        }
    }

    /// The file's name.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// Parses the whole file. `None` if it is not valid TOML, apart from duplicate keys.
    pub fn parse(&mut self, known: &[&str]) -> Option<Table<'a>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        let mut broken = false;
        for error in errors {
            let duplicate = error.message().contains("duplicate key");
            broken |= !duplicate;
            let span = error.span().unwrap_or(0..0);
            let (message, hint) = if duplicate {
                let key = self.text.get(span.clone()).unwrap_or_default();
                (format!("duplicate key {}", suggest::quoted(key)), "keep one of them")
            } else {
                // The parser's message contains no text of the file.
                (error.message().to_owned(), "the file is not valid TOML, see https://toml.io")
            };
            self.problem(span, message, hint);
        }
        let span = root.span();
        let table = Value { value: DeValue::Table(root.into_inner()), span };
        if broken { None } else { self.table(table, "the file", known) }
    }

    /// The whole file as a value, for tests.
    #[cfg(test)]
    pub(crate) fn recover_value(&self) -> Value<'a> {
        let (root, _) = DeTable::parse_recoverable(self.text);
        let span = root.span();
        Value { value: DeValue::Table(root.into_inner()), span }
    }

    /// What can be read of a file that may not be valid, with any keys. Notes no problems.
    pub fn recover(&self) -> Table<'a> {
        let (root, _) = DeTable::parse_recoverable(self.text);
        let span = root.span();
        let values = root.into_inner().into_iter().map(|(key, value)| {
            let span = value.span();
            (key.into_inner().into_owned(), Value { value: value.into_inner(), span })
        });
        Table { values: values.collect(), span }
    }

    /// Notes a problem.
    pub fn problem(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(self.file, Some(self.place(span.start)), message, hint));
        }
    }

    /// The place of a byte.
    pub fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        let column = self.text.get(start..offset).unwrap_or_default().chars().count() + 1;
        Place { line, column }
    }

    /// A table whose keys must be among `known`.
    pub fn table<'v>(&mut self, value: Value<'v>, what: &str, known: &[&str]) -> Option<Table<'v>> {
        let table = self.open_table(value, what)?;
        let mut values = BTreeMap::new();
        for (name, key, value) in table.entries {
            if known.contains(&name.as_str()) {
                values.insert(name, value);
            } else if let Some(new) = renamed(what, &name).filter(|new| known.contains(new)) {
                self.problem(key, format!("`{name}` in {what} is now `{new}`"), "rename it");
            } else {
                let message = format!("unknown key {} in {what}", suggest::quoted(&name));
                self.problem(key, message, suggest::one_of(&name, known));
            }
        }
        Some(Table { values, span: table.span })
    }

    /// A table whose keys are names chosen by the operator.
    pub fn open_table<'v>(&mut self, value: Value<'v>, what: &str) -> Option<OpenTable<'v>> {
        let span = value.span;
        let DeValue::Table(table) = value.value else {
            self.wrong_type(span, what, "a table", &value.value);
            return None;
        };
        let entries = table.into_iter().map(|(key, value)| {
            let (name_at, value_at) = (key.span(), value.span());
            (key.into_inner().into_owned(), name_at, Value { value: value.into_inner(), span: value_at })
        });
        Some(OpenTable { entries: entries.collect(), span })
    }

    /// The elements of an array.
    pub fn array<'v>(&mut self, value: Value<'v>, what: &str, of: &str) -> Option<Vec<Value<'v>>> {
        let DeValue::Array(array) = value.value else {
            self.wrong_type(value.span, what, of, &value.value);
            return None;
        };
        let values = array.into_iter().map(|element| {
            let span = element.span();
            Value { value: element.into_inner(), span }
        });
        Some(values.collect())
    }

    /// A text and its place.
    pub fn string(&mut self, value: Value<'_>, what: &str) -> Option<(String, Range<usize>)> {
        match value.value {
            DeValue::String(text) => Some((text.into_owned(), value.span)),
            other => {
                self.wrong_type(value.span, what, "a string", &other);
                None
            }
        }
    }

    /// The text of `key` as `parse` reads it. If it cannot, the key and `wrong` are the message of the problem.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        value: Value<'_>,
        [wrong, hint]: [&str; 2],
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, span) = self.string(value, &format!("`{key}`"))?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.problem(span, format!("`{key}` {wrong}"), hint);
        }
        parsed
    }

    /// A whole number that is not negative.
    pub fn integer(&mut self, value: &Value<'_>, what: &str) -> Option<u64> {
        let DeValue::Integer(integer) = &value.value else {
            self.wrong_type(value.span.clone(), what, "a whole number", &value.value);
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            self.problem(
                value.span.clone(),
                format!("{what} is out of range"),
                "the value must be zero or a positive number",
            );
        }
        number
    }

    /// A text for people: one line, not empty, at most 512 bytes. It is shown in logs and in events of pods.
    pub fn sentence(&mut self, value: Value<'_>, what: &str) -> Option<String> {
        let (text, span) = self.string(value, what)?;
        let text = text.trim();
        if text.is_empty() {
            self.problem(span, format!("{what} is empty"), "write the reason in one line");
        } else if text.chars().any(char::is_control) {
            let message = format!("{what} has a line break or another control character in it");
            self.problem(span, message, "write it in one line");
        } else if text.len() > 512 {
            self.problem(span, format!("{what} is longer than 512 bytes"), "shorten it");
        } else {
            return Some(text.to_owned());
        }
        None
    }

    /// A moment: date, time and offset.
    pub fn time(&mut self, value: Value<'_>, what: &str) -> Option<Timestamp> {
        let DeValue::Datetime(time) = &value.value else {
            self.wrong_type(
                value.span,
                what,
                "a date-time such as 2027-01-01T00:00:00Z, without quotes",
                &value.value,
            );
            return None;
        };
        if time.date.is_none() || time.time.is_none() || time.offset.is_none() {
            self.problem(
                value.span,
                format!("{what} is a local date or time, which means a different moment in each time zone"),
                "write date, time and offset, as in 2027-01-01T00:00:00Z",
            );
            return None;
        }
        let read = time.to_string().parse();
        read.map_err(|_| {
            self.problem(
                value.span,
                format!("{what} is out of range"),
                "write for example 2027-01-01T00:00:00Z",
            );
        })
        .ok()
    }

    /// A digest.
    pub fn digest(&mut self, value: Value<'_>, what: &str) -> Option<Digest> {
        let (text, span) = self.string(value, what)?;
        Digest::parse(&text)
            .map_err(|error| {
                let message = format!("{what}, {}, is not valid: {error}", suggest::quoted(&text));
                self.problem(span, message, "write for example \"sha256:\" and 64 digits 0 to 9 and a to f");
            })
            .ok()
    }

    /// Notes that a value has the wrong type.
    pub fn wrong_type(&mut self, span: Range<usize>, what: &str, wanted: &str, found: &DeValue<'_>) {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.problem(span, format!("{what} is {found}"), format!("the value must be {wanted}"));
    }
}

/// A table with any keys: name, place of the name, value.
#[derive(Debug)]
pub struct OpenTable<'a> {
    pub entries: Vec<(String, Range<usize>, Value<'a>)>,
    pub span: Range<usize>,
}

impl<'a> Table<'a> {
    /// Takes a value out.
    pub fn take(&mut self, key: &str) -> Option<Value<'a>> {
        self.values.remove(key)
    }

    /// Whether a key is present and its value not taken yet.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The place of a value that was not taken yet.
    pub fn span_of(&self, key: &str) -> Option<Range<usize>> {
        self.values.get(key).map(|value| value.span.clone())
    }
}
