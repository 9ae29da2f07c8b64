//! Builds simple-signing payloads as signers write them.

use bytes::Bytes;
use serde_json::Value;

use crate::digest::Digest;
use crate::reference::{DEFAULT_DOMAIN, LEGACY_DEFAULT_DOMAIN, Repository};

/// What signers write as `optional` where there are no annotations: cosign, a nil map of Go; others, an empty one.
const NO_ANNOTATIONS: [&str; 2] = ["null", "{}"];

/// The payload that names the repository `name`, byte for byte as cosign writes it (sigstore/sigstore
/// `pkg/signature/payload/payload.go`); `optional` is the JSON of its annotations.
#[must_use]
pub fn simple_payload(name: &str, digest: &Digest, optional: &str) -> Bytes {
    format!(
        "{{\"critical\":{{\"identity\":{{\"docker-reference\":{}}},\"image\":{{\"docker-manifest-digest\":{}}},\
         \"type\":\"cosign container image signature\"}},\"optional\":{optional}}}",
        Value::from(name),
        Value::from(digest.as_str()),
    )
    .into()
}

/// The payloads without annotations that an image has if it was signed under its own name: at most six, of less than
/// 10 KiB together with a name of usual length. A payload that has another name or annotations is not among them.
pub fn usual_payloads(repository: &Repository, digest: &Digest) -> impl Iterator<Item = Bytes> {
    let payloads = move |name: String| {
        NO_ANNOTATIONS.map(|optional| simple_payload(&name, digest, optional)).into_iter()
    };
    names_in_payload(repository).into_iter().flat_map(payloads)
}

/// The names that signers write for a repository: as it is written, in canonical form, and for Docker Hub that of cosign,
/// which is go-containerregistry's (`pkg/name`, `defaultRegistry`).
#[must_use]
pub fn names_in_payload(repository: &Repository) -> Vec<String> {
    let mut names = vec![repository.as_str().to_owned(), repository.canonical().into_owned()];
    if repository.canonical_domain() == DEFAULT_DOMAIN {
        names.push(format!("{LEGACY_DEFAULT_DOMAIN}/{}", repository.path()));
    }
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that cosign 3.1.1 signed, and the digest of the image that they name.
    macro_rules! fixture {
        ($name:literal, $digest:literal, $usual:literal) => {
            (
                $name,
                &include_bytes!(concat!("../../../../tests/fixtures/cosign/", $name, "/blob-0"))[..],
                concat!("sha256:", $digest),
                $usual,
            )
        };
    }

    #[test]
    fn cosigns_payload_without_annotations_is_usual() {
        for (name, bytes, digest, is_usual) in [
            fixture!(
                "classic-p256",
                "c1f1497a4d4964f88db08957b2973cf8bcee10146ce0947f66a8006836536cc9",
                true
            ),
            fixture!(
                "recursive-classic-p256/index",
                "f4c8594842bac6c8e016f663ac298352843ab49f6cd333d5e63d55959cad5649",
                true
            ),
            fixture!(
                "classic-annotated-p256",
                "c1f1497a4d4964f88db08957b2973cf8bcee10146ce0947f66a8006836536cc9",
                false
            ),
        ] {
            let repository = Repository::parse("127.0.0.1:5000/fixtures/app").unwrap();
            let digest = Digest::parse(digest).unwrap();
            let found = usual_payloads(&repository, &digest).any(|payload| payload == bytes);
            assert_eq!(found, is_usual, "{name}");
        }
    }

    #[test]
    fn a_repository_is_named_as_written_in_canonical_form_and_as_cosign_does() {
        for (repository, names) in [
            ("registry.example/a", &["registry.example/a"][..]),
            ("Registry.example:443/a", &["Registry.example:443/a", "registry.example/a"]),
            ("nginx", &["docker.io/library/nginx", "index.docker.io/library/nginx"]),
            (
                "registry-1.docker.io/library/nginx",
                &[
                    "docker.io/library/nginx",
                    "index.docker.io/library/nginx",
                    "registry-1.docker.io/library/nginx",
                ],
            ),
        ] {
            assert_eq!(names_in_payload(&Repository::parse(repository).unwrap()), names, "{repository}");
        }
    }
}
