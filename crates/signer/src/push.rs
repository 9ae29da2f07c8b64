//! Pushes of images.

use jiff::Timestamp;

use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_core::untrusted::sanitize_to;

/// Bytes of the pusher's name.
const ACTOR: usize = 128;

/// A push that a notification or a listing reports. It is a hint: what is signed is what the registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub repository: Repository,
    pub tag: Option<String>,
    pub digest: Digest,
    /// The time of the push, if known.
    pub at: Option<Timestamp>,
    /// Who pushed, if known.
    pub actor: Option<String>,
}

/// The pusher's name for records: one line, shortened.
pub(super) fn actor(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| sanitize_to(text, ACTOR))
}
