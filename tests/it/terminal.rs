//! What a person sees: colours and progress in a terminal, and short digests.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use pullgate_test::policy::{RELEASE, SECURITY};
use pullgate_test::registry::Registry;
use pullgate_test::signer::{Signer, sign_classic};
use pullgate_test::terminal::Terminal;
use pullgate_test::{programs, secrets};
use tempfile::TempDir;

/// A configuration that requires `release` or `security` for all images of this registry.
fn configuration(host: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let policy = format!(
        "default = \"deny\"\n{RELEASE}{SECURITY}[[namespace]]\nscope = \"{host}\"\nrequire = {{ any = [\"release\", \"security\"] }}\n"
    );
    let daemon = format!("[ledger]\ndirectory = \"{}\"\n", directory.path().join("ledger").display());
    for (name, text) in [("policy.toml", policy), ("pullgate.toml", daemon)] {
        pullgate_test::schema::check(name, &text);
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn command(program: PathBuf, root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("TERM", "xterm").arg("--config").arg(root).args(words);
    command
}

fn verify(root: &Path, words: &[&str]) -> Command {
    command(programs::pullgate(), root, &[&["verify"], words].concat())
}

const ESCAPE: char = '\u{1b}';

#[test]
fn colours_are_for_people_at_a_terminal() {
    let root = configuration("r.example");
    let image = "other.example/a:1";
    let refused = "  \u{1b}[2mverdict\u{1b}[0m  \u{1b}[1m\u{1b}[31mrefused\u{1b}[0m (denied-by-rule)";
    for (name, words, variable, colored) in [
        ("a terminal", &[image][..], None, true),
        ("no colours, please", &[image], Some(("NO_COLOR", "1")), false),
        ("colours switched off", &[image], Some(("CLICOLOR", "0")), false),
        ("a terminal without colours", &[image], Some(("TERM", "dumb")), false),
        ("JSON", &[image, "--output", "json"], None, false),
    ] {
        let mut command = verify(root.path(), words);
        command.envs(variable);
        let (status, shown) = Terminal::start(command).end();
        assert_eq!(status.code(), Some(1), "{name}: {shown:?}");
        assert_eq!(shown.contains(ESCAPE), colored, "{name}: {shown:?}");
        assert_eq!(shown.contains(refused), colored, "{name}: {shown:?}");
    }
    let output = verify(root.path(), &[image]).output().unwrap();
    assert!(!String::from_utf8(output.stdout).unwrap().contains(ESCAPE));
}

#[test]
fn names_from_outside_do_not_reach_the_terminal_as_they_are() {
    let root = configuration("r.example");
    let (_, shown) = Terminal::start(verify(root.path(), &["a\u{1b}[2Jb", "--output", "text"])).end();
    assert!(shown.contains("a\\u{1b}[2Jb") && !shown.contains("\u{1b}[2J"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digests_are_short_where_a_whole_one_is_beside_them() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "app");
    sign_classic(
        &registry,
        "team/app",
        &digest,
        &Signer::of("p256", pullgate::trust::Algorithm::EcdsaSha256),
    );
    let root = configuration(&registry.host());
    let image = format!("{}/team/app:1", registry.host());
    let run = |words: &[&str]| {
        let output = verify(root.path(), &[&[image.as_str()], words].concat()).output().unwrap();
        secrets::wrote_output(&output);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        text
    };
    let digest = digest.to_string();
    let short = format!("{}…", &digest[.."sha256:".len() + 12]);
    let row = |text: &str, label: &str| {
        let rows: Vec<_> = text.lines().filter_map(|line| line.trim_start().strip_prefix(label)).collect();
        assert_eq!(rows.len(), 1, "{label}: {text}");
        rows[0].trim_start().to_owned()
    };
    let (text, wide) = (run(&[]), run(&["--wide"]));
    assert_eq!((row(&text, "digest"), row(&wide, "digest")), (short, digest.clone()));
    for text in [&text, &wide] {
        assert_eq!(row(text, "pull"), format!("{}/team/app@{digest}", registry.host()));
        // One block for the signature, with a row for each result.
        row(text, "signature");
        assert!(row(text, "valid for").starts_with("release, key sha256:"), "{text}");
        assert!(row(text, "not valid for").starts_with("security: "), "{text}");
    }
    let json = run(&["--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["digest"], report["signatures"].as_array().map(Vec::len)), (&digest.into(), Some(2)));
    assert_eq!(without_time(&json), without_time(&run(&["--output", "json", "--wide"])));
}

/// The JSON without the milliseconds, which differ from run to run.
fn without_time(json: &str) -> serde_json::Value {
    let mut report: serde_json::Value = serde_json::from_str(json).unwrap();
    report["milliseconds"] = 0.into();
    report
}

#[test]
fn progress_is_shown_while_a_registry_does_not_answer_and_then_erased() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let root = configuration(&host);
    let image = format!("{host}/app:1");
    let mut terminal = Terminal::start(verify(root.path(), &[&image]));
    let connection = listener.accept().unwrap();
    terminal.wait_for(&format!("verifying {image} … 2 s\r"));
    drop((connection, listener));
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(3), "{shown:?}");
    let (progress, result) = shown.rsplit_once(" s\r").unwrap();
    assert!(progress.contains(" … 1 s\r"), "{shown:?}");
    let erased = format!("{:width$}\r", "", width = format!("verifying {image} … 2 s").chars().count());
    assert!(result.starts_with(&erased), "{shown:?}");
    assert!(result.contains("verdict"), "{shown:?}");
}
