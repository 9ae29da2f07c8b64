//! A reload that failed, for the status.

use serde::{Deserialize, Serialize};

/// A reload that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedReload {
    /// When it was tried.
    pub at: String,
    /// What is wrong: everything about the file, or what could not be opened.
    pub reasons: Vec<String>,
}
