//! The programs under test, which cargo built beside the running test.

use std::path::{Path, PathBuf};

pub fn pullgate() -> PathBuf {
    program("pullgate")
}

pub fn signer() -> PathBuf {
    program("pullgate-signer")
}

/// A program that plays kubelet in a unit of systemd.
pub fn kubelet() -> PathBuf {
    program("play-kubelet")
}

/// Tests, benchmarks and examples are in subdirectories of the programs' directory. Cargo does not build programs of other
/// packages for them.
fn program(name: &str) -> PathBuf {
    let ours = std::env::current_exe().expect("a program has a path");
    let directory = ours.parent().and_then(Path::parent).expect("cargo puts it in a directory");
    let path = directory.join(name);
    let release = if directory.ends_with("release") { " --release" } else { "" };
    let hint = format!("build it with `cargo build --workspace --bins{release}`");
    assert!(path.is_file(), "there is no {}: {hint}", path.display());
    path
}
