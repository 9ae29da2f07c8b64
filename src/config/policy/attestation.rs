//! `[attestation.NAME]`: a condition that attestations of an image have to meet.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::SignedDuration;
use toml::de::DeValue;

use super::namespace::{Name, read_signers};
use super::options::{self, MAX_AGE, MAX_EXCEPT, MAX_TEXTS};
use crate::config::document::{Document, Table, Value};
use crate::config::suggest;
use crate::policy::Condition;
use crate::signature::PREDICATE_TYPE;
use crate::signature::attestation::{
    Expected, MAX_FIELDS, Pointer, Provenance, Sbom, SbomFormat, SeverityLimit, StatementTerms, Summary,
    TermsKind, Vulnerabilities,
};
use crate::trust::Pattern;
use pullgate_config::description::TypeKeys;
use pullgate_config::duration::{AGES, parse_number};
use pullgate_config::kind::{Choice, Kind as _};
use pullgate_config::options::ReadByHand;
use pullgate_config::values::check_name;

/// A condition, or its name alone if it is not valid.
pub(super) struct DeclaredCondition {
    pub(super) name: String,
    pub(super) condition: Option<Condition>,
    /// The authenticators that it names.
    pub(super) names: Vec<Name>,
}

#[derive(Clone, Copy)]
enum Type {
    Provenance,
    Vulnerabilities,
    Sbom,
    Summary,
    Custom,
}

impl Type {
    const ALL: [(&'static str, Self); 5] = [
        ("slsa-provenance", Self::Provenance),
        ("vulnerabilities", Self::Vulnerabilities),
        ("sbom", Self::Sbom),
        ("vsa", Self::Summary),
        ("custom", Self::Custom),
    ];

    /// The keys that a table of this type may have.
    fn keys(self) -> Vec<&'static str> {
        let own = match self {
            Self::Provenance => options::PROVENANCE,
            Self::Vulnerabilities => options::VULNERABILITIES,
            Self::Sbom => options::SBOM,
            Self::Summary => options::SUMMARY,
            Self::Custom => options::CUSTOM,
        };
        [options::ATTESTATION, own].map(ReadByHand::keys).concat()
    }
}

/// The keys of each type.
pub(super) fn keys_by_type() -> impl Iterator<Item = TypeKeys> {
    let header = "[attestation.NAME]";
    Type::ALL.into_iter().map(move |(name, kind)| TypeKeys {
        header,
        name,
        is_default: false,
        keys: kind.keys(),
    })
}

/// Reads one condition.
pub(super) fn read(
    document: &mut Document<'_>,
    name: String,
    at: Range<usize>,
    value: Value<'_>,
) -> DeclaredCondition {
    check_name(document, &name, &at);
    let mut names = Vec::new();
    let condition = read_condition(document, &name, at, value, &mut names);
    DeclaredCondition { name, condition, names }
}

fn read_condition(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    value: Value<'_>,
    names: &mut Vec<Name>,
) -> Option<Condition> {
    let kind = read_type(document, name, &at, &value)?;
    let what = format!("[attestation.{name}]");
    let mut table = document.table(value, &what, &kind.keys())?;
    table.take("type");
    let mut reader = Reader { document, name, at };
    let by = reader.required(&mut table, "by", "\"ci\"");
    let by = by.and_then(|value| read_signers(reader.document, value, names));
    let max_age = table.take("max-age").map(|value| reader.age(value));
    let fields = table.take("fields").map_or(Some(BTreeMap::new()), |value| reader.fields(value));
    let kind = reader.kind(kind, &mut table, max_age.is_some());
    if max_age == Some(None) {
        return None;
    }
    let terms = StatementTerms::new(name.to_owned(), kind?, fields?, max_age.flatten());
    Some(Condition::new(terms, by?))
}

fn read_type(document: &mut Document<'_>, name: &str, at: &Range<usize>, table: &Value<'_>) -> Option<Type> {
    let names = Type::ALL.map(|(name, _)| name);
    let entries = match &table.value {
        DeValue::Table(entries) => entries,
        other => {
            document.wrong_type(table.span.clone(), &format!("[attestation.{name}]"), "a table", other);
            return None;
        }
    };
    let Some((_, value)) = entries.iter().find(|(key, _)| key.get_ref() == "type") else {
        let message = format!("attestation {} has no `type`", suggest::quoted(name));
        document.problem(at.clone(), message, format!("write one of `{}`", names.join("`, `")));
        return None;
    };
    let DeValue::String(text) = value.get_ref() else {
        document.wrong_type(value.span(), "`type`", "a string", value.get_ref());
        return None;
    };
    let found = Type::ALL.into_iter().find(|(name, _)| name == text).map(|(_, kind)| kind);
    if found.is_none() {
        let message = format!("unknown value {} for `type`", suggest::quoted(text));
        document.problem(value.span(), message, suggest::one_of(text, &names));
    }
    found
}

/// Reads the keys of one condition.
struct Reader<'r, 'd> {
    document: &'r mut Document<'d>,
    name: &'r str,
    at: Range<usize>,
}

