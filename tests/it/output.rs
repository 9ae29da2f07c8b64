//! A command whose output cannot be written fails.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use pullgate_test::signer::{closed_key, key_file};
use pullgate_test::{programs, secrets};

fn run(program: PathBuf, arguments: &[&str], output: Stdio) -> Output {
    let mut command = Command::new(program);
    let output =
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    secrets::wrote_output(&output);
    output
}

/// The key was written all the same. It is registered, and its place is free again.
fn register(made: &str) {
    if let Ok(key) = std::fs::read_to_string(made) {
        secrets::register_key(&key);
        std::fs::remove_file(made).unwrap();
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("policy.toml"), "default = \"deny\"\n").unwrap();
    let (config, key) = (path.display().to_string(), closed_key(path, "p256").display().to_string());
    let public = key_file("p256", "pub").display().to_string();
    let made = path.join("made.key").display().to_string();
    let cases = [
        (programs::signer(), &["import", "cosign", &public, "--scope", "registry.example.com"][..]),
        (programs::signer(), &["keys", "public", &key]),
        (programs::signer(), &["keys", "generate", &made, "--kind", "EC_P256"]),
        (programs::pullgate(), &["--config", &config, "policy", "check"]),
        (
            programs::pullgate(),
            &["--config", &config, "verify", "registry.example.com/app:1", "--output", "json"],
        ),
        (programs::pullgate(), &["--version"]),
    ];
    for (program, arguments) in cases {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = run(program.clone(), arguments, full.into());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("error: cannot write to standard output\n  because "),
            "{arguments:?}: {stderr}"
        );
        register(&made);
        // A reader that has read enough closes the pipe.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let gone = run(program, arguments, writer.into());
        register(&made);
        // The image is refused even if nobody reads the output.
        let expected = if arguments.contains(&"verify") { 1 } else { 0 };
        let stderr = String::from_utf8_lossy(&gone.stderr).into_owned();
        assert_eq!(gone.status.code(), Some(expected), "{arguments:?}: {stderr}");
    }
}

/// On a full disk, no file is left that would block the next run.
#[test]
fn a_policy_that_cannot_be_written_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let (policy, public) = (directory.path().join("policy.toml"), key_file("p256", "pub"));
    let import = |limit: &str| {
        let script = format!("trap '' XFSZ\nulimit -f {limit}\nexec \"$@\"\n");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(programs::signer()).args(["import", "cosign"]).arg(&public);
        command.args(["--scope", "registry.example.com", "--out-file"]).arg(&policy).output().unwrap()
    };
    let output = import("0");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("error: cannot write ") && stderr.contains("policy.toml"), "{stderr}");
    assert!(!policy.exists());
    let output = import("unlimited");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = std::fs::read(&policy).unwrap();
    // An existing file is not changed or removed.
    assert_eq!(import("0").status.code(), Some(2));
    assert_eq!(std::fs::read(&policy).unwrap(), written);
}
