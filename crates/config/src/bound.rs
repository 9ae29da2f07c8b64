//! A bound on what comes from outside: its key, default, minimum and maximum.

use std::time::Duration;

use toml::de::DeValue;

use crate::document::{Document, Table};
use crate::duration::{parse_duration, parse_size, show_duration, show_size};

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes; written as a number, or as `512KiB` or `4MiB`.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds; written as `500ms`, `15s` or `2m`.
    Time,
}

/// One bound: its key in `[limits]`, what it may be, and what it is for. Numbers are in the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The key.
    pub key: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// What it is unless configured.
    pub default: u64,
    /// The least that works.
    pub minimum: u64,
    /// The most that is allowed.
    pub maximum: u64,
    /// What it bounds, in one line.
    pub about: &'static str,
}

impl Bound {
    /// A number of its unit as it is written in the file.
    #[must_use]
    pub fn show(&self, number: u64) -> String {
        match self.unit {
            Unit::Bytes => show_size(number),
            Unit::Count => number.to_string(),
            Unit::Time => show_duration(Duration::from_millis(number)),
        }
    }
}

/// Of the unit.
pub const KIB: u64 = 1024;
/// Of the unit.
pub const MIB: u64 = 1024 * KIB;
/// Of the unit.
pub const SECOND: u64 = 1000;

/// Takes the value of `bound` out of `table`; a value that is not possible is noted as a problem.
pub fn read_bound(document: &mut Document<'_>, table: &mut Table<'_>, bound: &Bound) -> Option<u64> {
    let value = table.take(bound.key)?;
    let what = format!("`{}`", bound.key);
    let number = match (bound.unit, &value.value) {
        (Unit::Bytes, DeValue::String(text)) => parse_size(text),
        (Unit::Time, DeValue::String(text)) => {
            parse_duration(text).and_then(|time| u64::try_from(time.as_millis()).ok())
        }
        (Unit::Bytes | Unit::Count, DeValue::Integer(_)) => Some(document.integer(&value, &what)?),
        _ => None,
    };
    let Some(number) = number else {
        let form = match bound.unit {
            Unit::Bytes => "a number of bytes, or a text such as \"512KiB\" or \"4MiB\"",
            Unit::Count => "a whole number",
            Unit::Time => "a text such as \"500ms\", \"15s\" or \"2m\"",
        };
        document.problem(value.span, format!("{what} is not {form}"), range(bound));
        return None;
    };
    if !(bound.minimum..=bound.maximum).contains(&number) {
        document.problem(value.span, format!("{what} is out of range"), range(bound));
        return None;
    }
    Some(number)
}

fn range(bound: &Bound) -> String {
    let [from, to, default] = [bound.minimum, bound.maximum, bound.default].map(|number| bound.show(number));
    format!("it may be from {from} to {to}; the default is {default}")
}
