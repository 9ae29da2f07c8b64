//! Parsers that only a valid signature leads to, for `pullgate-fuzz`: whether each accepts its input.

use super::timestamp;

/// A token of a timestamp authority, and what it signs.
#[must_use]
pub fn timestamp(token: &[u8]) -> bool {
    timestamp::is_readable(token)
}
