//! `pullgate policy check`, what a reload reports about the other files, and what is installed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const POLICY: &str = "default = \"deny\"\n";

fn command(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullgate"));
    command.arg("--config").arg(root);
    command
}

fn check(root: &Path) -> (Option<i32>, String) {
    let output = command(root).args(["policy", "check"]).output().unwrap();
    let report = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), report.concat())
}

#[test]
fn policy_check_covers_everything_that_startup_reads() {
    let open = "[[open]]\nscope = \"r.io/team\"\nreason = \"outage\"\nuntil = ";
    for (file, text, code, expected) in [
        ("pullgate.toml", "".to_owned(), 0, "policy is valid"),
        ("pullgate.toml", "[listen]\ngroup = \"root\"".to_owned(), 0, "policy is valid"),
        ("pullgate.toml", "[listen]\ngroup = \"nosuchgroup\"".to_owned(), 2, "`nosuchgroup`"),
        (
            "pullgate.toml",
            "[listen]\ngroup = \"root\"\nmode = \"0600\"".to_owned(),
            0,
            "warning: pullgate.toml: [listen] `group` is \"root\", but with `mode` 0600 none of its members can connect",
        ),
        (
            "pullgate.toml",
            "[registry]\ncontainerd-config = \"/none\\u001b[2J\"".to_owned(),
            0,
            "[registry] `containerd-config` /none\\u{1b}[2J does not exist",
        ),
        ("pullgate.toml", "[listen]\ngruop = \"root\"".to_owned(), 2, "unknown key `gruop`"),
        ("pullgate.toml", "[scan]\nremove-unused = true".to_owned(), 0, "`remove-unused` does nothing"),
        ("break-glass.toml", format!("{open}2020-01-01T00:00:00Z"), 0, "policy is valid"),
        ("break-glass.toml", format!("{open}2094-01-01T00:00:00Z"), 2, "more than 7 days ahead"),
        ("policy.d/\u{1b}[2J.toml", "bogus = 1".to_owned(), 2, "unknown key `bogus`"),
    ] {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("policy.d")).unwrap();
        std::fs::write(root.path().join("policy.toml"), POLICY).unwrap();
        std::fs::write(root.path().join(file), &text).unwrap();
        let (exit, shown) = check(root.path());
        assert_eq!(exit, Some(code), "{file} {text}: {shown}");
        assert!(shown.contains(expected), "{file} {text}: {shown}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
    let (exit, shown) = check(Path::new("/nonexistent/etc"));
    assert_eq!(exit, Some(2), "{shown}");
    assert!(shown.contains("/nonexistent/etc: the directory does not exist"), "{shown}");
}

#[test]
fn a_reload_reports_changes_that_need_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().display();
    let text = format!(
        "[listen]\nsocket = \"{directory}/a.sock\"\n[control]\nsocket = \"{directory}/b.sock\"\n\
         [runtime]\nsocket = \"{directory}/none.sock\"\n[ledger]\ndirectory = \"{directory}/evidence\"\n\
         [scan]\nremove-unused = true\n"
    );
    let configuration = root.path().join("pullgate.toml");
    std::fs::write(root.path().join("policy.toml"), POLICY).unwrap();
    std::fs::write(&configuration, &text).unwrap();
    let log = root.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let mut child = command(root.path()).arg("serve").stdout(Stdio::null()).stderr(file).spawn().unwrap();
    let read = || std::fs::read_to_string(&log).unwrap();
    let wait = |what: &str, count: usize| {
        let there = (0..1200).any(|_| {
            let there = read().matches(what).count() >= count;
            if !there {
                std::thread::sleep(Duration::from_millis(50));
            }
            there
        });
        assert!(there, "{what:?} does not come; the log:\n{}", read());
    };
    wait("runtime socket not found yet", 1);
    wait(" serving ", 1);
    let hang_up = |loaded: usize| {
        let process = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGHUP).unwrap();
        wait("policy in force", loaded);
    };
    wait("`remove-unused` does nothing", 1);
    let status = command(root.path()).args(["status", "--output", "json"]).output().unwrap();
    let report = String::from_utf8(status.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(status.status.code(), Some(1), "{report}");
    assert!(report["attention"].to_string().contains("`remove-unused` does nothing"), "{report}");
    hang_up(2);
    assert!(!read().contains("pullgate.toml has changed"), "{}", read());
    std::fs::write(&configuration, format!("{text}[log]\nlevel = \"debug\"\n")).unwrap();
    hang_up(3);
    wait("pullgate.toml has changed", 1);
    std::fs::write(&configuration, format!("{text}[lgo]\n")).unwrap();
    hang_up(4);
    wait("the next start of the daemon will fail", 1);
    let report = read();
    let problem = report.lines().find(|line| line.contains("unknown key `lgo`")).unwrap();
    assert!(problem.contains("; hint: did you mean `log`"), "on one line: {problem}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_scan_without_a_runtime_reports_the_socket_and_the_cause() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().display();
    let text = format!(
        "[runtime]\nsocket = \"{directory}/none.sock\"\n[ledger]\ndirectory = \"{directory}/evidence\"\n"
    );
    std::fs::write(root.path().join("policy.toml"), POLICY).unwrap();
    std::fs::write(root.path().join("pullgate.toml"), text).unwrap();
    let output = command(root.path()).args(["scan", "--daemon", "off"]).output().unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{report}");
    assert!(report.contains(&format!("the runtime at {directory}/none.sock did not list")), "{report}");
    assert!(report.contains("cannot connect to the runtime's socket: No such file or directory"), "{report}");
    assert!(!report.contains("Dial("), "{report}");
}

/// The target of each link in an installed document is installed.
#[test]
fn link_targets_of_documents_are_installed() {
    let destination = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let install = Command::new(source.join("packaging/install"))
        .arg(pullgate_test::programs::pullgate().parent().unwrap())
        .env("DESTDIR", destination.path())
        .output()
        .unwrap();
    assert!(install.status.success(), "{install:?}");
    for program in ["pullgate", "pullgate-signer"] {
        links_resolve(&destination.path().join("usr/share/doc").join(program));
    }
    for unit in std::fs::read_dir(destination.path().join("usr/lib/systemd/system")).unwrap() {
        let text = std::fs::read_to_string(unit.unwrap().path()).unwrap();
        for named in text.lines().filter_map(|line| line.strip_prefix("Documentation=file:/")) {
            assert!(destination.path().join(named).is_file(), "{named}");
        }
    }
}

fn links_resolve(root: &Path) {
    assert!(root.join("config/break-glass.toml").is_file() && root.join("docs/coverage.md").is_file());
    let documents = ["", "docs", "docs/design", "docs/install"]
        .into_iter()
        .flat_map(|part| std::fs::read_dir(root.join(part)).unwrap());
    let documents = documents.map(|entry| entry.unwrap().path());
    let mut links = 0;
    for document in documents.filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            links += 1;
            let target = document.parent().unwrap().join(path);
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
    assert!(links > 10, "{links}");
}

/// A refresh that succeeds for one repository and fails for another exits with 3, after which systemd skips what is to start
/// afterwards.
#[test]
fn the_daemon_is_reloaded_also_after_a_refresh_that_failed_in_part() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/pullgate-trust.service");
    let text = std::fs::read_to_string(unit).unwrap();
    let reload = |line: &&str| line.ends_with(" reload pullgate.service");
    let reloads: Vec<_> = text.lines().filter(reload).collect();
    assert_eq!(reloads, ["ExecStopPost=-+/bin/systemctl --no-block reload pullgate.service"]);
}

#[test]
fn b14_policy_check_shows_the_warnings_about_hosts() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("policy.toml"), POLICY).unwrap();
    let host = root.path().join("certs.d/r.example");
    std::fs::create_dir_all(&host).unwrap();
    std::fs::write(host.join("hosts.toml"), "[host.\"https://m.example\"]\nrewrites = {}\n").unwrap();
    let hosts = root.path().join("certs.d");
    std::fs::write(root.path().join("pullgate.toml"), format!("[registry]\nhosts = {hosts:?}\n")).unwrap();
    let (code, shown) = check(root.path());
    assert_eq!(code, Some(0), "{shown}");
    let warning = "certs.d/r.example/hosts.toml: host https://m.example: unknown key `rewrites` is ignored";
    assert!(shown.lines().any(|line| line.starts_with("warning: ") && line.ends_with(warning)), "{shown}");
}
