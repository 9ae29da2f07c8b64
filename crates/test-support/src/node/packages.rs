//! The Debian package of the program under test.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::directory::Directory;
use super::process;
use crate::programs;

/// The version of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A later version with the same files.
pub const NEXT: &str = "999.1.0";

/// The package of `pullgate`, made once for all tests of this process.
pub fn deb(version: &str) -> PathBuf {
    static MADE: LazyLock<(Directory, Mutex<HashMap<String, PathBuf>>)> =
        LazyLock::new(|| (Directory::new(), Mutex::default()));
    let (directory, made) = &*MADE;
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(version.to_owned())
        .or_insert_with(|| {
            let program = programs::pullgate();
            let mut make = Command::new(crate::repository().join("packaging/package"));
            make.args(["--package", "pullgate", "--version", version, "--fast", "--programs"]);
            make.arg(program.parent().expect("it is in a directory"));
            make.arg("--output").arg(directory.path()).arg("deb");
            let made = process::output(&mut make);
            let (paths, log) = (String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
            assert!(made.status.success(), "the package cannot be made\n{log}");
            PathBuf::from(paths.trim())
        })
        .clone()
}
