//! What a reload reports: success, a bad file, and settings that need a restart.

use pullgate_signer::Status;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pullgate_signer::Tls;

use super::killed::{Process, configure, until};
use super::*;
use pullgate_test::signer::key_file;

/// `pullgate-signer` with these arguments: exit code, standard output, standard error.
fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(pullgate_test::programs::signer());
    command.arg("--config").arg(directory).args(arguments).env_remove("COSIGN_PASSWORD");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    secrets::wrote("output", format!("{stdout}{stderr}"));
    (status.code(), stdout, stderr)
}

fn write(file: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Like `configure`, with a key that can be removed. Returns the text of `signer.toml` and the key's file.
fn configure_with_own_key(directory: &Path, registry: &Registry) -> (String, PathBuf) {
    configure(directory, registry);
    write(&directory.join("pullgate.toml"), "[log]\nlevel = \"warn\"\n");
    let (file, own) = (directory.join("signer.toml"), directory.join("own.key"));
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("key = ")).unwrap();
    let text = text.replace(line, &format!("key = {:?}", own.display().to_string()));
    write(&file, &text);
    write(&own, std::fs::read(key_file("p256", "key")).unwrap());
    (text, own)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_failed_reload_is_reported_until_one_succeeds() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let path = directory.path().to_owned();
    let (text, own) = configure_with_own_key(&path, &registry);
    let file = path.join("signer.toml");
    let process = Process::start(&path);
    let reload = || kill(Pid::from_raw(process.0.id().try_into().unwrap()), Signal::SIGHUP).unwrap();
    let failed = |part: &'static str| {
        move |status: &Status| {
            let failed = status.reload_failed.as_ref();
            failed.is_some_and(|failed| failed.reasons.iter().any(|reason| reason.contains(part)))
        }
    };
    until(&path, "the rule has started", |status| status.rules.iter().all(|rule| rule.started)).await;
    let (code, output, _) = run(&path, &["status"]);
    assert!(code == Some(0) && !output.contains("RELOAD"), "{code:?} {output}");

    // The key is gone.
    let kept = std::fs::read(&own).unwrap();
    std::fs::remove_file(&own).unwrap();
    reload();
    until(&path, "the missing key is reported", failed("own.key")).await;
    let reason = format!(
        "the settings of signer.toml cannot be used: the key of authenticator release cannot be used: {} cannot be read: \
         No such file or directory",
        own.display()
    );
    let (code, output, _) = run(&path, &["status"]);
    assert!(
        code == Some(1) && output.starts_with("RELOAD FAILED at 2") && output.contains(&reason),
        "{output}"
    );
    assert!(output.contains("rule team: automatic"), "the rules are reported all the same: {output}");
    let (code, output, _) = run(&path, &["status", "--output", "json"]);
    let output: Value = serde_json::from_str(&output).unwrap();
    let first = output["reload_failed"]["reasons"][0].as_str().unwrap();
    assert!(code == Some(1) && first.starts_with(&reason), "{output}");
    let log = std::fs::read_to_string(path.join("log")).unwrap();
    assert!(log.contains(&reason), "{log}");
    let (code, _, output) = run(&path, &["check"]);
    assert!(code == Some(2) && output.contains("own.key cannot be read"), "{output}");

    // The file is invalid: `status` still works.
    write(&own, kept);
    write(&file, format!("{text}[[rule]\n"));
    reload();
    until(&path, "the file is refused", failed("signer.toml:")).await;
    let (code, output, _) = run(&path, &["status"]);
    assert!(code == Some(1) && output.contains("signer.toml:") && output.contains("rule team:"), "{output}");
    assert_eq!(run(&path, &["check"]).0, Some(2));
    let (code, _, output) = run(&path, &["request", "--rule", "nope", "--all-tags"]);
    assert_eq!(
        (code, output.as_str()),
        (Some(1), "error: the signer refused the request: signer.toml has no rule with this name\n")
    );

    // It is repaired.
    write(&file, text.replace("workers = 16", "workers = 3"));
    reload();
    until(&path, "it is in force", |status| status.reload_failed.is_none()).await;
    let (code, output, _) = run(&path, &["status"]);
    assert!(code == Some(0) && !output.contains("RELOAD FAILED"), "{code:?} {output}");
    assert!(output.contains("RESTART NEEDED to apply: [limits] workers\n"), "{output}");
    let end = tokio::time::Instant::now() + PATIENCE;
    while !std::fs::read_to_string(path.join("log")).unwrap().contains("[limits] workers") {
        assert!(tokio::time::Instant::now() < end, "the log does not warn");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(process);
    let (code, _, output) = run(&path, &["status"]);
    assert!(code == Some(3) && output.contains("cannot connect to the control socket"), "{code:?} {output}");
    secrets::keep(&path.join("log"));
}

