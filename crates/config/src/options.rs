//! Declarations of options: each option once, with [`options!`](crate::options!).

pub use crate::description::OptionDoc;
use crate::description::{Kind, Many, OptionKind, Unset};
use crate::document::{Document, Table};

/// The options of `T`, which is all of `file`.
#[must_use]
pub fn documentation<T: Options>(file: &'static str) -> Vec<OptionDoc> {
    T::options().into_iter().map(|option| OptionDoc { file, ..option }).collect()
}

/// A struct whose fields are options of one table.
pub trait Options: Sized {
    /// Visits each option in the order of the documentation.
    fn pass(pass: &mut Pass<'_, '_, '_>) -> Self;

    /// The defaults.
    fn defaults() -> Self {
        Self::pass(&mut Pass { source: None, spans: Vec::new(), described: None })
    }

    /// Takes the options out of `table`. An option that is missing or not valid has its default; the latter is noted as a
    /// problem.
    fn read(document: &mut Document<'_>, table: &mut Table<'_>) -> Self {
        Self::pass(&mut Pass::reading(document, table))
    }

    /// The descriptions of the options.
    fn options() -> Vec<OptionDoc> {
        describe(Self::pass).options
    }

    /// The keys that the table may have.
    fn keys() -> Vec<&'static str> {
        describe(Self::pass).keys
    }

    /// Takes the table `name` out of `root` and reads it.
    fn section(document: &mut Document<'_>, root: &mut Table<'_>, name: &str) -> Self {
        let table = root.take(name);
        let table = table.and_then(|table| document.table(table, &format!("[{name}]"), &Self::keys()));
        table.map_or_else(Self::defaults, |mut table| Self::read(document, &mut table))
    }
}

/// The keys and the options that `visit` visits.
pub(crate) fn describe<T>(visit: impl FnOnce(&mut Pass<'_, '_, '_>) -> T) -> Described {
    let mut pass = Pass { source: None, spans: Vec::new(), described: Some(Described::default()) };
    visit(&mut pass);
    pass.described.unwrap_or_default()
}

#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(crate) keys: Vec<&'static str>,
    pub(crate) options: Vec<OptionDoc>,
}

/// What applies without an option that is always required, in a table that is read by hand.
pub const REQUIRED: &str = "–";

/// An option of a table that is read by hand: see [`read_by_hand!`](crate::read_by_hand).
#[derive(Debug)]
pub struct ReadByHand {
    pub key: &'static str,
    pub kind: OptionKind,
    pub many: Many,
    /// What applies without it: [`REQUIRED`], or empty where it has to be set if others are not, or if others are.
    pub unset: &'static str,
    pub bounds: &'static str,
    pub doc: &'static [&'static str],
}

impl ReadByHand {
    /// The keys.
    #[must_use]
    pub fn keys(options: &[Self]) -> Vec<&'static str> {
        options.iter().map(|option| option.key).collect()
    }

    /// The descriptions, for the section `header` and with `prefix` before each key.
    pub fn describe<'a>(
        header: &str,
        prefix: &str,
        options: &'a [Self],
    ) -> impl Iterator<Item = OptionDoc> + 'a {
        let (header, prefix) = (header.to_owned(), prefix.to_owned());
        options.iter().map(move |option| OptionDoc {
            file: "",
            section: header.clone(),
            key: format!("{prefix}{}", option.key),
            kind: option.kind,
            many: option.many,
            default: match option.unset {
                "" => Unset::Depends,
                REQUIRED => Unset::Required,
                words => Unset::Described(words),
            },
            bounds: option.bounds.to_owned(),
            doc: one_line(option.doc),
            example: "",
        })
    }
}

/// One visit to all options of a struct: to read them, to describe them, or for their defaults.
#[derive(Debug)]
pub struct Pass<'p, 'd, 't> {
    source: Option<(&'p mut Document<'d>, &'p mut Table<'t>)>,
    /// Where the values that were read are.
    spans: Vec<(&'static str, std::ops::Range<usize>)>,
    described: Option<Described>,
}

impl<'p, 'd, 't> Pass<'p, 'd, 't> {
    /// A visit that takes the options out of `table`.
    pub(crate) fn reading(document: &'p mut Document<'d>, table: &'p mut Table<'t>) -> Self {
        Self { source: Some((document, table)), spans: Vec::new(), described: None }
    }

    /// Visits one option.
    pub fn option<T>(&mut self, key: &'static str, doc: &[&str], kind: &impl Kind<T>) -> T {
        if let Some(described) = &mut self.described {
            described.add(key, doc, kind);
        }
        let value = self.source.as_mut().and_then(|(document, table)| {
            let value = table.take(key)?;
            self.spans.push((key, value.span.clone()));
            kind.read(document, key, value)
        });
        value.unwrap_or_else(|| kind.default())
    }

