//! SLSA provenance v0.2 and v1: who built the image, how, and from which source.
//!
//! Sources: slsa.dev/spec `provenance/v0.2` and `provenance/v1`; and for the source in v1, which each build type puts
//! somewhere else: actions.github.io/buildtypes `workflow/v1`, slsa-framework/github-actions-buildtypes, Google Cloud's
//! `gcb-buildtypes`, moby/buildkit `docs/attestations/slsa-definitions.md`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::FieldError;
use super::super::fields::{Fields, array, object, string};
use super::{Unmet, choice};
use crate::trust::Pattern;
use crate::untrusted::quoted;

const V0_2: &str = "https://slsa.dev/provenance/v0.2";
const V1: &str = "https://slsa.dev/provenance/v1";

/// Build types of v1 whose source is `externalParameters.workflow`.
const WORKFLOWS: [&str; 2] = [
    "https://actions.github.io/buildtypes/workflow/v1",
    "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
];
/// The build type of v1 whose source is `externalParameters.buildConfigSource`.
const CLOUD_BUILD: &str = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1";
/// The beginning of build types of v1 whose source is `externalParameters.configSource.uri`.
const BUILDKIT: &str = "https://github.com/moby/buildkit/blob/";

/// Where and from what an image must have been built. What is empty is not required.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The ids of builders, one of which it must be.
    pub builders: BTreeSet<String>,
    /// The repository of the source, without `git+`, `.git` and the ref.
    pub source_repository: Option<Pattern>,
    /// The ref of the source, such as `refs/heads/main`.
    pub source_ref: Option<Pattern>,
    /// The build types, one of which it must be.
    pub build_types: BTreeSet<String>,
}

/// The source of a build: a repository, and the ref that was built if it is stated.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    repository: String,
    reference: Option<String>,
}

impl Provenance {
    pub(super) const TYPES: [&str; 2] = [V0_2, V1];

    pub(super) const PATHS: &[&str] = &[
        "predicate/builder/id",
        "predicate/buildType",
        "predicate/invocation/configSource/uri",
        "predicate/metadata/buildFinishedOn",
        "predicate/buildDefinition/buildType",
        "predicate/buildDefinition/externalParameters/workflow/repository",
        "predicate/buildDefinition/externalParameters/workflow/ref",
        "predicate/buildDefinition/externalParameters/buildConfigSource/repository",
        "predicate/buildDefinition/externalParameters/buildConfigSource/ref",
        "predicate/buildDefinition/externalParameters/configSource/uri",
        "predicate/buildDefinition/resolvedDependencies/*/uri",
        "predicate/runDetails/builder/id",
        "predicate/runDetails/metadata/finishedOn",
    ];

    pub(super) fn time_of(predicate_type: &str) -> &'static str {
        if predicate_type == V1 { "/runDetails/metadata/finishedOn" } else { "/metadata/buildFinishedOn" }
    }

    pub(super) fn entries(&self) -> Vec<String> {
        let pattern =
            |pattern: &Option<Pattern>| pattern.as_ref().map(Pattern::to_string).unwrap_or_default();
        vec![
            choice::canonical(&self.builders),
            pattern(&self.source_repository),
            pattern(&self.source_ref),
            choice::canonical(&self.build_types),
        ]
    }

    pub(super) fn check(&self, predicate_type: &str, predicate: Fields) -> Result<(), Unmet> {
        if predicate_type == V1 { self.check_v1(predicate) } else { self.check_v0_2(predicate) }
    }

    fn check_v0_2(&self, mut predicate: Fields) -> Result<(), Unmet> {
        let builder = predicate.object("builder")?.string("id")?;
        let build_type = predicate.string("buildType")?;
        self.check_build("builder.id", &builder, ("buildType", &build_type))?;
        if !self.asks_for_source() {
            return Ok(());
        }
        let uri = predicate.object("invocation")?.object("configSource")?.string("uri")?;
        self.check_source("invocation.configSource.uri", &Source::of(&uri)?)
    }

    fn check_v1(&self, mut predicate: Fields) -> Result<(), Unmet> {
        let builder = predicate.object("runDetails")?.object("builder")?.string("id")?;
        let mut definition = predicate.object("buildDefinition")?;
        let build_type = definition.string("buildType")?;
        self.check_build("runDetails.builder.id", &builder, ("buildDefinition.buildType", &build_type))?;
        if !self.asks_for_source() {
            return Ok(());
        }
        let named = |source: Fields| -> Result<Source, Unmet> {
            let mut source = source;
            let reference = source.optional("ref").map(|text| string(text, "ref")).transpose()?;
            Ok(Source { reference, ..Source::of(&source.string("repository")?)? })
        };
        let mut parameters = || definition.object("externalParameters");
        let (place, source) = if WORKFLOWS.contains(&build_type.as_str()) {
            ("externalParameters.workflow", named(parameters()?.object("workflow")?)?)
        } else if build_type == CLOUD_BUILD {
            let source = named(parameters()?.object("buildConfigSource")?)?;
            ("externalParameters.buildConfigSource", source)
        } else if build_type.starts_with(BUILDKIT) {
            let uri = parameters()?.object("configSource")?.string("uri")?;
            ("externalParameters.configSource.uri", Source::of(&uri)?)
        } else {
            ("resolvedDependencies", only_repository(&mut definition, &build_type)?)
        };
        self.check_source(place, &source)
    }

    fn asks_for_source(&self) -> bool {
        self.source_repository.is_some() || self.source_ref.is_some()
    }

    fn check_build(
        &self,
        builder_at: &str,
        builder: &str,
        (type_at, build_type): (&str, &str),
    ) -> Result<(), Unmet> {
        choice::check(builder_at, &self.builders, builder)?;
        choice::check(type_at, &self.build_types, build_type)
    }

    fn check_source(&self, place: &str, source: &Source) -> Result<(), Unmet> {
        let fits = |field: &str, pattern: &Option<Pattern>, found: Option<&str>| match (pattern, found) {
            (Some(pattern), Some(found)) if pattern.matches(found) => Ok(()),
            (None, _) => Ok(()),
            (Some(pattern), found) => Err(Unmet::Field {
                field: format!("the {field} in {place}"),
                wanted: quoted(pattern.as_str()).to_string(),
                found: found.map_or_else(|| "missing".to_owned(), |found| quoted(found).to_string()),
            }),
        };
        fits("repository", &self.source_repository, Some(&source.repository))?;
        fits("ref", &self.source_ref, source.reference.as_deref())
    }
}