impl Reader<'_, '_> {
    fn kind(&mut self, kind: Type, table: &mut Table<'_>, has_age: bool) -> Option<TermsKind> {
        match kind {
            Type::Provenance => self.provenance(table).map(TermsKind::Provenance),
            Type::Vulnerabilities => self.vulnerabilities(table, has_age).map(TermsKind::Vulnerabilities),
            Type::Sbom => self.sbom(table).map(TermsKind::Sbom),
            Type::Summary => self.summary(table).map(TermsKind::Summary),
            Type::Custom => self.custom(table, has_age),
        }
    }

    fn provenance(&mut self, table: &mut Table<'_>) -> Option<Provenance> {
        let example = "\"https://github.com/actions/runner/github-hosted\"";
        let builders = self.required(table, "builder", example);
        let builders = builders.and_then(|value| self.texts("builder", value, MAX_TEXTS));
        let repository = table.take("source-repository").map(|value| {
            let span = value.span.clone();
            let pattern = self.pattern("source-repository", value)?;
            if !pattern.names_somebody() {
                let hint = "name at least the owner after the host, as in `https://host/acme/**`";
                self.document.problem(span, "`source-repository` accepts every repository", hint);
                return None;
            }
            Some(pattern)
        });
        let reference = table.take("source-ref").map(|value| self.pattern("source-ref", value));
        let types = table
            .take("build-type")
            .map_or(Some(BTreeSet::new()), |value| self.texts("build-type", value, MAX_TEXTS));
        Some(Provenance {
            builders: builders?,
            source_repository: repository.map_or(Some(None), |read| read.map(Some))?,
            source_ref: reference.map_or(Some(None), |read| read.map(Some))?,
            build_types: types?,
        })
    }

    fn vulnerabilities(&mut self, table: &mut Table<'_>, has_age: bool) -> Option<Vulnerabilities> {
        if !has_age {
            self.missing("max-age", "\"7d\"");
        }
        let limit = self.required(table, "max-severity", "\"medium\"");
        let all = SeverityLimit::ALL.map(|limit| (limit.name(), limit));
        let limit = limit
            .and_then(|value| Choice(&all, SeverityLimit::None).read(self.document, "max-severity", value));
        let except = table
            .take("except")
            .map_or(Some(BTreeSet::new()), |value| self.texts("except", value, MAX_EXCEPT));
        Some(Vulnerabilities::new(limit?, except?)).filter(|_| has_age)
    }

    fn sbom(&mut self, table: &mut Table<'_>) -> Option<Sbom> {
        let Some(value) = table.take("formats") else {
            return Some(Sbom::new(BTreeSet::from(SbomFormat::ALL)));
        };
        let (span, all) = (value.span.clone(), SbomFormat::ALL.map(|format| (format.name(), format)));
        let elements = self.document.array(value, "`formats`", "a list, as in [\"spdx\"]")?;
        let count = elements.len();
        let choice = Choice(&all, SbomFormat::Spdx);
        let read = elements.into_iter().filter_map(|element| choice.read(self.document, "formats", element));
        let read: Vec<SbomFormat> = read.collect();
        if count == 0 {
            self.document.problem(
                span,
                "`formats` is empty, so no SBOM would meet the condition",
                "remove it",
            );
            return None;
        }
        (read.len() == count).then(|| Sbom::new(read.into_iter().collect()))
    }

    fn summary(&mut self, table: &mut Table<'_>) -> Option<Summary> {
        let verifiers = self.required(table, "verifier", "\"https://example.com/verifier\"");
        let verifiers = verifiers.and_then(|value| self.texts("verifier", value, MAX_TEXTS));
        let resource = self.required(table, "resource", "\"oci://registry.example.com/team/**\"");
        let resource = resource.and_then(|value| self.pattern("resource", value));
        let levels = table
            .take("levels")
            .map_or(Some(BTreeSet::new()), |value| self.texts("levels", value, MAX_TEXTS));
        Some(Summary { verifiers: verifiers?, resource: resource?, levels: levels? })
    }

    fn custom(&mut self, table: &mut Table<'_>, has_age: bool) -> Option<TermsKind> {
        let predicate_type = self.required(table, "predicate-type", "\"https://example.com/review/v1\"");
        let predicate_type = predicate_type.and_then(|value| {
            let (text, span) = self.document.string(value, "`predicate-type`")?;
            if text.is_empty() || text == PREDICATE_TYPE {
                let hint = "write the type of an attestation, such as \"https://example.com/review/v1\"; to require \
                            signatures, use `require`";
                let message = format!(
                    "`predicate-type` must be the type of an attestation, but is {}",
                    suggest::quoted(&text)
                );
                self.document.problem(span, message, hint);
                return None;
            }
            Some(text)
        });
        let time = table.take("time").map(|value| {
            let span = value.span.clone();
            if !has_age {
                self.document.problem(
                    span,
                    "`time` needs `max-age`",
                    "remove `time`, or add for example `max-age = \"7d\"`",
                );
                return None;
            }
            let (text, span) = self.document.string(value, "`time`")?;
            self.pointer("`time`", &text, span)
        });
        if time == Some(None) {
            return None;
        }
        Some(TermsKind::Custom { predicate_type: predicate_type?, time: time.flatten() })
    }

