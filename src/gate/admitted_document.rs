//! The document of an admitted image.

use bytes::Bytes;
use pullgate_net::offload::INLINE_BYTES;

use crate::digest::Digest;

/// The manifest or index of an admitted image: bytes that were hashed here, and have the digest that was admitted.
///
/// Only [`super::Pinned::document`] makes one, and only these bytes are handed to the runtime.
#[derive(Clone, Debug)]
pub struct AdmittedDocument {
    digest: Digest,
    bytes: Bytes,
}

impl AdmittedDocument {
    /// A copy of `document`, which may be a part of something large; `None` if it is large itself, or does not have the
    /// digest.
    pub(super) fn of(admitted: &Digest, document: &[u8]) -> Option<Self> {
        if document.len() > INLINE_BYTES {
            return None;
        }
        let bytes = Bytes::copy_from_slice(document);
        admitted.matches(&bytes).then(|| Self { digest: admitted.clone(), bytes })
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The bytes: at most 64 KiB.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_bytes_with_the_admitted_digest_are_an_admitted_document() {
        let large = Bytes::from(vec![b' '; INLINE_BYTES + 1]);
        let largest = large.slice(1..);
        for (row, admitted, bytes, is_document) in [
            ("its bytes", Digest::of(b"{}"), Bytes::from_static(b"{}"), true),
            ("other bytes", Digest::of(b"{}"), Bytes::from_static(b"{} "), false),
            ("no bytes", Digest::of(b"{}"), Bytes::new(), false),
            ("the largest", Digest::of(&largest), largest, true),
            ("a larger one", Digest::of(&large), large, false),
        ] {
            assert_eq!(AdmittedDocument::of(&admitted, &bytes).is_some(), is_document, "{row}");
        }
    }
}
