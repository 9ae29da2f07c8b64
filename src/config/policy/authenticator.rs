//! `[authenticator.NAME]`: whose signatures count. What follows `type` is read by kind; keys are read here.

use std::ops::Range;

use jiff::Timestamp;
use toml::de::DeValue;

mod attestor;
mod certificate;
mod certificates;
mod gpg;
mod keyless;
mod notation;

use super::advice::advice;
use super::key_files::KeyFiles;
use super::options;
use super::remote::RemoteTable;
use super::source::{self, Source};
use crate::config::document::{Document, Table, Value};
use crate::config::suggest;
use crate::trust::{
    Algorithm, Authenticator, Key, KeyError, KeySet, LogUse, MAX_KEYS, MAX_PEM_BYTES, PssSalt, PublicKey,
    Signers, TrustedRoot,
};
use pullgate_config::description::TypeKeys;
use pullgate_config::options::ReadByHand;
use pullgate_config::values::{check_name, read_algorithm};

/// An authenticator, or its name alone if it is not valid.
pub(super) struct DeclaredAuthenticator {
    pub(super) name: String,
    pub(super) authenticator: Option<Authenticator>,
}

/// What applies to keys that do not set it.
struct Defaults<'a> {
    name: &'a str,
    algorithms: Option<Vec<Algorithm>>,
    salt: Option<PssSalt>,
    remote: RemoteTable,
}

/// Reads one authenticator.
pub(super) fn read(
    document: &mut Document<'_>,
    name: String,
    at: Range<usize>,
    value: Value<'_>,
    files: KeyFiles<'_>,
) -> DeclaredAuthenticator {
    check_name(document, &name, &at);
    let authenticator = read_type(document, &value).and_then(|kind| {
        let table = document.table(value, &format!("[authenticator.{name}]"), &kind.keys())?;
        match kind {
            Type::Key => read_keys(document, &name, at, table, files),
            Type::Keyless => keyless::read(document, &name, at, table, files),
            Type::Notation => notation::read(document, &name, at, table, files),
            Type::Gpg => gpg::read(document, &name, at, table, files),
            Type::Certificate => certificate::read(document, &name, at, table, files),
            Type::Attestor => attestor::read(document, &name, at, table, files),
        }
    });
    DeclaredAuthenticator { name, authenticator }
}

/// The keys of each type.
pub(super) fn keys_by_type() -> impl Iterator<Item = TypeKeys> {
    Type::ALL.into_iter().map(|(name, kind)| TypeKeys {
        header: "[authenticator.NAME]",
        name,
        is_default: matches!(kind, Type::Key),
        keys: kind.keys(),
    })
}

/// A `type` of authenticator.
#[derive(Clone, Copy)]
enum Type {
    Key,
    Keyless,
    Notation,
    Certificate,
    Gpg,
    Attestor,
}

impl Type {
    const ALL: [(&'static str, Self); 6] = [
        ("key", Self::Key),
        ("keyless", Self::Keyless),
        ("notation", Self::Notation),
        ("certificate", Self::Certificate),
        ("gpg", Self::Gpg),
        ("attestor", Self::Attestor),
    ];

    /// The keys that a table of this type may have.
    fn keys(self) -> Vec<&'static str> {
        let of_keys = || options::with_remote(options::AUTHENTICATOR);
        match self {
            Self::Key => [of_keys(), vec!["keys", "log", "trust-root"]].concat(),
            Self::Keyless => [ReadByHand::keys(options::KEYLESS), vec!["type"]].concat(),
            Self::Notation => {
                [ReadByHand::keys(options::X509), ReadByHand::keys(options::NOTATION), vec!["type"]].concat()
            }
            Self::Certificate => {
                [ReadByHand::keys(options::X509), ReadByHand::keys(options::CERTIFICATE), vec!["type"]]
                    .concat()
            }
            Self::Gpg => [vec!["type"], ReadByHand::keys(options::GPG)].concat(),
            Self::Attestor => [of_keys(), vec!["keys"], ReadByHand::keys(options::GPG)].concat(),
        }
    }
}

