//! The image names that a rule applies to.
//!
//! A scope covers a repository and everything below it, by whole segments: `registry.example.com/team` covers
//! `registry.example.com/team` and `registry.example.com/team/app`, but not `registry.example.com/team-evil`. `*`
//! matches characters within one segment, `**` any number of whole path segments.
//!
//! Scopes are normalised like image names: `nginx` is `docker.io/library/nginx`, `bitnami/redis` is
//! `docker.io/bitnami/redis`. A first segment with a period or a colon, `localhost`, `*` and `**` are hosts; a host
//! alone is the whole registry. Hosts are compared in canonical form ([`reference::canonical_host`]): `reg.example.com`,
//! `REG.example.com` and `reg.example.com:443` are one host, `reg.example.com:5000` is another.
//!
//! In a host, `*` stays within one label (`*.example.com` matches `a.example.com`, but neither `a.b.example.com` nor
//! `a.example.com:5000`), except when it is the whole host: then it matches every host.

use std::cmp::Ordering;
use std::fmt;

use super::segment::{Pattern, Segment, compare};
use crate::reference::{self, DEFAULT_DOMAIN, Repository};

/// The longest scope that is parsed, in bytes; a repository at the longest possible DNS name is shorter.
pub const MAX_SCOPE: usize = 512;

/// Maximum number of `**` in a scope, without one at its end, which has no effect: each multiplies the positions at
/// which a name can match.
pub const MAX_RUNS: usize = 2;

/// A set of repositories, in canonical form: equal scopes cover the same names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    segments: Vec<Segment>,
    text: String,
}

impl Scope {
    /// Every repository of every registry: `**`.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(Vec::new())
    }

    /// Parses a scope.
    ///
    /// # Errors
    /// When the text is not valid, or ambiguous.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        check_whole(text)?;
        let mut written = text.split('/').peekable();
        let mut segments = Vec::new();
        match written.next_if(|first| matches!(*first, "*" | "**") || reference::names_domain(first)) {
            Some("**") => segments.extend([Segment::Any, Segment::Run]),
            Some(host) => segments.push(host_segment(host)?),
            None => {
                segments.push(Segment::Literal(DEFAULT_DOMAIN.into()));
                if !text.contains('/') {
                    if text == "library" {
                        return Err(ScopeError::Ambiguous(text.to_owned()));
                    }
                    segments.push(Segment::Literal("library".into()));
                }
            }
        }
        let host_alone = segments.len() == 1;
        for segment in written {
            segments.push(path_segment(segment)?);
        }
        if host_alone {
            check_default_domain(&segments)?;
        }
        check_runs(&segments)?;
        strip_redundant(&mut segments);
        Ok(Self::of(segments))
    }

    /// Whether this scope covers the repository.
    #[must_use]
    pub fn covers(&self, repository: &Repository) -> bool {
        let domain = repository.canonical_domain();
        let segments: Vec<&str> = std::iter::once(&*domain).chain(repository.path().split('/')).collect();
        covers(&self.segments, &segments)
    }

    /// Whether it contains no `*`: then it is one name and everything below it.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.segments.is_empty()
            && self.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)))
    }

    /// The canonical form, including the host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Compares the specificity of two scopes, segment by segment from the host on: a literal is more specific than a
    /// pattern with `*` (of two patterns, the one with more literal characters), that than `*`, that than `**`, and any
    /// segment than the end of the scope.
    #[must_use]
    pub fn compare_specificity(&self, other: &Self) -> Ordering {
        compare(&self.segments, &other.segments)
    }

    /// Whether it is limited to some hosts.
    #[must_use]
    pub fn limits_host(&self) -> bool {
        matches!(self.segments.first(), Some(Segment::Literal(_) | Segment::Pattern(_)))
    }

    /// Names that its host, a pattern, matches as they are written but not in the canonical form in which they are
    /// compared, and the scope that covers them.
    #[must_use]
    pub fn never_matched(&self) -> Option<(&'static str, String)> {
        let (Segment::Pattern(host), path) = self.segments.split_first()? else { return None };
        let instead = |host: &str| {
            let path = path.iter().map(Segment::as_str);
            std::iter::once(host).chain(path).collect::<Vec<_>>().join("/")
        };
        let (name, port) = reference::split_port(host.as_str());
        if port.is_some_and(|port| Pattern::of_host(port).accepts(reference::DEFAULT_PORT)) {
            return Some((
                "names with port 443, because pullgate compares names without this default port",
                instead(name),
            ));
        }
        let hub = reference::DOCKER_HUB_ALIASES.iter().any(|alias| host.accepts(alias));
        (hub && !host.accepts(DEFAULT_DOMAIN)).then(|| {
            (
                "Docker Hub, because pullgate compares every name of Docker Hub as `docker.io`",
                instead(DEFAULT_DOMAIN),
            )
        })
    }

    /// Whether both can cover the same name.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        overlaps(&self.segments, &other.segments)
    }

    /// The rest of a repository's path below this literal scope: empty for the repository of the scope itself.
    pub(super) fn remainder<'a>(&self, canonical: &'a str) -> Option<&'a str> {
        let rest = canonical.strip_prefix(&self.text)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn of(segments: Vec<Segment>) -> Self {
        let text = if segments.is_empty() {
            "**".to_owned()
        } else {
            segments.iter().map(Segment::as_str).collect::<Vec<_>>().join("/")
        };
        Self { segments, text }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum ScopeError {
    #[error("scope is empty")]
    Empty,
    #[error("scope is longer than {MAX_SCOPE} bytes")]
    TooLong,
    /// `https://` and similar.
    #[error("scope begins with a scheme, such as https://")]
    Scheme,
    #[error("scope has a tag or a digest")]
    Version,
    /// Consecutive slashes, or one at the beginning or the end.
    #[error("scope has an empty segment")]
    EmptySegment,
    #[error("`{0}` is not a registry host")]
    Host(String),
    #[error("`{0}` cannot be part of a repository's name")]
    Path(String),
    /// A path with upper-case letters, which no repository has.
    #[error("`{0}` has upper-case letters, but repository names are lower case")]
    UpperCase(String),
    /// `**` together with other characters in a segment.
    #[error("`**` must be a whole path segment, not a part of one")]
    PartialRun,
    /// `**/**`, or more than [`MAX_RUNS`].
    #[error("scope has `**` more than {MAX_RUNS} times, or twice in a row")]
    TooManyRuns,
    /// `docker.io/name`: as an image `docker.io/library/name`, as a prefix the user `name`.
    #[error("`{0}` could mean the official image docker.io/library/{name} or all images of the user {name}", name = .0.trim_start_matches("docker.io/"))]
    Ambiguous(String),
}

fn check_whole(text: &str) -> Result<(), ScopeError> {
    if text.is_empty() {
        return Err(ScopeError::Empty);
    }
    if text.len() > MAX_SCOPE {
        return Err(ScopeError::TooLong);
    }
    if text.contains("://") {
        return Err(ScopeError::Scheme);
    }
    if text.contains('@') || text.rsplit_once('/').is_some_and(|(_, last)| last.contains(':')) {
        return Err(ScopeError::Version);
    }
    if text.split('/').any(str::is_empty) {
        return Err(ScopeError::EmptySegment);
    }
    Ok(())
}

fn host_segment(text: &str) -> Result<Segment, ScopeError> {
    let lower = text.to_ascii_lowercase();
    if lower == "*" {
        return Ok(Segment::Any);
    }
    if lower.contains("**") {
        return Err(ScopeError::PartialRun);
    }
    // Wherever a `*` is allowed in a label or a port, a digit is.
    let valid = reference::is_domain(&lower.replace('*', "1"));
    if !valid || (lower.contains('*') && lower.contains('[')) {
        return Err(ScopeError::Host(text.to_owned()));
    }
    let canonical = reference::canonical_host(&lower);
    if lower.contains('*') {
        return Ok(Segment::Pattern(Pattern::of_host(&canonical)));
    }
    Ok(Segment::Literal(canonical.into()))
}

fn path_segment(text: &str) -> Result<Segment, ScopeError> {
    match text {
        "**" => return Ok(Segment::Run),
        "*" => return Ok(Segment::Any),
        _ if text.contains("**") => return Err(ScopeError::PartialRun),
        _ if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            return Err(ScopeError::UpperCase(text.to_owned()));
        }
        _ if !reference::is_path_component(&text.replace('*', "a")) => {
            return Err(ScopeError::Path(text.to_owned()));
        }
        _ => {}
    }
    if text.contains('*') {
        Ok(Segment::Pattern(Pattern::of_path(text)))
    } else {
        Ok(Segment::Literal(text.into()))
    }
}

