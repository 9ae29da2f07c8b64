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
        "pullgate report",
        "pullgate status",
        "pullgate doctor",
        "pullgate node",
        "pullgate node install",
        "pullgate node uninstall",
        "pullgate node plan",
        "pullgate image-verifier",
        "pullgate generate",
        "pullgate generate man",
        "pullgate generate completions",
        "pullgate generate schema",
    ]));
}

#[test]
fn of_the_program_that_signs() {
    insta::assert_snapshot!(help(&[
        "pullgate-signer",
        "pullgate-signer serve",
        "pullgate-signer check",
        "pullgate-signer status",
        "pullgate-signer request",
        "pullgate-signer sign",
        "pullgate-signer import",
        "pullgate-signer import security-center",
        "pullgate-signer import kritis",
        "pullgate-signer import binauthz",
        "pullgate-signer import cosign",
        "pullgate-signer import containers",
        "pullgate-signer keys",
        "pullgate-signer keys generate",
        "pullgate-signer keys public",
        "pullgate-signer keys list",
        "pullgate-signer keys fetch",
        "pullgate-signer keys sign",
        "pullgate-signer generate",
        "pullgate-signer generate schema",
    ]));
}

#[test]
fn versions() {
    let mut transcript = Transcript::new();
    transcript.run("pullgate --version");
    transcript.run("pullgate-signer --version");
    insta::assert_snapshot!(transcript.end());
}
