//! The name of a file in a document.

use std::fmt;

/// Maximum length of a path.
pub const MAX_PATH_BYTES: usize = 200;

/// Maximum number of components of a path.
const MAX_COMPONENTS: usize = 8;

/// A relative path of plain components: nothing that leads out of a directory or hides a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// Parses `policy.d/team.toml`. A component has ASCII letters, digits, `-`, `_`, `+` and `.`, and begins with no `.`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.');
        let valid = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
        let is_path = text.len() <= MAX_PATH_BYTES
            && text.split('/').count() <= MAX_COMPONENTS
            && text.split('/').all(valid);
        is_path.then(|| Self(text.to_owned()))
    }

    /// The only file of a deny list.
    #[must_use]
    pub fn deny_list() -> Self {
        Self("deny.toml".to_owned())
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories above the file.
    pub(super) fn directories(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').filter_map(|(end, _)| self.0.get(..end))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
