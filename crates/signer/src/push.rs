//! What somebody says was pushed.

use jiff::Timestamp;

use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;

/// How much of what a notification calls the pusher is kept, in characters.
const ACTOR: usize = 128;

/// A push, as a notification or a list tells of it. It is a hint: what is signed is what the registry itself has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Where.
    pub repository: Repository,
    /// Under which tag, if it was one.
    pub tag: Option<String>,
    /// What.
    pub digest: Digest,
    /// When, if it is told.
    pub at: Option<Timestamp>,
    /// By whom, if it is told.
    pub actor: Option<String>,
}

/// The name of whoever pushed, for records: one line, shortened.
pub(super) fn actor(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|character| !character.is_control()).take(ACTOR).collect();
    (!plain.is_empty()).then_some(plain)
}
