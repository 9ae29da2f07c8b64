//! Images from which the runtime restores a container instead of starting one.
//!
//! containerd 2.1 to 2.3 does that when the document of an image record has the annotation of a checkpoint
//! (`internal/cri/server/container_checkpoint_linux.go`, `checkIfCheckpointOCIImage`), and then pulls the image that the
//! checkpoint names itself (`CRImportCheckpoint`). CRI-O looks for the same annotation, and for an older one.

use crate::json::{self, Bounds, JsonError, Keys, folded};

/// The name of the container that was checkpointed: checkpointctl's `CheckpointAnnotationName`, and CRI-O's own before.
const ANNOTATIONS: [&str; 2] =
    ["org.criu.checkpoint.container.name", "io.kubernetes.cri-o.annotations.checkpoint.name"];

/// As containerd reads it, which takes "Annotations" for "annotations".
const BOUNDS: Bounds = Bounds { depth: 24, values: 1 << 17, keys: Keys::AsGo };

/// Whether a manifest or an index has the annotation of a checkpoint.
///
/// # Errors
/// When the document is not strict JSON.
pub(super) fn is_checkpoint(document: &[u8]) -> Result<bool, JsonError> {
    // Without the names as bytes, the annotation could only be spelled with escapes, of which there is a backslash.
    let may_have = |name: &str| contains(document, name.as_bytes());
    if !ANNOTATIONS.iter().any(|name| may_have(name)) && !document.contains(&b'\\') {
        return Ok(false);
    }
    let document = json::parse(document, BOUNDS)?;
    let Some(members) = document.as_object() else { return Ok(false) };
    let annotations = members.iter().filter(|(key, _)| folded(key) == "annotations");
    let mut annotations = annotations.filter_map(|(_, value)| value.as_object());
    Ok(annotations.any(|found| ANNOTATIONS.iter().any(|name| found.contains_key(*name))))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_is_found_as_containerd_finds_it() {
        for (document, expected) in [
            (r#"{"annotations":{"org.criu.checkpoint.container.name":"app"}}"#, Some(true)),
            (r#"{"manifests":[],"Annotations":{"org.criu.checkpoint.container.name":""}}"#, Some(true)),
            (r#"{"annotations":{"io.kubernetes.cri-o.annotations.checkpoint.name":"app"}}"#, Some(true)),
            (r#"{"annotations":{"a":"org.criu.checkpoint.container.name"}}"#, Some(false)),
            // Keys of a map are compared exactly.
            (r#"{"annotations":{"Org.criu.checkpoint.container.name":"app"}}"#, Some(false)),
            // Of a child, which containerd ignores.
            (r#"{"manifests":[{"annotations":{"org.criu.checkpoint.container.name":"app"}}]}"#, Some(false)),
            (r#"{"config":{},"layers":[]}"#, Some(false)),
            (r#"{"annotations":null}"#, Some(false)),
            (r#"{"annotations":{"org.criu.checkpoint.container\u002ename":"app"}}"#, Some(true)),
            (r#"{"annotations":{},"Annotations":{"org.criu.checkpoint.container.name":"app"}}"#, None),
            (r#"{"org.criu.checkpoint.container.name""#, None),
        ] {
            assert_eq!(is_checkpoint(document.as_bytes()).ok(), expected, "{document}");
        }
    }
}
