//! The files that authenticators name.

use std::path::{Path, PathBuf};

use super::content::Content;
use super::source::{DeclaredKey, KnownKeys};

/// Where key files are, and who may own them.
pub(super) struct KeyFiles<'a> {
    pub(super) root: &'a Path,
    /// The directory of the file that names them.
    pub(super) directory: &'a Path,
    pub(super) content: Content<'a>,
    /// The key files that were read.
    pub(super) read: &'a mut Vec<PathBuf>,
    /// The keys with a `source` that were fetched.
    pub(super) known: &'a KnownKeys,
    /// The keys with a `source` that were declared.
    pub(super) declared: &'a mut Vec<DeclaredKey>,
}
