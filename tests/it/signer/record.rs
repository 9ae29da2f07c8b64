//! The audit log is moved away while the service runs, as by logrotate.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::killed::{Process, configure, notify, until};
use super::*;

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = |line| serde_json::from_str::<Value>(line).unwrap()["digest"].as_str().unwrap().to_owned();
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn the_audit_log_continues_in_a_new_file_after_sighup() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let path = directory.path().to_owned();
    configure(&path, &registry);
    let process = Process::start(&path);
    until(&path, "the rule has started", |status| status.rules.iter().all(|rule| rule.started)).await;
    let push = async |tag: &str| {
        let digest = registry.image("team/app", tag, tag);
        notify(path.clone(), pushes(&[("team/app", tag, &digest)]).to_string()).await;
        until(&path, "nothing waits", |status| status.waiting + status.busy == 0).await;
        digest.to_string()
    };
    let (now, old) = (path.join("state/audit.jsonl"), path.join("state/audit.jsonl.1"));
    let first = push("1").await;
    assert_eq!(lines(&now), [first.as_str()]);
    std::fs::rename(&now, &old).unwrap();
    // Until SIGHUP it continues with the old file.
    let second = push("2").await;
    assert_eq!((lines(&old), now.exists()), (vec![first.clone(), second.clone()], false));
    kill(Pid::from_raw(process.0.id().try_into().unwrap()), Signal::SIGHUP).unwrap();
    let end = tokio::time::Instant::now() + PATIENCE;
    while !now.exists() {
        assert!(tokio::time::Instant::now() < end, "no new file");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let third = push("3").await;
    assert_eq!(lines(&now), [third]);
    assert_eq!(lines(&old), [first, second]);
}
