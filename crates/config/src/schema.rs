//! JSON schemas of configuration files, from the declarations of their options.
//!
//! For editors: a schema refuses unknown keys, wrong types and numbers out of their bounds. What depends on other options,
//! files or services is left to the program. Draft 7 is what editors for TOML know (taplo, and the list of SchemaStore).

use serde_json::{Map, Value, json};

use crate::description::{FileDoc, Many, OptionDoc, OptionKind, Range, TypeKeys, Unset};

/// Where the schemas are installed.
pub const DIRECTORY: &str = "/usr/share/pullgate/schema";

/// The last part of the header of tables whose names the operator chooses.
const NAMED: &str = "NAME";

/// Those names: [`check_name`](crate::values::check_name).
const NAME_PATTERN: &str = "^[A-Za-z0-9._-]{1,64}$";

/// A date and time with its offset, as TOML writes it.
const TIME_PATTERN: &str = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})$";

const DIGEST_PATTERN: &str = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$";

/// The schema of `file`, which is installed as `name`.json.
#[must_use]
pub fn schema(file: &FileDoc, name: &str) -> String {
    let options: Vec<(Vec<&str>, &OptionDoc)> =
        file.options.iter().map(|option| (path_of(option), option)).collect();
    let mut root = Tables { options: &options, types: &file.types }.table(&[]);
    root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    root.insert("$id".to_owned(), json!(format!("file://{DIRECTORY}/{name}.json")));
    root.insert("title".to_owned(), json!(file.heading));
    root.insert("description".to_owned(), json!(file.about));
    serde_json::to_string_pretty(&root).unwrap_or_default() + "\n"
}

/// The names of the tables around an option, and its key.
fn path_of(option: &OptionDoc) -> Vec<&str> {
    let keys = option.key.split('.').filter(|key| !key.is_empty());
    header(&option.section).into_iter().chain(keys).collect()
}

/// The names in the header of a table.
fn header(text: &str) -> Vec<&str> {
    text.trim_matches(['[', ']']).split('.').filter(|name| !name.is_empty()).collect()
}

/// The options of a file by their path, and the keys of types.
struct Tables<'o> {
    options: &'o [(Vec<&'o str>, &'o OptionDoc)],
    types: &'o [TypeKeys],
}

impl Tables<'_> {
    /// The table at this path.
    fn table(&self, path: &[&str]) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (at, option) in self.options {
            if let Some((key, above)) = at.split_last()
                && above == path
            {
                properties.insert((*key).to_owned(), self.option(option));
                if option.default == Unset::Required {
                    required.push(*key);
                }
            }
        }
        let mut table = object(&json!({ "type": "object", "additionalProperties": false }));
        table.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            table.insert("required".to_owned(), json!(required));
        }
        let types = self.types.iter().filter(|of| header(of.header) == path).map(only_its_keys);
        let types: Vec<Value> = types.collect();
        if !types.is_empty() {
            table.insert("allOf".to_owned(), json!(types));
        }
        table
    }

    fn option(&self, option: &OptionDoc) -> Value {
        let one = self.value(option.kind, option);
        let list = |least: usize, most: usize| {
            let mut list = object(&json!({ "type": "array", "items": one }));
            if least > 0 {
                list.insert("minItems".to_owned(), json!(least));
            }
            if most < usize::MAX {
                list.insert("maxItems".to_owned(), json!(most));
            }
            list
        };
        let mut schema = match option.many {
            Many::One => object(&one),
            Many::List(least, most) => list(least, most),
            Many::OneOrList(least, most) => one_or(&one, list(least, most)),
        };
        schema.insert("description".to_owned(), json!(option.description()));
        // Written as in TOML, which is JSON for numbers, texts, booleans and arrays of them.
        if let Unset::Default(value) = &option.default
            && let Ok(value) = serde_json::from_str::<Value>(value)
        {
            schema.insert("default".to_owned(), value);
        }
        Value::Object(schema)
    }

    fn value(&self, kind: OptionKind, option: &OptionDoc) -> Value {
        match kind {
            OptionKind::Boolean => json!({ "type": "boolean" }),
            OptionKind::Number(range) => number(range),
            OptionKind::Path | OptionKind::Text => json!({ "type": "string" }),
            OptionKind::AbsolutePath => json!({ "type": "string", "pattern": "^/" }),
            OptionKind::Sentence => json!({ "type": "string", "pattern": r"\S" }),
            OptionKind::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
            OptionKind::Choice => json!({ "enum": option.bounds.split(", ").collect::<Vec<_>>() }),
            OptionKind::Digest => json!({ "type": "string", "pattern": DIGEST_PATTERN }),
            OptionKind::Time => json!({ "type": "string", "pattern": TIME_PATTERN }),
            OptionKind::Texts(most) => {
                let text = json!({ "type": "string" });
                json!({ "type": "object", "additionalProperties": text, "maxProperties": most })
            }
            OptionKind::Fields(most) => {
                let value = json!({ "type": ["string", "integer", "boolean"] });
                json!({ "type": "object", "additionalProperties": value, "maxProperties": most })
            }
            OptionKind::Table(written) => {
                let path = header(written);
                let table = Value::Object(self.table(&path));
                if path.last() != Some(&NAMED) {
                    return table;
                }
                let names = json!({ "pattern": NAME_PATTERN });
                json!({ "type": "object", "propertyNames": names, "additionalProperties": table })
            }
            OptionKind::Part(written, keys) => {
                let mut table = self.table(&header(written));
                if let Some(Value::Object(properties)) = table.get_mut("properties") {
                    properties.retain(|key, _| keys.contains(&key.as_str()));
                }
                Value::Object(table)
            }
            OptionKind::List(kind, most) => {
                json!({ "type": "array", "items": self.value(*kind, option), "maxItems": most })
            }
            OptionKind::Either(kinds) => {
                let kinds: Vec<Value> = kinds.iter().map(|kind| self.value(*kind, option)).collect();
                json!({ "anyOf": kinds })
            }
        }
    }
}