#[tokio::test]
async fn a_reload_reports_changes_that_need_a_restart() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let old = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    let service = Service::started(old.clone()).await;
    let tls = || Tls { certificate: "/c".into(), key: "/k".into(), clients: None };
    type Change<'a> = &'a dyn Fn(&mut SignerSettings);
    let rows: [(Change<'_>, &[&str]); 16] = [
        (&|_| {}, &[]),
        (&|it| it.listen.address = Address::Unix("/x".into()), &["[listen]"]),
        (&|it| it.listen.secret_file = Some("/x".into()), &["[listen]"]),
        (&|it| it.listen.tls = Some(tls()), &["[listen]"]),
        (&|it| it.control = "/x".into(), &["[control] socket"]),
        (&|it| it.metrics = Some("127.0.0.1:1".parse().unwrap()), &["[metrics] address"]),
        (&|it| it.directory = "/x".into(), &["[state] directory"]),
        (&|it| it.limits.body_bytes += 1, &["[limits] notification-bytes"]),
        (&|it| it.limits.connections += 1, &["[limits] connections"]),
        (&|it| it.limits.request_timeout *= 2, &["[limits] request-timeout"]),
        (&|it| it.limits.queued += 1, &["[limits] queued"]),
        (&|it| it.limits.remembered += 1, &["[limits] remembered"]),
        (&|it| it.limits.workers += 1, &["[limits] workers"]),
        (&|it| (it.limits.events, it.limits.attempts, it.limits.listed) = (7, 7, 7), &[]),
        (&|it| it.limits.longest_pause *= 2, &[]),
        (&|it| it.rules.clear(), &[]),
    ];
    for (change, expected) in rows {
        let mut new = old.clone();
        change(&mut new);
        service.signer.reload(new).await.unwrap();
        assert_eq!(service.signer.needs_restart(), expected);
        assert_eq!(Status::of(&service.signer).needs_restart, expected);
    }
    service.stop().await;
}

#[tokio::test]
async fn check_opens_key_and_password_files_and_contacts_no_service() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let path = directory.path();
    let (text, own) = configure_with_own_key(path, &registry);
    let place = format!("{:?}", own.display().to_string());
    let encrypted = path.join("own.encrypted.key");
    write(&encrypted, std::fs::read(key_file("p256.encrypted", "key")).unwrap());
    let encrypted = format!("{:?}", encrypted.display().to_string());
    write(&path.join("two"), "one\ntwo\n");
    let login = format!("username = \"u\"\npassword-file = {:?}", path.join("two").display().to_string());
    for (from, to, code, expected) in [
        ("", "", 0, "signer.toml is valid: 1 rule, 1 authenticator\n"),
        (place.as_str(), "\"none.key\"", 2, "/none.key cannot be read\n  because No such file"),
        ("\"ECDSA_SHA_256\"", "\"ED25519\"", 2, "own.key cannot be used for signing\n"),
        (&place, &encrypted, 0, "own.encrypted.key: the key is encrypted"),
        (
            &place,
            "\"alikms://KEY/VERSION?region=cn-hangzhou\"",
            0,
            "not checked, because the key is not in a file: alikms://",
        ),
        ("hosts = \"/nonexistent\"", &login, 2, "two does not contain exactly one line"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert!(from == to || changed != text, "{from}");
        write(&path.join("signer.toml"), changed);
        let (found, out, errors) = run(path, &["check"]);
        assert!(found == Some(code) && format!("{out}{errors}").contains(expected), "{to}: {out}{errors}");
    }
    write(&path.join("signer.toml"), &text);
    write(&path.join("pullgate.toml"), "[log]\nlevel = \"loud\"\n");
    let (code, _, errors) = run(path, &["check"]);
    assert!(
        code == Some(2) && errors.contains("unknown value `loud` for `level`"),
        "without it no service starts: {errors}"
    );
}
