//! A reload that failed, for the status.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedReload {
    /// The time of the attempt.
    pub at: String,
    /// All problems of the file, or what could not be opened.
    pub reasons: Vec<String>,
}