/// The `type`, which decides what other keys the table may have.
fn read_type(document: &mut Document<'_>, table: &Value<'_>) -> Option<Type> {
    let DeValue::Table(entries) = &table.value else { return Some(Type::Key) };
    let Some((key, value)) = entries.iter().find(|(key, _)| key.get_ref() == "type") else {
        return Some(Type::Key);
    };
    match value.get_ref() {
        DeValue::String(text) => {
            let found = Type::ALL.into_iter().find(|(name, _)| name == text);
            if found.is_none() {
                let message = format!("unknown value {} for `type`", suggest::quoted(text));
                document.problem(
                    value.span(),
                    message,
                    suggest::one_of(text, &Type::ALL.map(|(name, _)| name)),
                );
            }
            found.map(|(_, kind)| kind)
        }
        other => {
            document.wrong_type(key.span(), "`type`", "a string", other);
            None
        }
    }
}

fn read_keys(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    mut table: Table<'_>,
    mut files: KeyFiles<'_>,
) -> Option<Authenticator> {
    let log_roots = read_log_roots(document, name, &mut table, &at, &mut files);
    let mut keys = read_key_set(document, name, at, &mut table, &mut files)?;
    if let Some((roots, roots_at)) = log_roots? {
        let logged = keys.logged(roots).map_err(|error| keyless::report(document, roots_at, &error));
        keys = logged.ok()?;
    }
    Some(Authenticator::of(name.to_owned(), Signers::Keys(keys)))
}

/// Reads `keys`, and what applies to all of them.
fn read_key_set(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    table: &mut Table<'_>,
    files: &mut KeyFiles<'_>,
) -> Option<KeySet> {
    let algorithms = table.take("algorithm").map(|value| read_algorithms(document, value));
    let salt_at = table.take("salt-length");
    let salt_span = salt_at.as_ref().map(|value| value.span.clone());
    let salt = salt_at.map(|value| read_salt(document, value));
    let wanted = RemoteTable::read(document, table);
    let Some(keys) = table.take("keys") else {
        let hint = "add for example `keys = [{ file = \"keys/release.pem\" }]`";
        document.problem(at, format!("authenticator {} has no `keys`", suggest::quoted(name)), hint);
        return None;
    };
    let keys_at = keys.span.clone();
    let elements = document.array(keys, "`keys`", "a list, as in [{ file = \"keys/release.pem\" }]")?;
    let count = elements.len();
    if count > MAX_KEYS {
        let message = format!("authenticator {} has more than {MAX_KEYS} keys", suggest::quoted(name));
        document.problem(keys_at, message, "remove the keys that are no longer used");
        return None;
    }
    // The problem is noted already; keys that do not set it would repeat it.
    let broken = algorithms == Some(None) || salt == Some(None);
    let defaults = Defaults { name, algorithms: algorithms.flatten(), salt: salt.flatten(), remote: wanted };
    let read: Vec<Vec<Key>> =
        elements.into_iter().filter_map(|it| read_key(document, it, &defaults, broken, files)).collect();
    if read.len() < count || broken {
        return None;
    }
    let read: Vec<Key> = read.into_iter().flatten().collect();
    if let (Some(span), false) =
        (salt_span, read.iter().any(|key| key.public.algorithm().is_pss()) || count == 0)
    {
        let message = "`salt-length` is set, but no key here uses RSASSA-PSS";
        document.problem(span, message, "remove it");
    }
    defaults.remote.check_used(document, read.iter().any(|key| key.remote.is_some()));
    let keys = KeySet::new(name.to_owned(), read).map_err(|error| {
        let (message, hint) = advice(&error, "correct the list of keys");
        document.problem(keys_at, message, hint);
    });
    keys.ok()
}

/// The roots of which a log must have an entry of each signature, and where they are named; `None` within if none must.
fn read_log_roots(
    document: &mut Document<'_>,
    name: &str,
    table: &mut Table<'_>,
    at: &Range<usize>,
    files: &mut KeyFiles<'_>,
) -> Option<Option<(Vec<TrustedRoot>, Range<usize>)>> {
    let logs = table.take("log").map_or(Some(LogUse::None), |value| keyless::read_logs(document, value))?;
    match logs {
        LogUse::Required => keyless::read_roots(document, name, table, at, files).map(Some),
        LogUse::None => {
            if let Some(roots) = table.take("trust-root") {
                let message = "`trust-root` has no effect on keys without `log = \"required\"`";
                document.problem(roots.span, message, "add `log = \"required\"`, or remove `trust-root`");
            }
            Some(None)
        }
    }
}

