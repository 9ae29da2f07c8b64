//! Options that are numbers with a minimum and a maximum.

use std::time::Duration;

use toml::de::DeValue;

use crate::description::{Description, Kind, OptionKind, Range, Unset};
use crate::document::{Document, Value};
use crate::duration::{DURATIONS, SIZES, parse_duration, parse_size, show_duration, show_size};

/// Bytes.
pub const KIB: u64 = 1024;
/// Bytes.
pub const MIB: u64 = 1024 * KIB;
/// Milliseconds.
pub const SECOND: u64 = 1000;
/// Milliseconds.
pub const MINUTE: u64 = 60 * SECOND;
/// Milliseconds.
pub const DAY: u64 = 24 * 60 * MINUTE;

/// What a number counts.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Bytes,
    Count,
    Milliseconds,
}

/// A number: its default, its minimum and its maximum.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    unit: Unit,
    default: u64,
    minimum: u64,
    maximum: u64,
}

/// Bytes: a number, or a text such as `"4MiB"`.
#[must_use]
pub const fn bytes(default: u64, minimum: u64, maximum: u64) -> Bound {
    Bound { unit: Unit::Bytes, default, minimum, maximum }
}

/// A whole number.
#[must_use]
pub const fn count(default: u64, minimum: u64, maximum: u64) -> Bound {
    Bound { unit: Unit::Count, default, minimum, maximum }
}

/// A time: a text such as `"15s"`. All three in milliseconds.
#[must_use]
pub const fn time(default: u64, minimum: u64, maximum: u64) -> Bound {
    Bound { unit: Unit::Milliseconds, default, minimum, maximum }
}

/// A time within these bounds, or `"off"`, which is the default.
#[must_use]
pub const fn off_or(minimum: u64, maximum: u64) -> OffOr {
    OffOr(time(minimum, minimum, maximum))
}

/// A type that an option with bounds may have.
pub trait Number {
    /// The number in this type; the bounds of an option see to it that it fits.
    fn of(number: u64) -> Self;
}

impl Number for u64 {
    fn of(number: u64) -> Self {
        number
    }
}

impl Number for u32 {
    fn of(number: u64) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }
}

impl Number for usize {
    fn of(number: u64) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }
}

impl Number for Duration {
    fn of(number: u64) -> Self {
        Self::from_millis(number)
    }
}

impl Bound {
    fn show(&self, number: u64) -> String {
        match self.unit {
            Unit::Bytes => show_size(number),
            Unit::Count => number.to_string(),
            Unit::Milliseconds => show_duration(Duration::from_millis(number)),
        }
    }

    const fn kind(&self, word: &'static str) -> OptionKind {
        let Self { unit, minimum, maximum, .. } = *self;
        let (units, bare) = match unit {
            Unit::Bytes => (SIZES, true),
            Unit::Count => (&[] as &[_], true),
            Unit::Milliseconds => (DURATIONS, false),
        };
        OptionKind::Number(Range { units, bare, minimum, maximum, word })
    }

    fn range(&self) -> String {
        format!("{} to {}", self.show(self.minimum), self.show(self.maximum))
    }

    fn number(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<u64> {
        let number = match (self.unit, &value.value) {
            (Unit::Bytes, DeValue::String(text)) => parse_size(text),
            (Unit::Milliseconds, DeValue::String(text)) => {
                parse_duration(text).and_then(|time| u64::try_from(time.as_millis()).ok())
            }
            (Unit::Bytes | Unit::Count, DeValue::Integer(_)) => {
                Some(document.integer(&value, &format!("`{key}`"))?)
            }
            _ => None,
        };
        let wrong = match number {
            Some(number) if (self.minimum..=self.maximum).contains(&number) => return Some(number),
            Some(_) => "out of range",
            None => match self.unit {
                Unit::Bytes => "neither a number of bytes nor a string such as \"512KiB\" or \"4MiB\"",
                Unit::Count => "not a whole number",
                Unit::Milliseconds => "not a text such as \"500ms\", \"15s\" or \"2m\"",
            },
        };
        let hint = format!("write a value from {}; the default is {}", self.range(), self.show(self.default));
        document.problem(value.span, format!("`{key}` is {wrong}"), hint);
        None
    }
}

impl<T: Number> Kind<T> for Bound {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<T> {
        self.number(document, key, value).map(T::of)
    }

    fn default(&self) -> T {
        T::of(self.default)
    }

    fn describe(&self) -> Description {
        let default = self.show(self.default);
        let default = if matches!(self.unit, Unit::Count) { default } else { format!("{default:?}") };
        Description::new(self.kind(""), Unset::Default(default), self.range())
    }
}

/// See [`off_or`].
#[derive(Clone, Copy, Debug)]
pub struct OffOr(Bound);

impl Kind<Option<Duration>> for OffOr {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Option<Duration>> {
        let Bound { minimum, maximum, .. } = self.0;
        let range = Duration::from_millis(minimum)..=Duration::from_millis(maximum);
        let time = match &value.value {
            DeValue::String(text) if text == "off" => return Some(None),
            DeValue::String(text) => parse_duration(text).filter(|time| range.contains(time)),
            _ => None,
        };
        if time.is_none() {
            let hint = format!("write \"off\", or a string such as \"60m\", from {}", self.0.range());
            document.problem(value.span, format!("`{key}` is neither \"off\" nor a time in range"), hint);
        }
        time.map(Some)
    }

    fn default(&self) -> Option<Duration> {
        None
    }

    fn describe(&self) -> Description {
        let bounds = format!("off, {}", self.0.range());
        Description::new(self.0.kind("off"), Unset::Default("\"off\"".to_owned()), bounds)
    }
}