/// That a table of this type has no other keys.
fn only_its_keys(TypeKeys { name, is_default, keys, .. }: &TypeKeys) -> Value {
    // What is said of a property also holds where it is missing.
    let needed: &[&str] = if *is_default { &[] } else { &["type"] };
    json!({
        "if": { "properties": { "type": { "const": name } }, "required": needed },
        "then": { "propertyNames": { "enum": keys } },
    })
}

/// One value or the list. What is said of a type is not compared with values of another type, so that most of it can be said
/// side by side, which gives better messages than two alternatives.
fn one_or(one: &Value, mut list: Map<String, Value>) -> Map<String, Value> {
    let Some(kind) = one.get("type") else { return object(&json!({ "anyOf": [one, list] })) };
    list.insert("type".to_owned(), json!([kind, "array"]));
    list.extend(object(one).into_iter().filter(|(key, _)| key != "type"));
    list
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn number(Range { units, bare, minimum, maximum, word }: Range) -> Value {
    let mut forms = Vec::new();
    if bare {
        // Above this, numbers are not exact in every reader of JSON.
        let mut form = object(&json!({ "type": "integer", "minimum": minimum }));
        if maximum < 1 << 53 {
            form.insert("maximum".to_owned(), json!(maximum));
        }
        forms.push(Value::Object(form));
    }
    if !units.is_empty() {
        // Sizes may have spaces before their unit.
        let space = if bare { " *" } else { "" };
        let within = units.iter().filter_map(|(name, value)| {
            let numbers = numbers(minimum.div_ceil(*value), maximum / value);
            (!numbers.is_empty()).then(|| format!("0*({}){space}{name}", numbers.join("|")))
        });
        let within: Vec<String> = within.collect();
        forms.push(json!({ "type": "string", "pattern": format!("^({})$", within.join("|")) }));
    }
    if !word.is_empty() {
        forms.push(json!({ "const": word }));
    }
    match forms.as_slice() {
        [one] => one.clone(),
        _ => json!({ "anyOf": forms }),
    }
}

/// Patterns of the numbers from `low` to `high`, without leading zeros.
fn numbers(low: u64, high: u64) -> Vec<String> {
    let mut patterns = Vec::new();
    for width in 1..=19 {
        let (first, last) = (10_u64.pow(width - 1), 10_u64.pow(width) - 1);
        let first = if width == 1 { 0 } else { first };
        if low.max(first) <= high.min(last) {
            patterns.extend(digits(low.max(first), high.min(last), width));
        }
    }
    patterns
}

/// Patterns of the numbers from `low` to `high`, in so many digits.
fn digits(low: u64, high: u64, width: u32) -> Vec<String> {
    let any = |width: u32| match width {
        0 => String::new(),
        1 => "[0-9]".to_owned(),
        width => format!("[0-9]{{{width}}}"),
    };
    let Some(below) = width.checked_sub(1) else { return vec![String::new()] };
    let unit = 10_u64.pow(below);
    let (mut first, mut last) = (low / unit, high / unit);
    let under = |digit: u64, low: u64, high: u64| {
        digits(low, high, below).into_iter().map(move |rest| format!("{digit}{rest}"))
    };
    let (start, end) = (low % unit, high % unit);
    if first == last && (start, end) != (0, unit - 1) {
        return under(first, start, end).collect();
    }
    let mut patterns = Vec::new();
    if start != 0 {
        patterns.extend(under(first, start, unit - 1));
        first += 1;
    }
    let partly = end != unit - 1;
    let tail = last;
    if partly {
        // The digit is not 0: a smaller one was first.
        last -= 1;
    }
    if first <= last {
        let digit = if first == last { first.to_string() } else { format!("[{first}-{last}]") };
        patterns.push(format!("{digit}{}", any(below)));
    }
    if partly {
        patterns.extend(under(tail, 0, end));
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_numbers_are_exact() {
        for (low, high, expected) in [
            (0, 9, "[0-9]"),
            (0, 10, "[0-9]|10"),
            (1, 60, "[1-9]|[1-5][0-9]|60"),
            (100, 60_000, "[1-9][0-9]{2}|[1-9][0-9]{3}|[1-5][0-9]{4}|60000"),
            (7, 7, "7"),
            (86, 3123, "8[6-9]|9[0-9]|[1-9][0-9]{2}|[1-2][0-9]{3}|30[0-9]{2}|31[0-1][0-9]|312[0-3]"),
            (5, 3, ""),
        ] {
            assert_eq!(numbers(low, high).join("|"), expected, "{low} to {high}");
        }
    }
}
