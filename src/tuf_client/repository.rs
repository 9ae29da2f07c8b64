//! Where a trusted root comes from.

use std::path::PathBuf;

/// A TUF repository with a trusted root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRepository {
    /// The name of its files in the directory.
    pub name: String,
    /// The address of its metadata, or of a mirror.
    pub url: String,
    /// The address of its files, if it is not `targets` below [`Self::url`].
    pub targets: Option<String>,
    /// The root of its metadata that everything begins with.
    pub root: PathBuf,
    /// The name of the trusted root in the repository.
    pub target: String,
}

impl TrustRepository {
    /// The address of its files.
    pub fn targets_url(&self) -> String {
        self.targets.clone().unwrap_or_else(|| format!("{}/targets", self.url))
    }

    /// Whether a name is one of a file, and of nothing else.
    pub fn is_name(text: &str) -> bool {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        (1..=64).contains(&text.len()) && text.bytes().all(plain)
    }

    /// Whether a target can be asked for by this name.
    pub fn is_target(text: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=128).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(plain)
    }
}
