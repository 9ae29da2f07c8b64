//! The program starts. Because of this test cargo builds it for every `cargo test`, also for the tests of other packages that
//! run it.

use std::process::Command;

#[test]
fn says_its_version() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_pullgate-signer")).arg("--version").output().expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        concat!("pullgate-signer ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
