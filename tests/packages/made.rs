//! The packages under test, made once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(crate) use pullgate_test::node::packages::{NEXT, VERSION, make};
use tempfile::TempDir;

pub(crate) const PACKAGES: [&str; 2] = ["pullgate", "pullgate-signer"];

/// The packages of this version, and those of [`NEXT`].
pub(crate) fn made() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path(), &["deb", "rpm", "tarball"]);
        make(directory.path(), &["--version", NEXT, "deb", "rpm"]);
        directory
    })
    .path()
}

pub(crate) fn deb(package: &str, version: &str) -> PathBuf {
    made().join(format!("{package}_{version}_amd64.deb"))
}

pub(crate) fn rpm(package: &str, version: &str) -> PathBuf {
    made().join(format!("{package}-{version}-1.x86_64.rpm"))
}

pub(crate) fn tarball(package: &str) -> PathBuf {
    made().join(format!("{package}-{VERSION}-linux-x86_64.tar.gz"))
}

pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The output of a command that succeeds.
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stdout}{stderr}");
    stdout.into_owned()
}
