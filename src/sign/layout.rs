//! How signatures are stored.

use std::fmt;
use std::str::FromStr;

/// A way of storing signatures beside an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// cosign's classic layout: the tag `sha256-….sig`.
    #[default]
    Classic,
    /// A Sigstore bundle as an OCI referrer.
    Bundle,
    /// Both of them.
    Both,
}

impl Layout {
    /// Every layout there is.
    pub const ALL: [Self; 3] = [Self::Classic, Self::Bundle, Self::Both];

    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Bundle => "bundle",
            Self::Both => "both",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = UnknownLayout;

    fn from_str(text: &str) -> Result<Self, UnknownLayout> {
        Self::ALL.into_iter().find(|layout| layout.name() == text).ok_or(UnknownLayout)
    }
}

/// The text names no layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown layout; write classic, bundle or both")]
pub struct UnknownLayout;
