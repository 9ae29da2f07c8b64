//! Notifications of pushes while the service is killed again and again.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use super::*;

/// How many images are pushed, and how many of them within the rule's scope.
const PUSHES: usize = 10_000;
const OUTSIDE: usize = 200;

const KILLS: usize = 50;

/// Pushes of one notification.
const TOGETHER: usize = 20;

const REPOSITORIES: usize = 40;

/// On an idle machine it takes a minute.
const LIMIT: Duration = Duration::from_secs(1200);

/// A service in a separate process.
pub(super) struct Process(pub(super) Child);

impl Process {
    pub(super) fn start(directory: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
        let mut command = Command::new(pullgate_test::programs::signer());
        command.arg("--config").arg(directory).arg("serve");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        // SIGKILL.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn below(bound: u64) -> u64 {
    RandomState::new().build_hasher().finish() % bound
}

async fn ask_status(directory: &Path) -> Option<Status> {
    let stream = UnixStream::connect(directory.join("control.sock")).await.ok()?;
    let (_, text) = send(stream, "GET", "/status", &[], Bytes::new()).await.ok()?;
    serde_json::from_str(&text).ok()
}

pub(super) async fn until(directory: &Path, what: &str, is_so: impl Fn(&Status) -> bool) {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let status = ask_status(directory).await;
        if status.as_ref().is_some_and(&is_so) {
            return;
        }
        let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        assert!(tokio::time::Instant::now() < end, "did not happen: {what}: {status:?}\n{}", log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Notifies as a registry does: until it is accepted.
pub(super) async fn notify(directory: PathBuf, body: String) {
    let headers = [("content-type", DISTRIBUTION)];
    loop {
        if let Ok(stream) = UnixStream::connect(directory.join("notify.sock")).await {
            let sent = send(stream, "POST", "/notify", &headers, body.clone().into()).await;
            if sent.is_ok_and(|(status, _)| status == 202) {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Writes the files of a service that signs images pushed to `team`.
pub(super) fn configure(directory: &Path, registry: &Registry) {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    let config = format!(
        "[registry]\nhost = {host:?}\nhosts = \"/nonexistent\"\n\
         [listen]\naddress = \"unix:{path}/notify.sock\"\n[control]\nsocket = \"{path}/control.sock\"\n\
         [state]\ndirectory = \"{path}/state\"\n[limits]\nworkers = 16\nlongest-pause = \"1s\"\n\
         [authenticator.release]\nkey = {key:?}\nalgorithm = \"ECDSA_SHA_256\"\nsignatures-per-second = 100000\n\
         [[rule]]\nname = \"team\"\nauthenticator = \"release\"\nscope = \"{host}/team\"\nlayout = \"classic\"\n",
        host = registry.host(),
        path = directory.display(),
        key = closed_key(directory, "p256").display().to_string(),
    );
    std::fs::write(directory.join("signer.toml"), config).unwrap();
    std::fs::write(directory.join("pullgate.toml"), "[log]\nlevel = \"error\"\n").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "all-tests"), ignore = "takes long: `make test` runs it")]
async fn every_push_is_signed_exactly_once_though_the_signer_is_killed_fifty_times() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let path = directory.path().to_owned();
    configure(&path, &registry);
    let mut process = Process::start(&path);
    until(&path, "the rule has started", |status| status.rules.iter().all(|rule| rule.started)).await;
    let images: Vec<(String, String, Digest)> = (0..PUSHES + OUTSIDE)
        .map(|n| {
            let namespace = if n % (PUSHES / OUTSIDE + 1) == 0 { "other" } else { "team" };
            let (repository, tag) = (format!("{namespace}/app{}", n % REPOSITORIES), format!("v{n}"));
            let digest = registry.image(&repository, &tag, &n.to_string());
            (repository, tag, digest)
        })
        .collect();
    registry.forget_requests();
    let notifier = {
        let (images, path) = (images.clone(), path.clone());
        tokio::spawn(async move {
            let mut under_way = JoinSet::new();
            for (number, some) in images.chunks(TOGETHER).enumerate() {
                let events: Vec<_> =
                    some.iter().map(|(path, tag, digest)| (path.as_str(), tag.as_str(), digest)).collect();
                let body = pushes(&events).to_string();
                // Some are notified twice.
                for _ in 0..=usize::from(number % 7 == 0) {
                    under_way.spawn(notify(path.clone(), body.clone()));
                }
                while under_way.len() > 4 {
                    under_way.join_next().await.unwrap().unwrap();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            while let Some(ended) = under_way.join_next().await {
                ended.unwrap();
            }
        })
    };
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(100 + below(700))).await;
        process.kill();
        process = Process::start(&path);
    }
    tokio::time::timeout(LIMIT, notifier).await.unwrap().unwrap();
    until(&path, "nothing waits", |status| status.waiting + status.busy == 0 && status.parked == 0).await;
    let wrong: Vec<_> = images
        .iter()
        .filter(|(repository, _, digest)| {
            let expected = usize::from(repository.starts_with("team/"));
            signatures(&registry, repository, digest) != expected
        })
        .collect();
    assert!(wrong.is_empty(), "{} of them: {:?}", wrong.len(), &wrong[..wrong.len().min(3)]);
    let mut signed: HashMap<String, usize> = HashMap::new();
    let mut noted: HashMap<String, usize> = HashMap::new();
    let text = std::fs::read_to_string(path.join("state/audit.jsonl")).unwrap();
    // A kill may leave an incomplete line.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let image = format!("{}@{}", line["repository"].as_str().unwrap(), line["digest"].as_str().unwrap());
        *noted.entry(image.clone()).or_default() += 1;
        if line["outcome"] == "signed" {
            *signed.entry(image).or_default() += 1;
        }
    }
    assert_eq!(noted.len(), PUSHES, "each is in the audit log");
    assert!(signed.values().all(|times| *times == 1), "and not twice as signed");
    drop(process);
    secrets::keep(&path.join("log"));
    secrets::keep(&path.join("state"));
}