/// The source of a build type that is not known here: the one Git repository among what was built from. Among several,
/// nothing shows which is the source.
fn only_repository(definition: &mut Fields, build_type: &str) -> Result<Source, Unmet> {
    let dependencies = match definition.optional("resolvedDependencies") {
        Some(value) => array(value, "resolvedDependencies")?,
        None => Vec::new(),
    };
    let uri = |dependency: Value| -> Result<Option<String>, FieldError> {
        let uri = object(dependency, "resolvedDependencies")?.optional("uri");
        uri.map(|uri| string(uri, "uri")).transpose()
    };
    let uris: Vec<Option<String>> = dependencies.into_iter().map(uri).collect::<Result<_, _>>()?;
    let mut repositories = uris.iter().flatten().filter(|uri| uri.starts_with("git+"));
    match (repositories.next(), repositories.next()) {
        (Some(only), None) => Source::of(only),
        _ => Err(Unmet::UnknownSource { found: quoted(build_type) }),
    }
}

impl Source {
    /// The source in a URI such as `git+https://host/path.git@refs/heads/main`; BuildKit has `#` before the ref, and `:` before
    /// a directory. Separators before the path are those of a user. Git refs may contain `@` and `#`, but no `:` and no `?`
    /// (git-check-ref-format).
    ///
    /// # Errors
    /// When there are several separators, or a query, which may name another ref: each of them could be the one that the
    /// builder meant.
    fn of(uri: &str) -> Result<Self, Unmet> {
        let stripped = uri.strip_prefix("git+").unwrap_or(uri);
        let host = stripped.find("://").map_or(0, |scheme| scheme + 3);
        let path = stripped.get(host..).and_then(|rest| rest.find('/')).map_or(host, |slash| host + slash);
        let (before, behind) = stripped.split_at_checked(path).unwrap_or((stripped, ""));
        let mut parts = behind.split(['@', '#']);
        let (repository, reference) = (parts.next().unwrap_or_default(), parts.next());
        if parts.next().is_some() || behind.contains('?') {
            return Err(Unmet::AmbiguousSource { found: quoted(uri) });
        }
        let repository = format!("{before}{}", repository.strip_suffix(".git").unwrap_or(repository));
        let reference = reference.filter(|reference| !reference.contains(':'));
        Ok(Self { repository, reference: reference.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_repository_and_a_ref() {
        for (uri, repository, reference) in [
            ("https://github.com/acme/app", "https://github.com/acme/app", None),
            (
                "git+https://github.com/acme/app@refs/heads/main",
                "https://github.com/acme/app",
                Some("refs/heads/main"),
            ),
            ("git+https://github.com/acme/app.git@0a1b2c", "https://github.com/acme/app", Some("0a1b2c")),
            (
                "https://github.com/acme/app.git#refs/tags/v1",
                "https://github.com/acme/app",
                Some("refs/tags/v1"),
            ),
            ("git+ssh://git@github.com/acme/app@v1", "ssh://git@github.com/acme/app", Some("v1")),
            // BuildKit writes a directory behind the ref.
            ("https://github.com/acme/app.git#v1:sub", "https://github.com/acme/app", None),
            ("https://github.com", "https://github.com", None),
            ("", "", None),
        ] {
            let expected =
                Source { repository: repository.to_owned(), reference: reference.map(str::to_owned) };
            assert_eq!(Source::of(uri).unwrap(), expected, "{uri}");
        }
    }
}
