//! Name patterns of kritis and kritis-validation-hook.
//!
//! A `*` at the end matches anything except `/`, including a tag or digest. Elsewhere (only in kritis-validation-hook) it
//! matches letters, digits, `_` and `-`. Without a `*` at the end the text is the full image name as in the pod.

use pullgate_core::policy::Scope;

/// A pattern, and what its scope in pullgate would admit in addition.
pub(super) struct Pattern {
    pub(super) covered: Covered,
    pub(super) wider: Option<String>,
}

/// The names that a pattern covers.
pub(super) struct Covered {
    /// The original text.
    pub(super) pattern: String,
    /// The scope, which also covers everything below it.
    pub(super) scope: String,
    /// The scope of what is below it, which the pattern does not cover.
    pub(super) below: String,
}

pub(super) fn read(text: &str) -> Result<Pattern, String> {
    let (repository, wider) = match (text.strip_suffix('*'), text.rfind('/')) {
        (Some(_), None) => {
            return Err(
                "it matches names in any repository; write rules for the scopes that it is meant for"
                    .to_owned(),
            );
        }
        (Some(stem), Some(slash)) => match stem.get(slash + 1..).unwrap_or_default().find([':', '@']) {
            None => (text, None),
            Some(at) => {
                let repository = text.get(..slash + 1 + at).unwrap_or_default();
                (repository, Some("it admits some tags of a repository, but a scope admits all".to_owned()))
            }
        },
        (None, slash) => {
            let last = slash.map_or(0, |slash| slash + 1);
            let end =
                text.get(last..).unwrap_or_default().find([':', '@']).map_or(text.len(), |at| last + at);
            let repository = text.get(..end).unwrap_or_default();
            (
                repository,
                Some("it admits one tag or digest of a repository, but a scope admits all".to_owned()),
            )
        }
    };
    let host_and_path =
        repository.split_once('/').filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost");
    let path = host_and_path.map_or(repository, |(_, path)| path);
    let inner = path.strip_suffix('*').unwrap_or(path).contains('*');
    let wider = wider.or_else(|| {
        inner.then(|| "its `*` before the end does not match a period, but here it does".to_owned())
    });
    let problem = |error: pullgate_core::policy::ScopeError| format!("it is not a valid scope: {error}");
    let scope = Scope::parse(repository).map_err(problem)?.to_string();
    let below = Scope::parse(&format!("{scope}/*")).map_err(problem)?.to_string();
    Ok(Pattern { covered: Covered { pattern: text.to_owned(), scope, below }, wider })
}
