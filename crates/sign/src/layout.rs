//! The layout of signatures in a registry.

use std::fmt;
use std::str::FromStr;

/// The layout of a signature, as in configuration and on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// cosign's classic layout: all signatures of a digest are layers of one manifest under the tag `sha256-….sig`.
    /// Supported by every cosign, by skopeo, podman and CRI-O; the payload names the repository.
    Classic,
    /// A Sigstore bundle that refers to the image: what cosign writes since version 3. It names the repository in an annotation, which
    /// cosign does not.
    Bundle,
    /// One signature in each of cosign's layouts.
    #[default]
    Both,
    /// An envelope of the Notary Project that refers to the image: what notation, ratify and their like verify, by the certificate
    /// of the key.
    Notation,
}

impl Layout {
    /// All values, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Classic, Self::Bundle, Self::Both, Self::Notation];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Bundle => "bundle",
            Self::Both => "both",
            Self::Notation => "notation",
        }
    }

    /// Whether it has signatures under cosign's tag.
    #[must_use]
    pub fn is_classic(self) -> bool {
        matches!(self, Self::Classic | Self::Both)
    }

    /// Whether it has signatures that refer to the image. Only these can have a timestamp.
    #[must_use]
    pub fn is_referrer(self) -> bool {
        self != Self::Classic
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

/// The text is not the name of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown layout; write classic, bundle, both or notation")]
pub struct UnknownLayout;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for layout in Layout::ALL {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        for text in ["", "Classic", "bundles", "classic,bundle", " both", "notary"] {
            assert_eq!(text.parse::<Layout>(), Err(UnknownLayout), "{text}");
        }
    }
}
