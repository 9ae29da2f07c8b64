//! Making signatures and putting them where verifiers look for them.

mod classic;
mod layout;

pub use classic::{Attached, attach};
pub use layout::{Layout, UnknownLayout};

use crate::keys::KeysError;
use crate::registry::RegistryError;

/// Why a signature was not attached.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The registry could not be asked, or did not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// There is no place in cosign's classic layout for signatures of SHA-512 digests.
    #[error("signatures of {0} have no tag in cosign's classic layout; sign a sha256 digest")]
    NoTag(crate::digest::Digest),
    /// What is under the tag is not a manifest of signatures.
    #[error("tag {tag} holds something that is no manifest of signatures: {reason}")]
    NotSignatures {
        /// The tag.
        tag: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no room under the tag.
    #[error("tag {tag} holds {found} layers, more than {limit} are not read by verifiers")]
    Full {
        /// The tag.
        tag: String,
        /// The layers there are.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Others wrote at the same time, each time.
    #[error("tag {tag} was written by others {attempts} times in a row while the signature was added")]
    Contended {
        /// The tag.
        tag: String,
        /// How often it was tried.
        attempts: usize,
    },
}
