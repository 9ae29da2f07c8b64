//! The distribution project's registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::access::{Access, Asked};
use super::process::{self, Daemon};
use super::{directory, environment, http};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The user of a registry with a password.
pub const USER: &str = "puller";
/// That user's password.
pub const PASSWORD: &str = "pg5ECRET-password";
/// The same in bcrypt, for the registry's configuration.
const PASSWORD_BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuxwHs7aticRWRFEjpzCYDntxLA6sYF7y";

pub struct Registry {
    directory: PathBuf,
    host: String,
    daemon: Daemon,
}

impl Registry {
    /// Starts an empty one on a free port of 127.0.0.1.
    pub fn start(directory: PathBuf) -> Self {
        directory::make(&directory);
        let (daemon, host) = serve(&directory, "0", "");
        Self { directory, host, daemon }
    }

    /// Restarts it with the same content and address, for [`USER`] with [`PASSWORD`] only.
    pub fn restart_with_password(&mut self) {
        let passwords = self.passwords();
        self.restart_with(&passwords);
    }

    /// Lines of configuration that require [`USER`] with [`PASSWORD`].
    pub fn passwords(&self) -> String {
        let file = self.directory.join("htpasswd");
        directory::write(&file, format!("{USER}:{PASSWORD_BCRYPT}\n"));
        format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display())
    }

    /// Restarts it with the same content and address, and with these lines after its section `http`.
    pub fn restart_with(&mut self, lines: &str) {
        self.daemon.stop();
        let port = self.host.rsplit(':').next().unwrap_or_default();
        self.daemon = serve(&self.directory, port, lines).0;
    }

    /// Every request since it was started, with the time, authorized or not.
    pub fn asked(&self) -> Vec<Asked> {
        self.daemon.log().lines().filter_map(Asked::parse).collect()
    }

    /// Starts it after [`Self::stop`], with the same content and address.
    pub fn start_again(&mut self) {
        let port = self.host.rsplit(':').next().unwrap_or_default();
        self.daemon = serve(&self.directory, port, "").0;
    }

    /// Restarts it at the same address, with TLS with these certificate and key files.
    pub fn restart_with_tls(&mut self, certificate: &Path, key: &Path) {
        let (certificate, key) = (certificate.display(), key.display());
        self.restart_with(&format!("  tls:\n    certificate: {certificate}\n    key: {key}\n"));
    }

    /// Restarts it with the same content and address, and with notifications of pushes to `url`.
    pub fn restart_with_notifications(&mut self, url: &str, secret: &str) {
        self.daemon.stop();
        let lines = format!(
            "notifications:\n  endpoints:\n    - name: signer\n      url: {url}\n      headers:\n        \
             Authorization: [Bearer {secret}]\n      timeout: 5s\n      threshold: 100\n      backoff: 100ms\n"
        );
        directory::write(&self.directory.join("notifications.yml"), lines);
        self.start_again();
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Every request that it has answered so far.
    pub fn requests(&self) -> Vec<Access> {
        let log = fs::read_to_string(self.directory.join("access.log")).unwrap_or_default();
        log.lines().filter_map(Access::parse).collect()
    }

    /// Stops it with SIGSTOP: it accepts connections, and does not answer.
    pub fn freeze(&self) {
        self.daemon.signal(Signal::SIGSTOP);
    }

    /// Continues it.
    pub fn thaw(&self) {
        self.daemon.signal(Signal::SIGCONT);
    }

    /// Ends it: connections are refused from now on.
    pub fn stop(&mut self) {
        self.daemon.stop();
    }

    /// The manifest of a tag or digest, byte for byte.
    pub fn manifest(&self, repository: &str, reference: &str) -> Vec<u8> {
        let answer = self.ask_for_manifest(repository, reference);
        assert_eq!(answer.status, 200, "{repository}:{reference}: {}", answer.text());
        answer.body
    }

    /// As [`Self::manifest`], where it may be absent. The registry answers 500 while it overwrites a tag.
    pub fn find_manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        let answer = self.ask_for_manifest(repository, reference);
        (answer.status == 200).then_some(answer.body)
    }

    fn ask_for_manifest(&self, repository: &str, reference: &str) -> http::Answer {
        let accept = format!("{MANIFEST}, {INDEX}");
        http::get(&self.host, &format!("/v2/{repository}/manifests/{reference}"), &accept)
    }

    /// Puts a manifest or an index.
    pub fn put_manifest(&self, repository: &str, reference: &str, manifest: &[u8]) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let is_index = String::from_utf8_lossy(manifest).contains("\"manifests\"");
        let kind = if is_index { INDEX } else { MANIFEST };
        let answer = http::send("PUT", &self.host, &path, &[("content-type", kind)], manifest);
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    }

    pub fn blob(&self, repository: &str, digest: &str) -> Vec<u8> {
        let answer = http::get(&self.host, &format!("/v2/{repository}/blobs/{digest}"), "*/*");
        assert_eq!(answer.status, 200, "{repository}@{digest}: {}", answer.text());
        answer.body
    }

    /// Uploads a blob and returns its digest.
    pub fn put_blob(&self, repository: &str, blob: &[u8]) -> String {
        let digest = pullgate::digest::Digest::of(blob).to_string();
        let begun = http::send("POST", &self.host, &format!("/v2/{repository}/blobs/uploads/"), &[], &[]);
        assert_eq!(begun.status, 202, "{}", begun.text());
        let location = begun.header("location").expect("an upload has a location");
        let path = location.strip_prefix(&format!("http://{}", self.host)).unwrap_or(location);
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}digest={digest}");
        let answer =
            http::send("PUT", &self.host, &path, &[("content-type", "application/octet-stream")], blob);
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
        digest
    }
}

fn serve(directory: &Path, port: &str, lines: &str) -> (Daemon, String) {
    let mut config = Command::new(environment::script("registry-config"));
    let config = process::must_run(config.arg(directory).arg(port));
    let notifications = fs::read_to_string(directory.join("notifications.yml")).unwrap_or_default();
    directory::write(&directory.join("config.yml"), config + lines + &notifications);
    let log = directory.join("registry.log");
    // Remove the log of an earlier run, which has its address.
    let _ = fs::remove_file(&log);
    let serve = |command: &mut Command| {
        command.arg("serve").arg(directory.join("config.yml"));
        command.stdout(Stdio::from(process::append(&directory.join("access.log"))));
    };
    let mut daemon = Daemon::start(&environment::tool("docker-registry"), serve, &log);
    let host = daemon.wait_until("listening", || listening_on(&fs::read_to_string(&log).ok()?));
    (daemon, host)
}

fn listening_on(log: &str) -> Option<String> {
    let (_, after) = log.split_once("listening on ")?;
    // The line may be incomplete, and so the port.
    let (host, _) = after.split_once(['"', ' ', ','])?;
    Some(host.to_owned())
}
