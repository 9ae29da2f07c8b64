//! Where signatures of an image are looked up: in its repository, in another repository, in a directory of this node.
//!
//! The verification does not depend on the place: what was signed must name the digest, and the repository that the policy
//! accepts for the requested name.

use std::path::PathBuf;

use super::grafeas::Grafeas;
use super::lookaside::Lookaside;
use pullgate_core::reference::Repository;

/// Where signatures of the images of one scope are looked up; all places are read at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureSource {
    /// A registry or the beginning of a repository's name, in whole segments; [`EVERYTHING`] is for all images.
    pub scope: String,
    /// Whether to read the image's own repository.
    pub image: bool,
    /// One repository for all of them, as cosign's `COSIGN_REPOSITORY`.
    pub repository: Option<Repository>,
    /// A directory with `<registry>/<path>/sha256-<hex>/`, with the files `<name>.payload` and `<name>.sig`
    /// (classic, the signature in base64), `<name>.bundle.json` and `<name>.attestation.json` (an occurrence of Grafeas).
    pub directory: Option<PathBuf>,
    /// Where GPG signatures are.
    pub lookaside: Option<Lookaside>,
    /// Where attestations of Binary Authorization and kritis are.
    pub grafeas: Option<Grafeas>,
}

/// The scope of a source for all images that no other one covers.
pub const EVERYTHING: &str = "**";

impl SignatureSource {
    fn covers(&self, repository: &str) -> bool {
        self.scope == EVERYTHING
            || repository
                .strip_prefix(self.scope.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The source with the most specific scope that covers a repository.
pub(super) fn source_of<'a>(
    sources: &'a [SignatureSource],
    repository: &Repository,
) -> Option<&'a SignatureSource> {
    let name = repository.to_string();
    sources
        .iter()
        .filter(|source| source.covers(&name))
        .max_by_key(|source| (source.scope != EVERYTHING, source.scope.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_scope_in_whole_segments_applies() {
        let source = |scope: &str| SignatureSource {
            scope: scope.to_owned(),
            image: true,
            repository: None,
            directory: None,
            lookaside: None,
            grafeas: None,
        };
        let sources = [source("r.example"), source("r.example/team"), source("r.example/team/app")];
        for (name, expected) in [
            ("r.example/team/app", Some("r.example/team/app")),
            ("r.example/team/app-evil", Some("r.example/team")),
            ("r.example/team-evil/app", Some("r.example")),
            ("r.example.evil/team", None),
        ] {
            let repository = Repository::parse(name).unwrap();
            let found = source_of(&sources, &repository).map(|source| source.scope.as_str());
            assert_eq!(found, expected, "{name}");
        }
    }
}
