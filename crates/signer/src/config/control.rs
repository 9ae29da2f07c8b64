//! `[control]`: the control socket of the running service.

use std::path::{Path, PathBuf};

use super::{path_or, read_file};
use pullgate_config::document::{Document, Table};
use pullgate_config::problem::Problems;

/// The default path.
const SOCKET: &str = "/run/pullgate-signer/control.sock";

/// The control socket in `signer.toml` at `path`. Other problems of the file are ignored: they may be the reason for the
/// request.
///
/// # Errors
/// When the file cannot be read, or `[control]` is not valid.
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