fn read_key(
    document: &mut Document<'_>,
    value: Value<'_>,
    defaults: &Defaults<'_>,
    broken: bool,
    files: &mut KeyFiles<'_>,
) -> Option<Vec<Key>> {
    let mut table = document.table(value, "a key", &options::with_remote(options::KEY))?;
    let window = read_window(document, &mut table);
    let algorithms = table.take("algorithm").map(|value| read_algorithms(document, value));
    let salt = table.take("salt-length").map(|value| read_salt(document, value));
    let own = RemoteTable::read(document, &mut table);
    let material = read_material(document, &mut table, files);
    let algorithms = match algorithms {
        Some(own) => own,
        None if defaults.algorithms.is_none() && !broken => {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            let hint =
                format!("add `algorithm` to the authenticator or the key; {}", suggest::one_of("", &known));
            document.problem(table.span, "the key has no `algorithm`", hint);
            None
        }
        None => defaults.algorithms.clone(),
    };
    let (material, algorithms) = (material?, algorithms?);
    let own_salt = match salt {
        Some(own) => Some(own?),
        None => None,
    };
    let mixed = algorithms.iter().any(|algorithm| algorithm.is_pss());
    let salt = |algorithm: Algorithm| match own_salt {
        // Where nothing has a salt, it is an error.
        Some(own) if algorithm.is_pss() || !mixed => own,
        _ => defaults.salt.filter(|_| algorithm.is_pss()).unwrap_or_default(),
    };
    let wanted: Vec<_> = algorithms.into_iter().map(|algorithm| (algorithm, salt(algorithm))).collect();
    let (pinned, public, origin) = match material {
        Material::Pem { text, origin, span } => {
            let public =
                wanted.into_iter().map(|(algorithm, salt)| PublicKey::from_pem(&text, algorithm, salt));
            let public = public.collect::<Result<Vec<_>, _>>().map_err(|error| {
                let otherwise = match &error {
                    KeyError::Kind { found, .. } => fitting(found),
                    _ => "put the public key as one PEM block of type PUBLIC KEY here".to_owned(),
                };
                let (message, hint) = advice(&error, &otherwise);
                document.problem(span, format!("{origin}: {message}"), hint);
            });
            (None, public.ok(), origin)
        }
        Material::Elsewhere(source) => {
            let origin = source.location.to_string();
            let mut pinned = None;
            let public = wanted.into_iter().map(|(algorithm, salt)| {
                let wanted = (defaults.name, algorithm, salt);
                let (key, public) = source.find(document, wanted, files.known, files.declared);
                pinned.get_or_insert(key);
                public
            });
            let public = public.collect();
            (pinned, public, origin)
        }
    };
    let wanted = own.clone().or(&defaults.remote);
    let remote = wanted.demand(document, pinned.as_ref());
    if let Ok(demanded) = &remote {
        own.check_used(document, demanded.is_some());
    }
    let (not_before, not_after) = window?;
    let remote = remote.ok()?;
    let key = |public| Key { public, not_before, not_after, origin: origin.clone(), remote: remote.clone() };
    Some(public?.into_iter().map(key).collect())
}

/// One algorithm, or a list of them: keys outlive the tools that sign with them, and the hash changes with the tool.
fn read_algorithms(document: &mut Document<'_>, value: Value<'_>) -> Option<Vec<Algorithm>> {
    if !matches!(value.value, DeValue::Array(_)) {
        return read_algorithm(document, value).map(|one| vec![one]);
    }
    let span = value.span.clone();
    let elements = document.array(value, "`algorithm`", "a name, or a list of names")?;
    let count = elements.len();
    let algorithms: Vec<Algorithm> =
        elements.into_iter().filter_map(|element| read_algorithm(document, element)).collect();
    if algorithms.len() < count {
        return None;
    }
    let repeated =
        algorithms.iter().enumerate().any(|(at, one)| algorithms.iter().take(at).any(|it| it == one));
    if count == 0 || repeated {
        let message = if repeated {
            "`algorithm` names an algorithm more than once"
        } else {
            "`algorithm` is an empty list"
        };
        document.problem(span, message, "write each algorithm that the key signs with once");
        return None;
    }
    Some(algorithms)
}

