//! Options with bounds: each is declared once, with [`bounded_options!`](crate::bounded_options), beside what it sets.

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

/// Bytes.
pub const KIB: u64 = 1024;
/// Bytes.
pub const MIB: u64 = 1024 * KIB;
/// Milliseconds.
pub const SECOND: u64 = 1000;

/// Declares options with bounds, each once: its field, unit, key, default, minimum, maximum, and what it is for.
///
/// The declaration gives the struct with its documentation, `Default`, `BOUNDS` (what documentation and schemas are made
/// of) and `read`, which takes the options out of a table and reports every value that is not possible. Units: `bytes`
/// (`u64`), `size` (bytes in memory, `usize`), `count` (`usize`), `tries` (`u32`), `time` (`Duration`, in milliseconds).
/// `without key { … }` behind the struct adds fields that no file sets.
///
/// ```
/// pullgate_config::bounded_options! {
///     /// What a request may take.
///     pub struct Limits {
///         redirects: count = "redirects", default 3, from 0, to 10, "how many redirects one request may follow";
///     }
/// }
/// assert_eq!(Limits::default().redirects, 3);
/// assert_eq!(Limits::BOUNDS[0].key, "redirects");
/// ```
#[macro_export]
macro_rules! bounded_options {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($field:ident: $unit:ident = $key:literal, default $default:expr, from $minimum:expr, to $maximum:expr, $about:literal;)*
        }
        $(without key { $($(#[$more_meta:meta])* $more:ident: $type:ty = $value:expr;)* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $about] pub $field: $crate::bounded_options!(@type $unit),)*
            $($($(#[$more_meta])* pub $more: $type,)*)?
        }

        impl $name {
            /// The options, in the order of the documentation.
            pub const BOUNDS: &'static [$crate::bound::Bound] = &[$($crate::bound::Bound {
                key: $key,
                unit: $crate::bounded_options!(@unit $unit),
                default: $default,
                minimum: $minimum,
                maximum: $maximum,
                about: $about,
            },)*];

            /// Takes the options out of `table`. What is missing or not possible has its default; the latter is noted as
            /// a problem.
            pub fn read(
                document: &mut $crate::document::Document<'_>,
                table: &mut $crate::document::Table<'_>,
            ) -> Self {
                Self::from_numbers(|bound| {
                    $crate::bound::read_bound(document, table, bound).unwrap_or(bound.default)
                })
            }

            fn from_numbers(mut number: impl FnMut(&$crate::bound::Bound) -> u64) -> Self {
                let mut bounds = Self::BOUNDS.iter();
                let mut next = || bounds.next().map_or(0, &mut number);
                Self {
                    $($field: $crate::bounded_options!(@value $unit, next()),)*
                    $($($more: $value,)*)?
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::from_numbers(|bound| bound.default)
            }
        }
    };
    (@type bytes) => { u64 };
    (@type size) => { usize };
    (@type count) => { usize };
    (@type tries) => { u32 };
    (@type time) => { ::std::time::Duration };
    (@unit bytes) => { $crate::bound::Unit::Bytes };
    (@unit size) => { $crate::bound::Unit::Bytes };
    (@unit count) => { $crate::bound::Unit::Count };
    (@unit tries) => { $crate::bound::Unit::Count };
    (@unit time) => { $crate::bound::Unit::Time };
    (@value bytes, $number:expr) => { $number };
    (@value size, $number:expr) => { usize::try_from($number).unwrap_or(usize::MAX) };
    (@value count, $number:expr) => { usize::try_from($number).unwrap_or(usize::MAX) };
    (@value tries, $number:expr) => { u32::try_from($number).unwrap_or(u32::MAX) };
    (@value time, $number:expr) => { ::std::time::Duration::from_millis($number) };
}

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
