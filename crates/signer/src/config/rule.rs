//! `[[rule]]`: which images are signed.

use std::collections::BTreeMap;

use super::Declared;
use crate::{Rule, Trigger};
use pullgate_config::document::{Document, Table, Value};
use pullgate_config::suggest;
use pullgate_config::values::read_algorithm;
use pullgate_core::policy::{Scope, Tags};
use pullgate_sign::Layout;

/// The most rules.
const MAX_RULES: usize = 1000;

/// The most scopes of one rule.
const MAX_SCOPES: usize = 100;

const KEYS: [&str; 7] = ["name", "authenticator", "algorithm", "scope", "trigger", "layout", "tags"];

pub(super) fn read_all(
    document: &mut Document<'_>,
    value: Value<'_>,
    authenticators: &BTreeMap<String, Declared>,
    host: Option<&str>,
) -> Vec<Rule> {
    let span = value.span.clone();
    let values = document.array(value, "`rule`", "an array of tables: [[rule]]").unwrap_or_default();
    if values.len() > MAX_RULES {
        document.problem(span, format!("there are more than {MAX_RULES} rules"), "merge some with `*`");
        return Vec::new();
    }
    let mut rules: Vec<Rule> = Vec::new();
    for value in values {
        let at = value.span.clone();
        let Some(rule) = read(document, value, authenticators, host) else { continue };
        if rules.iter().any(|other| other.name == rule.name) {
            let message = format!("two rules are called {}", suggest::quoted(&rule.name));
            document.problem(at, message, "give one of them another name");
        } else {
            rules.push(rule);
        }
    }
    rules
}

fn read(
    document: &mut Document<'_>,
    value: Value<'_>,
    authenticators: &BTreeMap<String, Declared>,
    host: Option<&str>,
) -> Option<Rule> {
    let mut table = document.table(value, "[[rule]]", &KEYS)?;
    let name = need(document, &mut table, "name").and_then(|(name, at)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
            return Some(name);
        }
        let message = format!("{} cannot be the name of a rule", suggest::quoted(&name));
        document.problem(at, message, "use at most 64 letters, digits, `-`, `_` and `.`");
        None
    });
    let chosen = need(document, &mut table, "authenticator").and_then(|(authenticator, at)| {
        let Some(declared) = authenticators.get(&authenticator) else {
            let known: Vec<&String> = authenticators.keys().collect();
            let message = format!("authenticator {} does not exist", suggest::quoted(&authenticator));
            document.problem(at, message, suggest::one_of(&authenticator, &known));
            return None;
        };
        Some((authenticator, declared.settings.as_ref()?.algorithm))
    });
    if let Some(value) = table.take("algorithm") {
        let at = value.span.clone();
        let wanted = read_algorithm(document, value);
        if let (Some(wanted), Some((authenticator, algorithm))) = (wanted, &chosen)
            && wanted != *algorithm
        {
            let message = format!("authenticator `{authenticator}` signs with {algorithm}");
            document.problem(
                at,
                message,
                "a key has one algorithm; leave it out here, or choose another key",
            );
        }
    }
    let scopes = read_scopes(document, &mut table, host);
    let trigger = choice(
        document,
        &mut table,
        "trigger",
        &[("automatic", Trigger::Automatic), ("manual", Trigger::Manual)],
    );
    let layouts = Layout::ALL.map(|layout| (layout.name(), layout));
    let layout = choice(document, &mut table, "layout", &layouts);
    let tags = match table.take("tags") {
        None => Some(Tags::default()),
        Some(value) => read_tags(document, value),
    };
    let (authenticator, algorithm) = chosen?;
    Some(Rule {
        name: name?,
        authenticator,
        algorithm,
        scopes: scopes?,
        trigger: trigger.unwrap_or(Some(Trigger::Automatic))?,
        layout: layout.unwrap_or(Some(Layout::default()))?,
        tags: tags?,
    })
}

fn read_scopes(document: &mut Document<'_>, table: &mut Table<'_>, host: Option<&str>) -> Option<Vec<Scope>> {
    let Some(value) = table.take("scope") else {
        let hint = "add `scope`, a namespace such as \"registry.example.com/payments\", or a list of them";
        document.problem(table.span.clone(), "the rule has no `scope`", hint);
        return None;
    };
    let span = value.span.clone();
    let values = match &value.value {
        toml::de::DeValue::String(_) => vec![value],
        _ => document.array(value, "`scope`", "a scope, or a list of scopes")?,
    };
    if values.is_empty() || values.len() > MAX_SCOPES {
        let message = format!("`scope` must have one to {MAX_SCOPES} scopes");
        document.problem(span, message, "a rule without any would sign nothing");
        return None;
    }
    let count = values.len();
    let mut scopes = Vec::new();
    for value in values {
        let Some((text, at)) = document.string(value, "a scope") else { continue };
        match Scope::parse(&text) {
            Err(error) => {
                document.problem(at, error.to_string(), "write for example \"registry.example.com/team\"")
            }
            Ok(scope)
                if host
                    .is_some_and(|host| scope.as_str().split('/').next() != Some(&host.to_lowercase())) =>
            {
                let message = format!("{} is not at the registry of `[registry]`", suggest::quoted(&text));
                let hint = format!("a scope here begins with `{}`", host.unwrap_or_default());
                document.problem(at, message, hint);
            }
            Ok(scope) => scopes.push(scope),
        }
    }
    (scopes.len() == count).then_some(scopes)
}

fn read_tags(document: &mut Document<'_>, value: Value<'_>) -> Option<Tags> {
    let mut table = document.table(value, "`tags`", &["include", "exclude"])?;
    let span = table.span.clone();
    let [include, exclude] = ["include", "exclude"].map(|key| {
        let Some(value) = table.take(key) else { return Some(Vec::new()) };
        let values = document.array(value, &format!("`{key}`"), "a list of patterns of tags")?;
        let texts =
            values.into_iter().map(|value| document.string(value, "a pattern of tags").map(|(text, _)| text));
        texts.collect::<Option<Vec<String>>>()
    });
    Tags::new(&include?, &exclude?)
        .map_err(|error| {
            document.problem(span, error.to_string(), "write for example { include = [\"v*\"] }")
        })
        .ok()
}

fn need(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &str,
) -> Option<(String, std::ops::Range<usize>)> {
    match table.take(key) {
        Some(value) => document.string(value, &format!("`{key}`")),
        None => {
            document.problem(table.span.clone(), format!("the rule has no `{key}`"), format!("add `{key}`"));
            None
        }
    }
}

/// The outer `None` if the key is missing, the inner one if its value is not valid.
fn choice<T: Copy>(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &str,
    choices: &[(&str, T)],
) -> Option<Option<T>> {
    let value = table.take(key)?;
    let Some((text, span)) = document.string(value, &format!("`{key}`")) else { return Some(None) };
    let chosen = choices.iter().find(|(name, _)| *name == text).map(|&(_, choice)| choice);
    if chosen.is_none() {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        document.problem(
            span,
            format!("`{key}` is {}", suggest::quoted(&text)),
            suggest::one_of(&text, &names),
        );
    }
    Some(chosen)
}
