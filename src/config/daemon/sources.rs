//! `[[registry.signatures]]`: where signatures of some images are looked for.

use toml::de::DeValue;

use super::super::document::{Document, Value};
use crate::reference::Repository;
use crate::registry::SignatureSource;
use pullgate_config::values::read_path;

/// The most scopes with sources of their own.
const MAX_SOURCES: usize = 256;

/// `[[registry.signatures]]`
pub(super) fn read_sources(document: &mut Document<'_>, value: Value<'_>) -> Vec<SignatureSource> {
    let span = value.span.clone();
    let values = document.array(value, "`signatures`", "an array of tables: [[registry.signatures]]");
    let values = values.unwrap_or_default();
    if values.len() > MAX_SOURCES {
        let message = format!("more than {MAX_SOURCES} times [[registry.signatures]]");
        document.problem(span, message, "use wider scopes");
        return Vec::new();
    }
    let mut sources: Vec<SignatureSource> = Vec::new();
    for value in values {
        let Some(source) = read_source(document, value) else { continue };
        sources.push(source);
    }
    sources
}

fn read_source(document: &mut Document<'_>, value: Value<'_>) -> Option<SignatureSource> {
    let keys = ["scope", "image", "repository", "directory"];
    let mut table = document.table(value, "[[registry.signatures]]", &keys)?;
    let span = table.span.clone();
    let image = match table.take("image") {
        None => false,
        Some(Value { value: DeValue::Boolean(image), .. }) => image,
        Some(Value { value, span }) => {
            document.wrong_type(span, "`image`", "true or false", &value);
            return None;
        }
    };
    let repository = match table.take("repository") {
        None => None,
        Some(value) => {
            let (text, span) = document.string(value, "`repository`")?;
            let parsed = Repository::parse(&text).ok();
            if parsed.is_none() {
                let hint = "write it as `registry.example.com/signatures`, without tag and digest";
                document.problem(span, "`repository` is not the name of a repository", hint);
                return None;
            }
            parsed
        }
    };
    let directory = read_path(document, &mut table, "directory").map(|(path, _)| path);
    let scope = match table.take("scope") {
        Some(value) => {
            let (text, span) = document.string(value, "`scope`")?;
            // A registry by itself, or a repository or the beginning of one.
            let probe = Repository::parse(&format!("{text}/x"));
            if !probe.is_ok_and(|probe| probe.to_string() == format!("{text}/x")) {
                let hint = "write a registry or the beginning of a repository's name in full, without stars";
                document.problem(span, "`scope` is not a name", hint);
                return None;
            }
            text
        }
        None => {
            document.problem(span, "[[registry.signatures]] has no `scope`", "say for which images it is");
            return None;
        }
    };
    if !image && repository.is_none() && directory.is_none() {
        let hint = "set `image = true`, `repository` or `directory`, or several of them";
        document.problem(span, "[[registry.signatures]] names no source", hint);
        return None;
    }
    Some(SignatureSource { scope, image, repository, directory })
}
