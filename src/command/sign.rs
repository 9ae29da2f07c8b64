//! `pullgate sign`

use std::path::Path;

use super::{Outcome, output};

/// Arguments of `pullgate sign`.
#[derive(Debug, clap::Args)]
pub(super) struct Sign {}

impl Sign {
    pub(super) fn run(self, _root: &Path) -> Outcome {
        output::note("to come");
        Outcome::Usage
    }
}
