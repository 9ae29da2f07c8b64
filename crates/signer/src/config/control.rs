//! `[control]`: where the service that runs is asked.

use std::path::{Path, PathBuf};

use super::{path_or, read_file};
use pullgate_config::document::{Document, Table};
use pullgate_config::problem::Problems;

/// Where it is asked unless the file says otherwise.
const SOCKET: &str = "/run/pullgate-signer/control.sock";

/// The control socket that `signer.toml` at `path` names, whatever else is wrong with the file: who asks the service that
/// runs needs no more of it, and may ask because of what is wrong.
///
/// # Errors
/// When the file cannot be read, or `[control]` cannot be right.
pub fn load_signer_control(path: &Path) -> Result<PathBuf, Problems> {
    let (name, text) = read_file(path)?;
    let mut document = Document::new(&name, &text);
    let mut root = document.recover();
    let socket = read(&mut document, &mut root);
    if document.problems.is_empty() { Ok(socket) } else { Err(Problems::from(document.problems)) }
}

pub(super) fn read(document: &mut Document<'_>, root: &mut Table<'_>) -> PathBuf {
    path_or(document, root, "control", "socket", SOCKET)
}
