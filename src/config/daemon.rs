//! `pullgate.toml`: the sockets of the daemon, and what it does besides the policy.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{Document, Value};
use super::file::{FileError, Guard};
use super::limits::Limits;
use super::problem::Problems;
use crate::cri::CriSettings;
use crate::follow::FollowSettings;
use crate::ledger::LedgerSettings;
use crate::telemetry::log::Format;
use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::description::Range;
use pullgate_config::kind::{Choice, Flag, Form, OptionKind, PATH, Section, off_or};
use pullgate_config::options::{Options as _, Pass};
use pullgate_daemon::http::Address;
use toml::de::DeValue;
use tracing::Level;

mod credentials;
mod host;
mod keys;
mod metrics;
mod programs;
mod registry;
mod report;
mod sources;
mod trust;
mod warnings;

pub use keys::Keys;
pub use metrics::Metrics;
pub use registry::Registry;
pub use report::Report;
pub use trust::Trust;

/// A bit of a file's mode.
const READABLE_BY_OTHERS: u32 = 0o004;

/// The most bytes of the file: 256 KiB.
const MAX_BYTES: u64 = 256 * 1024;

/// How many bytes the path of a unix socket may have: `sun_path` of unix(7), less its end and the private directory in
/// which the socket is made.
const MAX_SOCKET_PATH: usize = 85;

const SOCKET: Form<PathBuf> =
    Form { kind: OptionKind::AbsolutePath, bounds: "absolute path, at most 85 bytes", read: read_socket };
const GROUP: Form<String> = Form { kind: OptionKind::Text, bounds: "a group of this node", read: read_group };
const MODE: Form<u32> = Form { kind: OptionKind::Either(MODES), bounds: "0600, 0620, 0660", read: read_mode };
/// A text in octal, or a number as `0o660`.
const MODES: &[OptionKind] = &[OptionKind::Pattern("^0*6[026]0$"), OptionKind::Number(MODE_NUMBERS)];
const MODE_NUMBERS: Range = Range { units: &[], bare: true, minimum: 0o600, maximum: 0o660, word: "" };

pullgate_config::options! {
    /// Everything in `pullgate.toml`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DaemonConfig {
        /// The socket for kubelet.
        listen: Listen = "listen", Section("[listen]");
        /// The socket that `pullgate status`, `pullgate scan` and `pullgate image-verifier` use. Only root and the user of
        /// the daemon get answers.
        control: Control = "control", Section("[control]");
        /// The container runtime behind the daemon.
        runtime: Runtime = "runtime", Section("[runtime]");
        /// How registries and signatures are found, and with which credentials.
        registry: Registry = "registry", Section("[registry]");
        /// What is checked besides pulls.
        gate: CriSettings = "gate", Section("[gate]");
        /// Scans of the images and containers on the node.
        scan: Scan = "scan", Section("[scan]");
        /// The evidence of admitted images, so that their next start needs no registry.
        ledger: LedgerSettings = "ledger", Section("[ledger]");
        /// The public keys that the policy names by `source`. Each is fetched once, and accepted only if its fingerprint is
        /// the pinned one.
        keys: Keys = "keys", Section("[keys]");
        /// Trusted roots of Sigstore instances, for keyless signatures and for logs.
        trust: Trust = "trust", Section("[trust]");
        /// A policy and a deny list from a registry (docs/follow.md).
        follow: FollowSettings = "follow", Section("[follow]");
        /// Metrics for Prometheus, which docs/metrics.md lists. Off, unless `listen` or `textfile` is set.
        metrics: Metrics = "metrics", Section("[metrics]");
        /// The record of decisions that `pullgate report` shows (docs/report.md).
        report: Report = "report", Section("[report]");
        /// Log messages, on standard error.
        log: Log = "log", Section("[log]");
        /// Limits on requests to registries, and on their responses.
        limits: Limits = "limits", Section("[limits]");
    }
    check check_sockets;
}

pullgate_config::options! {
    /// `[listen]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Listen {
        /// The socket that kubelet uses as its `imageServiceEndpoint`. If systemd passes a socket, as `pullgate.socket` does, `[listen]` has no effect.
        socket: PathBuf = "socket", SOCKET.or("/run/pullgate/pullgate.sock");
        /// A group whose members may connect. Every caller that can connect can pull with the rights of this daemon.
        group: Option<String> = "group", GROUP.optional("none", "\"pullgate\"");
        /// The mode of the socket, in octal. With 0600, the members of the group cannot connect. 0660 and 0620 need a
        /// `group`.
        configured_mode: Option<u32> = "mode", MODE.optional("0600; 0660 with a group", "\"0660\"");
    }
}

impl Listen {
    /// The mode of the socket.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.configured_mode.unwrap_or(if self.group.is_some() { 0o660 } else { 0o600 })
    }
}

pullgate_config::options! {
    /// `[control]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Control {
        /// The control socket. It must not be the socket of `[listen]`.
        socket: PathBuf = "socket", SOCKET.or("/run/pullgate/control.sock");
    }
}

pullgate_config::options! {
    /// `[runtime]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Runtime {
        /// The socket of containerd.
        socket: PathBuf = "socket", SOCKET.or("/run/containerd/containerd.sock");
        /// The socket of a lazy-pulling snapshotter (stargz, SOCI, nydus) that serves the image service of the CRI and
        /// forwards its calls to containerd. pullgate sends image calls there, and all other calls to containerd.
        image_socket: Option<PathBuf> = "image-socket", SOCKET.optional("the one in `socket`", "\"/run/containerd-stargz-grpc/containerd-stargz-grpc.sock\"");
    }
}

