//! `--help` of every command.

use super::transcript::Transcript;

fn help(lines: &[&str]) -> String {
    let mut transcript = Transcript::new();
    for line in lines {
        transcript.run(&format!("{line} --help"));
    }
    transcript.end()
}

#[test]
fn of_the_program_on_a_node() {
    insta::assert_snapshot!(help(&[
        "pullgate",
        "pullgate serve",
        "pullgate verify",
        "pullgate policy",
        "pullgate policy check",
        "pullgate policy explain",
        "pullgate policy test",
        "pullgate scan",
        "pullgate status",
        "pullgate verifier",
    ]));
}

#[test]
fn of_the_program_that_signs() {
    insta::assert_snapshot!(help(&[
        "pullgate sign",
        "pullgate signer",
        "pullgate signer check",
        "pullgate signer status",
        "pullgate signer request",
        "pullgate import",
        "pullgate import security-center",
        "pullgate import kritis",
        "pullgate import cosign",
        "pullgate import containers",
        "pullgate keys",
        "pullgate keys generate",
        "pullgate keys public",
        "pullgate keys list",
        "pullgate keys fetch",
    ]));
}

#[test]
fn versions() {
    let mut transcript = Transcript::new();
    transcript.run("pullgate --version");
    insta::assert_snapshot!(transcript.end());
}
