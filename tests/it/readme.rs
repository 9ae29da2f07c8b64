//! The commands of README.md run as they are written, on a registry of the tests.

use std::path::Path;
use std::process::{Command, Output};

use pullgate_test::registry::Registry;
use pullgate_test::{programs, secrets};

const README: &str = include_str!("../../README.md");
const PASSPHRASE: &str = "pg5ECRET-readme";

/// The blocks between fences of the section with this title.
fn blocks(title: &str) -> Vec<&'static str> {
    let section = README.split("\n## ").find(|section| section.starts_with(title)).unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap().1).collect()
}

/// Runs shell commands in `directory`, with the configuration in it. Standard input is the passphrase.
async fn run(directory: &Path, script: &str) -> Output {
    // POSIX allows no hyphen in the name of a function.
    let script = script.replace("pullgate-signer", "signer");
    let pullgate = "pullgate() { \"$0\" --config etc \"$@\"; }";
    let signer =
        "signer() { case $1 in keys) \"$0-signer\" \"$@\" ;; *) \"$0-signer\" --config etc \"$@\" ;; esac; }";
    let script = format!("set -eu\numask 022\n{pullgate}\n{signer}\n{script}\n");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(programs::pullgate()).current_dir(directory);
    std::fs::write(directory.join("typed"), format!("{PASSPHRASE}\n")).unwrap();
    command.stdin(std::fs::File::open(directory.join("typed")).unwrap());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    secrets::wrote_output(&output);
    output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_policy_of_the_readme_work_together() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let (path, etc) = (directory.path(), directory.path().join("etc"));
    registry.image("shop/web", "1.4", "one");
    registry.image("shop/web", "1.5", "two");
    let here = |text: &str| text.replace("registry.example.com", &registry.host());
    std::fs::create_dir_all(etc.join("keys")).unwrap();
    let policy = "# /etc/pullgate/policy.toml\n";
    let policy = blocks("# pullgate").into_iter().find(|block| block.trim_start().starts_with(policy));
    std::fs::write(etc.join("policy.toml"), here(policy.unwrap())).unwrap();

    let signing = blocks("Sign");
    let (commands, expected) = signing[0].split_once("signed: ").unwrap();
    let output = run(path, &here(commands)).await;
    assert!(output.status.success(), "{output:?}");
    secrets::register_key(&std::fs::read_to_string(path.join("release.key")).unwrap());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap();
    let expected = here(expected);
    let (name, layout) = (expected.split_once('…').unwrap().0, expected.trim().rsplit(' ').next().unwrap());
    let name = name.split_once(" → sha256:").unwrap().0;
    assert!(last.starts_with(&format!("signed: {name} → sha256:")) && last.ends_with(layout), "{last}");

    std::fs::copy(path.join("release.pem"), etc.join("keys/release.pem")).unwrap();
    for (tag, code) in [("1.4", 0), ("1.5", 1)] {
        let output = run(path, &here(&format!("pullgate verify registry.example.com/shop/web:{tag}"))).await;
        assert_eq!(output.status.code(), Some(code), "{tag}: {output:?}");
    }

    // With a passphrase, whose file must not be readable by others.
    let sealed: Vec<&str> = signing[1].lines().take_while(|line| !line.contains("pkcs11:")).collect();
    let image = here("registry.example.com/shop/web:1.5");
    let output = run(path, &sealed.join("\n").replace("IMAGE", &image)).await;
    assert!(output.status.success() && sealed.len() > 2, "{output:?}");
    let key = std::fs::read_to_string(path.join("sealed.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
}