/// `docker.io/evil` is `docker.io/library/evil` as an image, but a policy may mean the user `evil`. Either
/// interpretation would leave the other without a rule, so the scope is refused.
fn check_default_domain(segments: &[Segment]) -> Result<(), ScopeError> {
    match segments {
        [Segment::Literal(host), only @ (Segment::Literal(_) | Segment::Pattern(_))]
            if **host == *DEFAULT_DOMAIN && only.as_str() != "library" =>
        {
            Err(ScopeError::Ambiguous(format!("{DEFAULT_DOMAIN}/{}", only.as_str())))
        }
        _ => Ok(()),
    }
}

fn check_runs(segments: &[Segment]) -> Result<(), ScopeError> {
    let inner = segments.split_last().map_or(segments, |(_, inner)| inner);
    let runs = inner.iter().filter(|segment| **segment == Segment::Run).count();
    let consecutive = segments.windows(2).any(|pair| matches!(pair, [Segment::Run, Segment::Run]));
    if runs > MAX_RUNS || consecutive { Err(ScopeError::TooManyRuns) } else { Ok(()) }
}

/// A scope covers everything below it, and every name has a host and a path: `a/**` equals `a`, `host/*` equals `host`,
/// and `*` and `*/*` equal `**`. In one canonical form, equal scopes are detected as a tie.
fn strip_redundant(segments: &mut Vec<Segment>) {
    while match segments.last() {
        Some(Segment::Run) => true,
        Some(Segment::Any) => segments.iter().filter(|segment| **segment != Segment::Run).count() <= 2,
        _ => false,
    } {
        segments.pop();
    }
}

fn covers(scope: &[Segment], name: &[&str]) -> bool {
    match (scope.split_first(), name.split_first()) {
        (None, _) => true,
        (Some((Segment::Run, rest)), after) => {
            covers(rest, name) || after.is_some_and(|(_, below)| covers(scope, below))
        }
        (Some(_), None) => false,
        (Some((segment, rest)), Some((text, below))) => segment.accepts(text) && covers(rest, below),
    }
}

fn overlaps(one: &[Segment], other: &[Segment]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, _) | (_, None) => true,
        (Some((Segment::Run, rest)), Some((_, below))) => overlaps(rest, other) || overlaps(one, below),
        (Some((_, below)), Some((Segment::Run, rest))) => overlaps(one, rest) || overlaps(below, other),
        (Some((a, rest)), Some((b, below))) => a.overlaps(b) && overlaps(rest, below),
    }
}

#[cfg(test)]
mod tests;
