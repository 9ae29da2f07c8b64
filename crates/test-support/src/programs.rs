//! The programs under test: what cargo built beside the program that asks.

use std::path::{Path, PathBuf};

/// `pullgate`, the program on nodes.
pub fn pullgate() -> PathBuf {
    program("pullgate")
}

/// `pullgate-signer`.
pub fn signer() -> PathBuf {
    program("pullgate-signer")
}

/// Tests, benchmarks and examples are in a directory of their own beside the programs. Cargo builds the programs of other
/// packages for none of them.
fn program(name: &str) -> PathBuf {
    let ours = std::env::current_exe().expect("a program has a path");
    let directory = ours.parent().and_then(Path::parent).expect("cargo puts it in a directory");
    let path = directory.join(name);
    let release = if directory.ends_with("release") { " --release" } else { "" };
    let hint = format!("build it with `cargo build --workspace --bins{release}`");
    assert!(path.is_file(), "there is no {}: {hint}", path.display());
    path
}
