//! `type = "keyless"`: an identity that an OpenID provider knows, and the trusted roots of its certificates.

use std::ops::Range;

use super::KeyFiles;
use crate::config::document::{Document, Table, Value};
use crate::config::suggest;
use crate::trust::{
    Authenticator, Claim, KeylessSet, KeylessSetError, LogUse, MAX_ROOT_BYTES, Pattern, SignerRule,
    SignerRuleError, Signers, TrustedRoot,
};

/// Reads the table of an authenticator.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    mut table: Table<'_>,
    mut files: KeyFiles<'_>,
) -> Option<Authenticator> {
    let logs = table.take("log").map_or(Some(LogUse::Required), |value| read_logs(document, value));
    let rule = read_rule(document, name, &mut table, at.clone());
    let roots = read_roots(document, name, &mut table, &at, &mut files);
    let (logs, rule, (roots, roots_at)) = (logs?, rule?, roots?);
    let made = KeylessSet::new(roots, rule, logs).map_err(|error| report(document, roots_at, &error));
    Some(Authenticator::of(name.to_owned(), Signers::Keyless(made.ok()?)))
}

/// Notes that roots cannot be used.
pub(super) fn report(document: &mut Document<'_>, roots_at: Range<usize>, error: &KeylessSetError) {
    let text = error.to_string();
    let (message, own) = text.split_once("; ").unwrap_or((&text, ""));
    let hint = match error {
        _ if !own.is_empty() => own,
        KeylessSetError::Unfit { .. } => {
            "name the trusted root of the Sigstore instance that signs, or correct `log`"
        }
        _ => "correct the list of roots",
    };
    document.problem(roots_at, message, hint);
}

/// Whether log entries are required.
pub(super) fn read_logs(document: &mut Document<'_>, value: Value<'_>) -> Option<LogUse> {
    let known = LogUse::ALL.map(LogUse::name);
    let (text, span) = document.string(value, "`log`")?;
    let found = LogUse::ALL.into_iter().find(|it| it.name() == text);
    if found.is_none() {
        let message = format!("unknown value {} for `log`", suggest::quoted(&text));
        document.problem(span, message, suggest::one_of(&text, &known));
    }
    found
}

/// Whose signatures count.
fn read_rule(
    document: &mut Document<'_>,
    name: &str,
    table: &mut Table<'_>,
    at: Range<usize>,
) -> Option<SignerRule> {
    let issuer = table.take("issuer");
    let subject = table.take("subject").map(|value| read_pattern(document, "subject", value));
    let claims: Vec<_> = Claim::ALL
        .iter()
        .filter_map(|claim| table.take(claim.name()).map(|value| (claim, value)))
        .map(|(claim, value)| read_pattern(document, claim.name(), value).map(|pattern| (*claim, pattern)))
        .collect();
    let Some(issuer) = issuer else {
        let message = format!("authenticator {} has no `issuer`", suggest::quoted(name));
        let hint = "write the issuer of the signer's tokens, such as \"https://token.actions.githubusercontent.com\"";
        document.problem(at, message, hint);
        return None;
    };
    let (issuer, issuer_at) = document.string(issuer, "`issuer`")?;
    if subject == Some(None) {
        return None;
    }
    let claims = claims.into_iter().collect::<Option<Vec<_>>>()?;
    SignerRule::new(issuer, subject.flatten(), claims)
        .map_err(|error| match error {
            SignerRuleError::Issuer => {
                let hint = "write it as in the certificates, such as \"https://token.actions.githubusercontent.com\"";
                document.problem(issuer_at, "`issuer` is not a URL", hint);
            }
            SignerRuleError::Anybody => {
                let message = format!(
                    "authenticator {} would accept every identity of its issuer",
                    suggest::quoted(name)
                );
                let who: Vec<_> = Claim::ALL.iter().filter(|claim| claim.says_who()).collect();
                let who: Vec<_> = who.iter().map(|claim| format!("`{}`", claim.name())).collect();
                let hint = format!("add `subject` or one of {}; a pattern for URLs must have a whole path segment before the first `*`, as in `https://host/acme/**`", who.join(", "));
                document.problem(at, message, hint);
            }
        })
        .ok()
}

fn read_pattern(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Pattern> {
    let (text, span) = document.string(value, &format!("`{key}`"))?;
    Pattern::parse(&text)
        .map_err(|error| {
            let hint =
                "write the exact text, or a pattern: `*` stands for any characters except `/`, `**` for any characters";
            document.problem(span, format!("`{key}` {error}"), hint);
        })
        .ok()
}

/// The trusted roots, and where they are named.
pub(super) fn read_roots(
    document: &mut Document<'_>,
    name: &str,
    table: &mut Table<'_>,
    at: &Range<usize>,
    files: &mut KeyFiles<'_>,
) -> Option<(Vec<TrustedRoot>, Range<usize>)> {
    let Some(value) = table.take("trust-root") else {
        let message = format!("authenticator {} has no `trust-root`", suggest::quoted(name));
        let hint = "add for example `trust-root = \"trust/public-good.json\"`, the trusted_root.json of the instance";
        document.problem(at.clone(), message, hint);
        return None;
    };
    let span = value.span.clone();
    let values = match value.value {
        toml::de::DeValue::String(_) => vec![value],
        _ => document.array(value, "`trust-root`", "a file, or a list of files")?,
    };
    let count = values.len();
    let roots: Vec<_> = values.into_iter().filter_map(|value| read_root(document, value, files)).collect();
    (roots.len() == count).then_some((roots, span))
}

fn read_root(document: &mut Document<'_>, value: Value<'_>, files: &mut KeyFiles<'_>) -> Option<TrustedRoot> {
    let (file, span) = document.string(value, "`trust-root`")?;
    let path = files.directory.join(&file);
    let shown = suggest::quoted(&file);
    let limit = u64::try_from(MAX_ROOT_BYTES).unwrap_or(u64::MAX);
    let text = files.content.read(files.root, &path, limit).map_err(|error| {
        let hint = error.hint(&path);
        document.problem(span.clone(), format!("trusted root {shown}: {error}"), hint);
    });
    let text = text.ok()?;
    files.read.push(path);
    let origin = shown.trim_matches('`').to_owned();
    TrustedRoot::parse(origin, &text)
        .map_err(|error| {
            let hint = "write the trusted_root.json of the instance into it, version 0.1 or 0.2";
            document.problem(span, format!("trusted root {shown}: {error}"), hint);
        })
        .ok()
}
