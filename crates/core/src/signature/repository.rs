//! The repository that a signature names.

use serde_json::{Map, Value};

use super::{SignatureError, Subject};
use crate::reference::{Repository, is_tag};
use crate::untrusted::quoted;

/// The signed annotation that names the repository: of a statement's subject, or of the target in a Notation signature. It is
/// the word of simple signing for it. cosign and notation write none by themselves; `cosign sign -a docker-reference=…` and
/// `notation sign --user-metadata docker-reference=…` do.
pub const REPOSITORY_ANNOTATION: &str = "docker-reference";

/// Whether a bundle or a Notation signature must name the repository of the image. A simple-signing payload always must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepositoryIdentity {
    /// They count wherever their signer does; a repository that they name is not looked at.
    #[default]
    Optional,
    /// Only those count that name the repository of the image, or an alias of it.
    Required,
}

impl RepositoryIdentity {
    /// All values.
    pub const ALL: [Self; 2] = [Self::Optional, Self::Required];

    /// The word in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// Checks that a reference in a signature is for a repository of `subject`.
pub(super) fn check(reference: &str, subject: &Subject<'_>) -> Result<(), SignatureError> {
    let named = Repository::with_host(without_tag(reference));
    let named = named.as_ref().map(Repository::canonical);
    if named.is_some_and(|named| subject.repositories.iter().any(|repository| *repository == named)) {
        return Ok(());
    }
    Err(SignatureError::OtherRepository { found: quoted(reference) })
}

/// Checks the repository in signed annotations, where the rule requires one.
pub(super) fn check_annotation(
    signed: &Map<String, Value>,
    subject: &Subject<'_>,
) -> Result<(), SignatureError> {
    match (subject.identity, signed.get(REPOSITORY_ANNOTATION)) {
        (RepositoryIdentity::Optional, _) => Ok(()),
        (RepositoryIdentity::Required, Some(Value::String(reference))) => check(reference, subject),
        (RepositoryIdentity::Required, _) => Err(SignatureError::NoRepository),
    }
}

/// The repository of a reference with or without a tag: cosign writes no tag, skopeo writes the tag that it pushed.
///
/// The rest must be a repository with its host, `domain/path`: a colon before the last slash is a port, and a name with a
/// digest does not match. It is compared in canonical form, as in [`Subject`]: signer and node may write one registry
/// differently, such as cosign's `index.docker.io`.
fn without_tag(reference: &str) -> &str {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if repository.contains('/') && is_tag(tag) => repository,
        _ => reference,
    }
}

#[cfg(test)]
mod tests {
    use super::without_tag;

    #[test]
    fn removes_only_the_tag() {
        for (reference, repository) in [
            ("registry.example/a", "registry.example/a"),
            ("registry.example/a:1.0", "registry.example/a"),
            ("registry.example/a:_1", "registry.example/a"),
            ("registry.example:5000/a", "registry.example:5000/a"),
            ("registry.example:5000/a/b:v1", "registry.example:5000/a/b"),
            ("[::1]:5000/a:v1", "[::1]:5000/a"),
            ("a:1", "a:1"),
            ("registry.example:5000", "registry.example:5000"),
            ("registry.example/a:", "registry.example/a:"),
            ("registry.example/a:.x", "registry.example/a:.x"),
            ("registry.example/a:x y", "registry.example/a:x y"),
            ("registry.example/a:1:2", "registry.example/a:1"),
            ("registry.example/a:tag/b", "registry.example/a:tag/b"),
            ("", ""),
        ] {
            assert_eq!(without_tag(reference), repository, "{reference}");
        }
        let longest = format!("registry.example/a:{}", "x".repeat(128));
        assert_eq!(without_tag(&longest), "registry.example/a");
        let longer = format!("registry.example/a:{}", "x".repeat(129));
        assert_eq!(without_tag(&longer), longer);
    }
}
