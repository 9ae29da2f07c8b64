//! Kinds of options: how a value is read, what applies without one, and how both are described.

use std::fmt::Display;
use std::path::PathBuf;

use toml::de::DeValue;

pub use crate::bound::{bytes, count, off_or, time};
use crate::description::Description;
pub use crate::description::{Kind, Many, OptionKind, Unset};
use crate::document::{Document, Value};
use crate::options::{Options, Pass, describe};
use crate::suggest;

/// Reads the value of a key.
pub type Read<T> = fn(&mut Document<'_>, &str, Value<'_>) -> Option<T>;

/// A form that values have, from which kinds are made.
#[derive(Debug)]
pub struct Form<T> {
    pub kind: OptionKind,
    /// The values, in words.
    pub bounds: &'static str,
    pub read: Read<T>,
}

impl<T> Form<T> {
    /// An option that may be left out, which has the meaning `unset`. `example` is a value in TOML.
    pub const fn optional(self, unset: &'static str, example: &'static str) -> Optional<T> {
        Optional { form: self, unset: Unset::Described(unset), example }
    }

    /// An option that has to be set. The declaring section checks that it is.
    pub const fn required(self, example: &'static str) -> Optional<T> {
        Optional { form: self, unset: Unset::Required, example }
    }

    /// A value with a default, which is written as it is displayed.
    pub const fn or<D: Copy>(self, default: D) -> Or<T, D> {
        Or { form: self, default }
    }

    /// A list of at most `most`, with a default.
    pub const fn list(self, most: usize, default: &'static [&'static str]) -> List<T> {
        List { form: self, most, default, example: "" }
    }

    /// The same with other words for its values.
    #[must_use]
    pub const fn with_bounds(self, bounds: &'static str) -> Self {
        Self { bounds, ..self }
    }
}

/// See [`Form::optional`] and [`Form::required`].
#[derive(Debug)]
pub struct Optional<T> {
    form: Form<T>,
    unset: Unset,
    example: &'static str,
}

impl<T> Kind<Option<T>> for Optional<T> {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Option<T>> {
        (self.form.read)(document, key, value).map(Some)
    }

    fn default(&self) -> Option<T> {
        None
    }

    fn describe(&self) -> Description {
        let is = Description::new(self.form.kind, self.unset.clone(), self.form.bounds);
        Description { example: self.example, ..is }
    }
}

/// See [`Form::or`].
#[derive(Debug)]
pub struct Or<T, D> {
    form: Form<T>,
    default: D,
}

impl<T: From<D>, D: Copy + Display> Kind<T> for Or<T, D> {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<T> {
        (self.form.read)(document, key, value)
    }

    fn default(&self) -> T {
        self.default.into()
    }

    fn describe(&self) -> Description {
        let default = format!("{:?}", self.default.to_string());
        Description::new(self.form.kind, Unset::Default(default), self.form.bounds)
    }
}

/// See [`Form::list`].
#[derive(Debug)]
pub struct List<T> {
    form: Form<T>,
    most: usize,
    default: &'static [&'static str],
    example: &'static str,
}

impl<T> List<T> {
    /// A list that has to be set. The declaring section checks that it is.
    #[must_use]
    pub const fn required(self, example: &'static str) -> Self {
        Self { example, ..self }
    }
}

impl<T: From<&'static str>> Kind<Vec<T>> for List<T> {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Vec<T>> {
        let span = value.span.clone();
        let values = document.array(value, &format!("`{key}`"), "an array of texts")?;
        let least = usize::from(!self.example.is_empty());
        if !(least..=self.most).contains(&values.len()) {
            let message = format!("`{key}` has {} entries", values.len());
            document.problem(span, message, format!("write {least} to {} entries", self.most));
            return None;
        }
        values.into_iter().map(|value| (self.form.read)(document, key, value)).collect()
    }

    fn default(&self) -> Vec<T> {
        self.default.iter().map(|&element| element.into()).collect()
    }

    fn describe(&self) -> Description {
        let bounds = format!("list of at most {}; each: {}", self.most, self.form.bounds);
        let required = !self.example.is_empty();
        let unset = if required { Unset::Required } else { Unset::Default(format!("{:?}", self.default)) };
        let is = Description::new(self.form.kind, unset, bounds);
        Description { example: self.example, many: Many::List(usize::from(required), self.most), ..is }
    }
}

/// `true` or `false`, with the default.
#[derive(Clone, Copy, Debug)]
pub struct Flag(pub bool);

impl Kind<bool> for Flag {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<bool> {
        if let DeValue::Boolean(flag) = value.value {
            return Some(flag);
        }
        document.problem(value.span, format!("`{key}` is not a boolean"), "write true or false");
        None
    }

