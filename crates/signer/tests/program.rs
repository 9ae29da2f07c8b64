//! Tests of the program itself. cargo builds it for this test, and so for `tests/it`, whose tests run it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn the_program_prints_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_pullgate-signer")).arg("--version").output().unwrap();
    let expected = format!("pullgate-signer {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(0), expected));
}