/// The source of a public key.
enum Material {
    /// A PEM text, its name in messages, and its place.
    Pem {
        text: String,
        origin: String,
        span: Range<usize>,
    },
    Elsewhere(Source),
}

fn read_material(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    files: &mut KeyFiles<'_>,
) -> Option<Material> {
    match (table.take("file"), table.take("pem"), table.take("source")) {
        (None, None, Some(source)) => source::read(document, table, source).map(Material::Elsewhere),
        (Some(file), None, None) => {
            let (name, span) = document.string(file, "`file`")?;
            let path = files.directory.join(&name);
            let limit = u64::try_from(MAX_PEM_BYTES).unwrap_or(u64::MAX);
            let shown = suggest::quoted(&name);
            match files.content.read(files.root, &path, limit) {
                Ok(text) => {
                    files.read.push(path);
                    check_no_fingerprint(document, table);
                    let origin = shown.trim_matches('`').to_owned();
                    Some(Material::Pem { text, origin, span })
                }
                Err(error) => {
                    let hint = error.hint(&path);
                    document.problem(span, format!("key {shown}: {error}"), hint);
                    None
                }
            }
        }
        (None, Some(pem), None) => {
            let (text, span) = document.string(pem, "`pem`")?;
            let origin = format!("key in {}:{}", document.file(), document.place(span.start).line);
            check_no_fingerprint(document, table);
            Some(Material::Pem { text, origin, span })
        }
        (None, None, None) => {
            let message = "the key has neither `file` nor `pem` nor `source`";
            document.problem(table.span.clone(), message, "write `file`, `pem` or `source`");
            None
        }
        _ => {
            let message = "the key has more than one of `file`, `pem` and `source`";
            document.problem(table.span.clone(), message, "keep one of them");
            None
        }
    }
}

/// A fingerprint that nothing is compared with would look like one that is checked.
fn check_no_fingerprint(document: &mut Document<'_>, table: &mut Table<'_>) {
    if let Some(value) = table.take("fingerprint") {
        let message = "`fingerprint` cannot be combined with `file` or `pem`";
        document.problem(
            value.span,
            message,
            "remove `fingerprint`: it pins only a key that comes from a `source`",
        );
    }
}

type Window = (Option<Timestamp>, Option<Timestamp>);

fn read_window(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Window> {
    let not_before = table.take("not-before");
    let not_after = table.take("not-after");
    let span = not_after.as_ref().map(|value| value.span.clone());
    let from = not_before.map(|value| document.time(value, "`not-before`"));
    let until = not_after.map(|value| document.time(value, "`not-after`"));
    if from == Some(None) || until == Some(None) {
        return None;
    }
    let (from, until) = (from.flatten(), until.flatten());
    if let (Some(from), Some(until), Some(span)) = (from, until, span)
        && from >= until
    {
        let hint = "`not-before` is the first moment at which the key counts, `not-after` the first moment at which it no longer counts";
        document.problem(span, "`not-after` is not later than `not-before`", hint);
        return None;
    }
    Some((from, until))
}

fn read_salt(document: &mut Document<'_>, value: Value<'_>) -> Option<PssSalt> {
    if matches!(&value.value, DeValue::String(text) if text == "maximum") {
        return Some(PssSalt::Maximum);
    }
    let length = match &value.value {
        DeValue::Integer(_) => document.integer(&value, "`salt-length`")?.try_into().ok(),
        _ => None,
    };
    if length.is_none() {
        document.problem(
            value.span,
            "`salt-length` is neither a number of bytes nor \"maximum\"",
            "write 32, unless the signer uses another length",
        );
    }
    length.map(PssSalt::Length)
}

/// A hint that names the algorithms for a key of this kind.
fn fitting(kind: &str) -> String {
    let fit = Algorithm::ALL.iter().filter(|algorithm| algorithm.key_kind() == kind);
    let names: Vec<String> = fit.map(|algorithm| format!("`{algorithm}`")).collect();
    if names.is_empty() {
        return "no supported algorithm uses this type of key; use another key".to_owned();
    }
    format!("write {} for this key, or use another key", names.join(" or "))
}