pullgate_config::options! {
    /// `[scan]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Scan {
        /// How often to check every image and running container on the node. The log lists what is not admitted; `pullgate
        /// scan` checks the same immediately.
        interval: Option<Duration> = "interval", off_or(SECOND, 1440 * MINUTE);
        /// Whether a scan removes unused images that are finally refused under every name: by the policy for all pods, or
        /// because the registry has no valid signature for their digest. An image that merely lacks evidence stays, such as
        /// an imported one or one whose tag has moved.
        remove_unused: bool = "remove-unused", Flag(false);
    }
}

pullgate_config::options! {
    /// `[log]`
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Log {
        /// The format of log messages.
        format: Format = "format", Choice(&[("text", Format::Text), ("json", Format::Json)], Format::Text);
        /// The lowest level of messages that are logged.
        level: Level = "level", Choice(
            &[
                ("error", Level::ERROR),
                ("warn", Level::WARN),
                ("info", Level::INFO),
                ("debug", Level::DEBUG),
                ("trace", Level::TRACE),
            ],
            Level::INFO
        );
    }
}

/// Reads `pullgate.toml` at `path`. Without the file everything has its default.
///
/// # Errors
/// All problems of the file.
pub fn load_daemon(path: &Path) -> Result<DaemonConfig, Problems> {
    let name = path.display().to_string();
    let root = path.parent().unwrap_or(Path::new("/"));
    let text = match Guard::of_process().read(root, path, MAX_BYTES) {
        Ok(text) => text,
        // A link to nowhere is an error: somebody meant something by it.
        Err(FileError::Missing) if path.symlink_metadata().is_err() => return Ok(DaemonConfig::default()),
        Err(error) => return Err(Problems::from(vec![error.problem(&name, path)])),
    };
    let mut config = read(&name, &text)?;
    let mode = path.metadata().map_or(0, |metadata| metadata.mode());
    config.registry.keyring.is_world_readable = mode & READABLE_BY_OTHERS != 0;
    Ok(config)
}

/// Reads a text as if it were `pullgate.toml`.
///
/// # Errors
/// All problems of the text.
pub fn load_daemon_text(text: &str) -> Result<DaemonConfig, Problems> {
    read("pullgate.toml", text)
}

fn read(name: &str, text: &str) -> Result<DaemonConfig, Problems> {
    Document::load(name, text, |document| {
        let mut root = document.parse(&DaemonConfig::keys())?;
        Some(DaemonConfig::read(document, &mut root))
    })
}

fn check_sockets(config: &DaemonConfig, pass: &mut Pass<'_, '_, '_>) {
    if config.control.socket == config.listen.socket {
        let hint = "use two different paths; kubelet connects to the socket in [listen]";
        pass.problem("", "[control] and [listen] have the same `socket`", hint);
    }
    let ours = [("[listen]", &config.listen.socket), ("[control]", &config.control.socket)];
    let runtime = [("socket", &config.runtime.socket)];
    let images = config.runtime.image_socket.iter().map(|path| ("image-socket", path));
    for (key, path) in runtime.into_iter().chain(images) {
        if let Some((section, _)) = ours.iter().find(|(_, own)| *own == path) {
            let problem = format!("`{key}` in [runtime] is the `socket` of {section}");
            pass.problem(
                "",
                problem,
                "write the socket of the runtime, because pullgate must not call itself",
            );
        }
    }
    if let Some(Address::Unix(path)) = &config.metrics.listen
        && let Some((section, _)) = ours.iter().find(|(_, own)| *own == path)
    {
        let problem = format!("`listen` in [metrics] is the `socket` of {section}");
        pass.problem("", problem, "use another path for metrics");
    }
}

fn read_socket(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<PathBuf> {
    let span = value.span.clone();
    let path = (PATH.read)(document, key, value)?;
    if path.as_os_str().len() <= MAX_SOCKET_PATH {
        return Some(path);
    }
    let message = format!("`{key}` is longer than {MAX_SOCKET_PATH} bytes");
    document.problem(span, message, "Unix socket paths are limited by the operating system");
    None
}

fn read_group(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let problem = ["is not the name of a group", "write the name of a group in /etc/group"];
    document.parsed(key, value, problem, |text| {
        let plain = !text.is_empty() && text.len() <= 32 && !text.contains([':', '\n', '\0']);
        plain.then(|| text.to_owned())
    })
}

/// The mode of a socket that its owner can use, and perhaps its group, but nobody else: whoever can connect can pull
/// with the credentials of the node.
fn read_mode(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<u32> {
    let mode = match &value.value {
        DeValue::String(text) => u32::from_str_radix(text, 8).ok(),
        DeValue::Integer(_) => u32::try_from(document.integer(&value, &format!("`{key}`"))?).ok(),
        _ => None,
    };
    let mode = mode.filter(|mode| matches!(mode, 0o600 | 0o620 | 0o660));
    if mode.is_none() {
        let hint = "write \"0600\", or for a group \"0660\" or \"0620\", because a caller needs write permission to connect";
        document.problem(value.span, format!("`{key}` is not an allowed mode for this socket"), hint);
    }
    mode
}

#[cfg(test)]
mod tests;
