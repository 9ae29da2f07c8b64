//! Packages of the programs under test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::directory::Directory;
use super::process;
use crate::programs;

/// The version of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A later version with the same files.
pub const NEXT: &str = "999.1.0";

/// A package of the workspace, made once for all tests of this process.
pub fn deb(package: &str, version: &str) -> PathBuf {
    static MADE: LazyLock<(Directory, Mutex<HashMap<String, PathBuf>>)> =
        LazyLock::new(|| (Directory::new(), Mutex::default()));
    let (directory, made) = &*MADE;
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(format!("{package} {version}"))
        .or_insert_with(|| {
            let paths = make(directory.path(), &["--package", package, "--version", version, "deb"]);
            PathBuf::from(paths.trim())
        })
        .clone()
}

/// Makes packages of the programs under test, with these arguments of `packaging/package`. Returns their paths, a line each.
pub fn make(output: &Path, arguments: &[&str]) -> String {
    let program = programs::pullgate();
    let mut make = Command::new(crate::repository().join("packaging/package"));
    make.arg("--programs").arg(program.parent().expect("it is in a directory"));
    make.arg("--output").arg(output).arg("--fast").args(arguments);
    let made = process::output(make.env("SOURCE_DATE_EPOCH", "1767225600"));
    let (paths, log) = (String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
    assert!(made.status.success(), "the packages cannot be made\n{log}");
    paths.into_owned()
}
