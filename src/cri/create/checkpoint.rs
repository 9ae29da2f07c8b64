//! The records by which the runtime may restore a container from an image instead of starting one: the one that it uses, and
//! that of the id, which it uses if the name goes meanwhile.
//!
//! containerd resolves the id in the request, takes the first reference of that image, and reads the document of its
//! record (`internal/cri/server`: `checkIfCheckpointOCIImage`, `toContainerdImage`). The references of an image are
//! sorted by `reference/docker/sort.go`: names with tag and digest, with a tag, with a digest, then the id; each group by
//! the alphabet.

use crate::api::Image;

/// The names of both records.
pub(super) fn records(image: &Image) -> [&str; 2] {
    [used_record(image), &image.id]
}

/// The first of the image's references, as containerd sorts them.
fn used_record(image: &Image) -> &str {
    let has_tag = |name: &&String| {
        let (name, _) = name.split_once('@').unwrap_or((name.as_str(), ""));
        name.rsplit('/').next().is_some_and(|last| last.contains(':'))
    };
    let tagged_and_digested = image.repo_digests.iter().filter(has_tag).min();
    let first = tagged_and_digested.or(image.repo_tags.iter().min()).or(image.repo_digests.iter().min());
    first.unwrap_or(&image.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_the_one_that_containerd_uses() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (tags, digests, expected) in [
            (&["b.example/app:1", "a.example/app:1"][..], &["a.example/app@sha256:1"][..], "a.example/app:1"),
            (&[], &["b.example/app@sha256:1", "a.example/app@sha256:1"], "a.example/app@sha256:1"),
            (&["a.example/app:1"], &["b.example:5000/app@sha256:1"], "a.example/app:1"),
            (&["a.example/app:1"], &["b.example/app:1@sha256:1"], "b.example/app:1@sha256:1"),
            (&[], &[], "sha256:id"),
        ] {
            let image = Image {
                id: "sha256:id".to_owned(),
                repo_tags: names(tags),
                repo_digests: names(digests),
                ..Image::default()
            };
            assert_eq!(used_record(&image), expected, "{tags:?} {digests:?}");
        }
    }
}