    fn required<'v>(&mut self, table: &mut Table<'v>, key: &str, example: &str) -> Option<Value<'v>> {
        let value = table.take(key);
        if value.is_none() {
            self.missing(key, example);
        }
        value
    }

    fn missing(&mut self, key: &str, example: &str) {
        let message = format!("attestation {} has no `{key}`", suggest::quoted(self.name));
        self.document.problem(self.at.clone(), message, format!("add for example `{key} = {example}`"));
    }

    /// One text, or a list of up to `most`.
    fn texts(&mut self, key: &str, value: Value<'_>, most: usize) -> Option<BTreeSet<String>> {
        let span = value.span.clone();
        let values = match value.value {
            DeValue::String(_) => vec![value],
            _ => self.document.array(value, &format!("`{key}`"), "a text, or a list of texts")?,
        };
        let count = values.len();
        let texts: Vec<String> = values
            .into_iter()
            .filter_map(|value| self.document.string(value, &format!("`{key}`")))
            .map(|(text, _)| text)
            .collect();
        if count == 0 || count > most || texts.iter().any(String::is_empty) {
            let message = format!("`{key}` must be 1 to {most} texts");
            self.document.problem(span, message, "write no empty text; pullgate compares each text exactly");
            return None;
        }
        (texts.len() == count).then(|| texts.into_iter().collect())
    }

    fn pattern(&mut self, key: &str, value: Value<'_>) -> Option<Pattern> {
        let (text, span) = self.document.string(value, &format!("`{key}`"))?;
        Pattern::parse(&text)
            .map_err(|error| {
                let hint =
                    "write the exact text, or a pattern: `*` stands for any characters except `/`, `**` for any characters";
                self.document.problem(span, format!("`{key}` {error}"), hint);
            })
            .ok()
    }

    fn pointer(&mut self, what: &str, text: &str, span: Range<usize>) -> Option<Pointer> {
        Pointer::parse(text)
            .map_err(|error| {
                let hint = "write where the field is in the predicate, as in `/metadata/reviewer`";
                self.document.problem(span, format!("{what} {error}"), hint);
            })
            .ok()
    }

    fn age(&mut self, value: Value<'_>) -> Option<SignedDuration> {
        let words = ["is not an age of 1m to 3650d", "write for example `12h` or `7d`"];
        self.document.parsed("max-age", value, words, read_age)
    }

    fn fields(&mut self, value: Value<'_>) -> Option<BTreeMap<Pointer, Expected>> {
        let span = value.span.clone();
        let entries = self.document.open_table(value, "`fields`")?.entries;
        let count = entries.len();
        if count == 0 || count > MAX_FIELDS {
            let message = format!("`fields` has {count} entries, but must have 1 to {MAX_FIELDS}");
            self.document.problem(
                span,
                message,
                "write for example `fields = { \"/result\" = \"approved\" }`",
            );
            return None;
        }
        let mut fields = BTreeMap::new();
        for (key, key_at, value) in entries {
            let pointer = self.pointer(&format!("field {}", suggest::quoted(&key)), &key, key_at);
            let expected = self.expected(value);
            if let (Some(pointer), Some(expected)) = (pointer, expected) {
                fields.insert(pointer, expected);
            }
        }
        (fields.len() == count).then_some(fields)
    }

    fn expected(&mut self, value: Value<'_>) -> Option<Expected> {
        match value.value {
            DeValue::String(text) => Some(Expected::Text(text.into_owned())),
            DeValue::Boolean(value) => Some(Expected::Boolean(value)),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                if number.is_none() {
                    self.document.problem(value.span, "a field is out of range", "write a 64-bit integer");
                }
                number.map(Expected::Integer)
            }
            other => {
                self.document.wrong_type(
                    value.span,
                    "a field",
                    "a text, a whole number, or true or false",
                    &other,
                );
                None
            }
        }
    }
}

/// Reads a whole number with its unit: `90m`, `12h` or `7d`.
fn read_age(text: &str) -> Option<SignedDuration> {
    let seconds = parse_number(text, AGES)?;
    let age = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    (SignedDuration::from_secs(60)..=MAX_AGE).contains(&age).then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_unit_and_bounds() {
        for (text, seconds) in
            [("1m", Some(60)), ("12h", Some(43_200)), ("7d", Some(604_800)), ("3650d", Some(315_360_000))]
        {
            assert_eq!(read_age(text).map(|age| age.as_secs()), seconds, "{text}");
        }
        for text in
            ["", "7", "d", "0d", "3651d", "-1d", "+1d", "1.5d", "7 d", "60s", "9223372036854775807d", "7é"]
        {
            assert_eq!(read_age(text), None, "{text}");
        }
    }
}