    fn default(&self) -> bool {
        self.0
    }

    fn describe(&self) -> Description {
        Description::new(OptionKind::Boolean, Unset::Default(self.0.to_string()), "true, false")
    }
}

/// One of some words, each with the value that it stands for, and the default.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a, T>(pub &'a [(&'a str, T)], pub T);

impl<T: Copy + PartialEq> Kind<T> for Choice<'_, T> {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<T> {
        let (text, span) = document.string(value, &format!("`{key}`"))?;
        let chosen = self.0.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
            let message = format!("unknown value {} for `{key}`", suggest::quoted(&text));
            document.problem(span, message, suggest::one_of(&text, &names));
        }
        chosen.map(|&(_, choice)| choice)
    }

    fn default(&self) -> T {
        self.1
    }

    fn describe(&self) -> Description {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        let default = self.0.iter().find(|(_, choice)| *choice == self.1).map_or("", |(name, _)| name);
        Description::new(OptionKind::Choice, Unset::Default(format!("{default:?}")), names.join(", "))
    }
}

/// An option without a value of its own where it may also be set further out: the value that is set, and the default of
/// `K` in the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Inherited<K>(pub K);

impl<T, K: Kind<T>> Kind<Option<T>> for Inherited<K> {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Option<T>> {
        self.0.read(document, key, value).map(Some)
    }

    fn default(&self) -> Option<T> {
        None
    }

    fn describe(&self) -> Description {
        self.0.describe()
    }
}

/// A table with this header, whose options are `T`.
#[derive(Clone, Copy, Debug)]
pub struct Section(pub &'static str);

impl<T: Options> Kind<T> for Section {
    fn read(&self, document: &mut Document<'_>, _: &str, value: Value<'_>) -> Option<T> {
        let mut table = document.table(value, self.0, &T::keys())?;
        Some(T::read(document, &mut table))
    }

    fn default(&self) -> T {
        T::defaults()
    }

    fn describe(&self) -> Description {
        let is = Description::new(OptionKind::Table(self.0), Unset::Described(""), "");
        Description { nested: T::options(), ..is }
    }
}

/// Tables with this header, at most so many, and what reads each of them.
#[derive(Debug)]
pub struct Tables<T>(pub &'static str, pub usize, pub fn(&mut Pass<'_, '_, '_>) -> Option<T>);

impl<T> Kind<Vec<T>> for Tables<T> {
    fn read(&self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Vec<T>> {
        let Self(header, most, pass) = *self;
        let span = value.span.clone();
        let values = match value.value {
            DeValue::Table(_) => vec![value],
            _ => document.array(value, &format!("`{key}`"), "an array of tables")?,
        };
        if values.len() > most {
            document.problem(span, format!("more than {most} times {header}"), "write fewer");
            return None;
        }
        let keys = describe(pass).keys;
        let read = values.into_iter().filter_map(|value| {
            let mut table = document.table(value, header, &keys)?;
            pass(&mut Pass::reading(document, &mut table))
        });
        Some(read.collect())
    }

    fn default(&self) -> Vec<T> {
        Vec::new()
    }

    fn describe(&self) -> Description {
        let is = Description::new(OptionKind::Table(self.0), Unset::Described(""), "");
        Description { nested: describe(self.2).options, many: Many::OneOrList(0, self.1), ..is }
    }
}

/// Absolute paths as in the `PATH` of a shell.
pub const PATHS: Form<Vec<PathBuf>> =
    Form { kind: OptionKind::AbsolutePath, bounds: "absolute paths, separated by `:`", read: read_paths };

fn read_paths(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Vec<PathBuf>> {
    let hint = "write absolute paths with `:` between them, as in containerd's config_path";
    document.parsed(key, value, ["is not a list of absolute paths", hint], |text| {
        let paths: Vec<PathBuf> = std::env::split_paths(text).collect();
        let right =
            !text.contains('\0') && !text.contains("://") && paths.iter().all(|path| path.is_absolute());
        right.then_some(paths)
    })
}

/// An absolute path.
pub const PATH: Form<PathBuf> =
    Form { kind: OptionKind::AbsolutePath, bounds: "absolute path", read: read_path };

fn read_path(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<PathBuf> {
    let (text, span) = document.string(value, &format!("`{key}`"))?;
    let path = PathBuf::from(&text);
    if path.is_absolute() && !text.contains('\0') {
        return Some(path);
    }
    let hint = if text.contains("://") {
        "write only the path, without a scheme such as `unix://`"
    } else {
        "write an absolute path, which begins with `/`"
    };
    document.problem(span, format!("`{key}` is not an absolute path"), hint);
    None
}
