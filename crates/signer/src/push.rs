//! Pushes of images.

use jiff::Timestamp;

use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

/// Characters of the pusher's name.
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
    let plain: String = text.chars().filter(|character| !character.is_control()).take(ACTOR).collect();
    (!plain.is_empty()).then_some(plain)
}