    /// Whether a key is in the table, valid or not.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.spans.iter().any(|(name, _)| *name == key)
            || self.source.as_ref().is_some_and(|(_, table)| table.has(key))
    }

    /// Whether problems were noted before, also in other tables.
    #[must_use]
    pub fn has_problems(&self) -> bool {
        self.source.as_ref().is_some_and(|(document, _)| !document.problems.is_empty())
    }

    /// Notes a problem at the value of `key`, or at the table if it has no such key.
    pub fn problem(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let Some((document, table)) = &mut self.source else { return };
        let written = self.spans.iter().find(|(name, _)| *name == key);
        let span = written.map_or_else(|| table.span.clone(), |(_, span)| span.clone());
        document.problem(span, message, hint);
    }
}

impl Described {
    fn add<T>(&mut self, key: &'static str, doc: &[&str], kind: &impl Kind<T>) {
        self.keys.push(key);
        let is = kind.describe();
        // The tables of a file are its sections; a table in one is part of it.
        let header = match is.kind {
            OptionKind::Table(header) if header.trim_matches(['[', ']']) == key => header,
            _ => "",
        };
        let own = if header.is_empty() { key } else { "" };
        self.options.push(OptionDoc {
            file: "",
            section: header.to_owned(),
            key: own.to_owned(),
            kind: is.kind,
            many: is.many,
            default: is.unset,
            bounds: is.bounds,
            doc: one_line(doc),
            example: is.example,
        });
        self.options.extend(is.nested.into_iter().map(|option| match header {
            "" => OptionDoc { key: format!("{key}.{}", option.key), ..option },
            header => OptionDoc { section: header.to_owned(), ..option },
        }));
    }
}

fn one_line(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Declares the options of a table that is read by hand: meaning, key, [`OptionKind`], what applies without it (see
/// [`ReadByHand::unset`]), and its values in words. A kind with `[least..=most]` behind it is a list; with a `|` between, one
/// value or a list.
///
/// ```
/// use pullgate_config::options::{REQUIRED, ReadByHand};
/// use pullgate_config::read_by_hand;
///
/// const RULE: &[ReadByHand] = read_by_hand! {
///     /// The images that the rule applies to.
///     "scope": Text | [1..=100], REQUIRED, "a scope, or 1 to 100 of them";
/// };
/// assert_eq!(ReadByHand::keys(RULE), ["scope"]);
/// ```
#[macro_export]
macro_rules! read_by_hand {
    ($(
        $(#[doc = $doc:expr])+
        $key:literal: $kind:ident $(($($of:expr),+))? $([$least:literal..=$most:expr])?
            $(| [$least_of:literal..=$most_of:expr])?, $unset:expr, $bounds:expr;
    )*) => {
        &[$($crate::options::ReadByHand {
            key: $key,
            kind: $crate::description::OptionKind::$kind $(($($of),+))?,
            many: $crate::read_by_hand!(@many $($least, $most)? $(| $least_of, $most_of)?),
            unset: $unset,
            bounds: $bounds,
            doc: &[$($doc),+],
        }),*]
    };
    (@many) => { $crate::description::Many::One };
    (@many $least:literal, $most:expr) => { $crate::description::Many::List($least, $most) };
    (@many | $least:literal, $most:expr) => { $crate::description::Many::OneOrList($least, $most) };
}

/// Declares the options of one table, each once: its meaning as the doc comment, the field, the key, and a
/// [`Kind`](crate::kind::Kind) with default and bounds.
///
/// The declaration gives the struct, `Default`, and [`Options`], which reads and describes them. A field with a function
/// in braces instead of a key is read by that function, from the same table. `also { … }` behind the struct adds fields
/// that no file sets; `check` names a function that compares the options with each other.
///
/// ```
/// use pullgate_config::kind::count;
/// use pullgate_config::options::Options as _;
///
/// pullgate_config::options! {
///     /// What a request may take.
///     #[derive(Debug)]
///     pub struct Limits {
///         /// How many redirects one request may follow.
///         redirects: usize = "redirects", count(3, 0, 10);
///     }
/// }
/// assert_eq!(Limits::default().redirects, 3);
/// assert_eq!(Limits::options()[0].bounds, "0 to 10");
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($(#[doc = $doc:expr])+ $field:ident: $type:ty $({ $part:expr })? $(= $key:literal, $kind:expr)?;)*
        }
        $(also { $($(#[$more_meta:meta])* $more:ident: $more_type:ty = $value:expr;)* })?
        $(check $check:path;)?
    ) => {
        $(#[$meta])*
        $visibility struct $name {
            $($(#[doc = $doc])+ $visibility $field: $type,)*
            $($($(#[$more_meta])* $visibility $more: $more_type,)*)?
        }

        impl $crate::options::Options for $name {
            fn pass(pass: &mut $crate::options::Pass<'_, '_, '_>) -> Self {
                let options = Self {
                    $($field: $crate::options!(@value pass, [$($doc),+] $(, $key, $kind)? $(, { $part })?),)*
                    $($($more: $value,)*)?
                };
                $($check(&options, pass);)?
                options
            }
        }

        impl Default for $name {
            fn default() -> Self {
                <Self as $crate::options::Options>::defaults()
            }
        }
    };
    (@value $pass:ident, [$($doc:expr),+], $key:literal, $kind:expr) => {
        $pass.option($key, &[$($doc),+], &$kind)
    };
    (@value $pass:ident, [$($doc:expr),+], { $part:expr }) => { $part($pass) };
}
