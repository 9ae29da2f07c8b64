//! Patterns of names, as kritis and kritis-validation-hook write them.
//!
//! A `*` at the end stands for anything but `/`, also for a tag or digest; elsewhere, in kritis-validation-hook, for
//! letters, digits, `_` and `-`. Without a `*` at the end the text is the whole name of an image as the pod writes it.

use pullgate_core::policy::Scope;

/// A pattern, and what a scope of ours would admit beyond it.
pub(super) struct Pattern {
    pub(super) covered: Covered,
    pub(super) wider: Option<String>,
}

/// The names that are meant.
pub(super) struct Covered {
    /// As it was written.
    pub(super) pattern: String,
    /// The scope, which covers everything below it too.
    pub(super) scope: String,
    /// The scope of what is below it, which is not meant.
    pub(super) below: String,
}

pub(super) fn read(text: &str) -> Result<Pattern, String> {
    let (repository, wider) = match (text.strip_suffix('*'), text.rfind('/')) {
        (Some(_), None) => {
            return Err(
                "it is a pattern of whole names without a repository; write the scopes that it is for"
                    .to_owned(),
            );
        }
        (Some(stem), Some(slash)) => match stem.get(slash + 1..).unwrap_or_default().find([':', '@']) {
            None => (text, None),
            Some(at) => {
                let repository = text.get(..slash + 1 + at).unwrap_or_default();
                (repository, Some("it admits some tags of a repository, and a scope admits all".to_owned()))
            }
        },
        (None, slash) => {
            let last = slash.map_or(0, |slash| slash + 1);
            let end =
                text.get(last..).unwrap_or_default().find([':', '@']).map_or(text.len(), |at| last + at);
            let repository = text.get(..end).unwrap_or_default();
            (
                repository,
                Some("it admits one tag or digest of a repository, and a scope admits all".to_owned()),
            )
        }
    };
    let host_and_path =
        repository.split_once('/').filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost");
    let path = host_and_path.map_or(repository, |(_, path)| path);
    let inner = path.strip_suffix('*').unwrap_or(path).contains('*');
    let wider = wider.or_else(|| {
        inner.then(|| "its `*` before the end does not stand for a period, and here it does".to_owned())
    });
    let problem = |error: pullgate_core::policy::ScopeError| format!("it is no scope of ours: {error}");
    let scope = Scope::parse(repository).map_err(problem)?.to_string();
    let below = Scope::parse(&format!("{scope}/*")).map_err(problem)?.to_string();
    Ok(Pattern { covered: Covered { pattern: text.to_owned(), scope, below }, wider })
}
