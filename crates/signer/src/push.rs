//! What somebody says was pushed.

use jiff::Timestamp;

use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_core::untrusted::sanitize_to;

/// How much of what a notification calls the pusher is kept, in bytes.
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
    (!text.is_empty()).then(|| sanitize_to(text, ACTOR))
}
