//! The title of a man page.

use clap::Command;

/// The title of a page. It has no date: the same version always has the same pages.
pub(super) fn title(page: &str, section: &str, program: &Command) -> String {
    let version = program.get_version().unwrap_or_default();
    format!(".TH {page} {section} \"\" \"{} {version}\" pullgate\n", program.get_name())
}
