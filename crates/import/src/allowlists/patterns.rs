//! Name patterns of kritis and kritis-validation-hook.
//!
//! A `*` at the end matches anything except `/`, including a tag or digest. Elsewhere (only in kritis-validation-hook) it
//! matches letters, digits, `_` and `-`. Without a `*` at the end the text is the full image name as in the pod.

use std::cmp::Ordering;

use pullgate_core::policy::Scope;
use pullgate_core::reference::DEFAULT_DOMAIN;

const ANY_HOST: &str =
    "the pattern matches names in any registry; write rules by hand for the scopes that it is meant for";

/// A pattern, and what its scope in pullgate would admit in addition.
pub(super) struct Pattern {
    pub(super) covered: Covered,
    pub(super) wider: Option<String>,
}

/// The names that a pattern covers.
#[derive(Clone)]
pub(super) struct Covered {
    /// The original text.
    pub(super) pattern: String,
    /// The scope, which also covers everything below it.
    pub(super) scope: String,
    /// The scope of what is below it, which the pattern does not cover; none if it does.
    pub(super) below: Option<String>,
}

impl Covered {
    /// Whether the pattern admits names of `guard`, a rule that has precedence over its scope.
    pub(super) fn is_hidden_by(&self, guard: &str) -> bool {
        let below = self.below.as_deref().map(Scope::parse).transpose();
        let (Ok(scope), Ok(below), Ok(guard)) = (Scope::parse(&self.scope), below, Scope::parse(guard))
        else {
            return false;
        };
        let segments = |scope: &Scope| scope.as_str().split('/').count();
        // The names that the pattern admits have one segment less than those below them.
        below.is_none_or(|below| segments(&guard) < segments(&below))
            && scope.overlaps(&guard)
            && guard.compare_specificity(&scope) == Ordering::Greater
    }
}

/// The pattern of everything below a directory.
pub(super) fn below(directory: &str) -> Result<Pattern, String> {
    let scope = Scope::parse(&format!("{directory}/*"))
        .map_err(|error| format!("it is not a valid scope: {error}"))?;
    let covered = Covered { pattern: format!("{directory}/**"), scope: scope.to_string(), below: None };
    Ok(Pattern { covered, wider: None })
}

pub(super) fn read(text: &str) -> Result<Pattern, String> {
    let (repository, wider) = match (text.strip_suffix('*'), text.rfind('/')) {
        (Some(_), None) => {
            return Err(ANY_HOST.to_owned());
        }
        (Some(stem), Some(slash)) => {
            match stem.get(slash + 1..).unwrap_or_default().find([':', '@']) {
                None => (text, None),
                Some(at) => {
                    let repository = text.get(..slash + 1 + at).unwrap_or_default();
                    (repository, Some("the pattern admits only some tags of a repository, but a scope of pullgate covers \
                                       all tags".to_owned()))
                }
            }
        }
        (None, slash) => {
            let last = slash.map_or(0, |slash| slash + 1);
            let end =
                text.get(last..).unwrap_or_default().find([':', '@']).map_or(text.len(), |at| last + at);
            let repository = text.get(..end).unwrap_or_default();
            (
                repository,
                Some("the pattern admits only one tag or digest of a repository, but a scope of pullgate covers all tags \
                      and digests".to_owned()),
            )
        }
    };
    let host_and_path =
        repository.split_once('/').filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost");
    let path = host_and_path.map_or(repository, |(_, path)| path);
    let inner = path.strip_suffix('*').unwrap_or(path).contains('*');
    let wider = wider.or_else(|| {
        inner.then(|| {
            "a `*` before the end of the pattern does not match a period, but `*` in a scope of pullgate does".to_owned()
        })
    });
    let problem = |error: pullgate_core::policy::ScopeError| format!("it is not a valid scope: {error}");
    let scope = Scope::parse(repository).map_err(problem)?.to_string();
    if scope.split('/').next().is_some_and(|host| matches!(host, "*" | "**")) {
        return Err(ANY_HOST.to_owned());
    }
    if scope == DEFAULT_DOMAIN {
        // In full every name there has two segments or more.
        return Err(
            "the pattern matches only short names of docker.io; write a rule for the full names, as in `docker.io/library/*`"
                .to_owned(),
        );
    }
    // A host alone is the scope of `host/*`.
    let one_more = if scope.contains('/') { "/*" } else { "/*/*" };
    let below = Scope::parse(&format!("{scope}{one_more}")).map_err(problem)?.to_string();
    Ok(Pattern { covered: Covered { pattern: text.to_owned(), scope, below: Some(below) }, wider })
}
