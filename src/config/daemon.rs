//! `pullgate.toml`: where the daemon listens, what it stands in front of, and its bounds.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::document::{Document, Table, Value};
use super::duration::parse_duration;
use super::file::{FileError, Guard};
use super::ledger::Ledger;
use super::limits::Limits;
use super::problem::{Problem, Problems};
use crate::reference::Reference;
use crate::telemetry::log::Format;
use pullgate_config::values::{read_boolean, read_choice, read_path, section};

mod credentials;
mod keys;
mod registry;
mod sources;
mod warnings;

pub use keys::{KEYS_BOUNDS, Keys};
pub use registry::Registry;

/// The most bytes of the file: 256 KiB.
const MAX_BYTES: u64 = 256 * 1024;

/// How many bytes the path of a unix socket may have: `sun_path` of unix(7), less its end and the private directory in
/// which the socket is made.
const MAX_SOCKET_PATH: usize = 85;

/// How often a node may be scanned.
const SCAN_INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

const SECTIONS: [&str; 10] =
    ["listen", "control", "runtime", "registry", "gate", "scan", "ledger", "keys", "log", "limits"];

const GATE_KEYS: [&str; 5] =
    ["image-status", "checkpoint-restore", "unknown-methods", "pin-user-specified-image", "sandbox-image"];

/// Everything in `pullgate.toml`. What is not there has its default.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DaemonConfig {
    /// Where the kubelet comes.
    pub listen: Listen,
    /// Where the other commands of this program come.
    pub control: Control,
    /// What stands behind.
    pub runtime: Runtime,
    /// How registries are found.
    pub registry: Registry,
    /// What the gate holds besides pulls.
    pub gate: Gate,
    /// Whether the node is looked at again and again.
    pub scan: Scan,
    /// Where evidence is kept.
    pub ledger: Ledger,
    /// Where fetched public keys are kept, and how services of keys are asked.
    pub keys: Keys,
    /// What is logged, and how.
    pub log: Log,
    /// Bounds.
    pub limits: Limits,
}

/// `[listen]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The socket that is made, unless systemd hands one over.
    pub socket: PathBuf,
    /// The group it belongs to, by name; the process's own, when absent.
    pub group: Option<String>,
    /// Its mode; 0600, or 0660 when there is a group.
    pub mode: u32,
}

impl Default for Listen {
    fn default() -> Self {
        Self { socket: PathBuf::from("/run/pullgate/pullgate.sock"), group: None, mode: 0o600 }
    }
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The socket that is made for it; only root and the daemon's own user are answered.
    pub socket: PathBuf,
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: PathBuf::from("/run/pullgate/control.sock") }
    }
}

/// `[runtime]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// containerd's own socket.
    pub socket: PathBuf,
}

impl Default for Runtime {
    fn default() -> Self {
        Self { socket: PathBuf::from("/run/containerd/containerd.sock") }
    }
}

/// `[gate]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Whether images that are present but not admitted are withheld from ImageStatus.
    pub image_status: bool,
    /// Whether containers and pods may be restored from checkpoints.
    pub checkpoint_restore: bool,
    /// Whether methods of the CRI that this version does not know are forwarded where they may bring or run an image.
    pub unknown_methods: bool,
    /// Whether the name that a guest-pull runtime pulls by is pinned to the digest.
    pub pin_user_specified_image: bool,
    /// The image of pod sandboxes, where the runtime does not tell it.
    pub sandbox_image: Option<String>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            image_status: true,
            checkpoint_restore: false,
            unknown_methods: false,
            pin_user_specified_image: false,
            sandbox_image: None,
        }
    }
}

/// `[scan]`
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scan {
    /// The pause between two scans; none without.
    pub interval: Option<Duration>,
    /// Whether images that are refused and that no container uses are removed.
    pub remove_unused: bool,
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How records are written.
    pub format: Format,
    /// The least severe that are written.
    pub level: tracing::Level,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::default(), level: tracing::Level::INFO }
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
        // A link to nowhere is there, and somebody meant something by it.
        Err(FileError::Missing) if path.symlink_metadata().is_err() => return Ok(DaemonConfig::default()),
        Err(error) => {
            return Err(Problems::from(vec![Problem::new(&name, None, error.to_string(), error.hint(path))]));
        }
    };
    read(&name, &text)
}

fn read(name: &str, text: &str) -> Result<DaemonConfig, Problems> {
    let mut document = Document::new(name, text);
    let mut config = DaemonConfig::default();
    if let Some(mut root) = document.parse(&SECTIONS) {
        if let Some(mut table) = section(&mut document, &mut root, "listen", &["socket", "group", "mode"]) {
            read_listen(&mut document, &mut table, &mut config.listen);
        }
        if let Some(mut table) = section(&mut document, &mut root, "control", &["socket"]) {
            read_socket(&mut document, &mut table, &mut config.control.socket);
        }
        if config.control.socket == config.listen.socket {
            let hint = "give each a path of its own; kubelet's is the one in [listen]";
            document.problem(root.span.clone(), "[control] and [listen] have the same `socket`", hint);
        }
        if let Some(mut table) = section(&mut document, &mut root, "runtime", &["socket"]) {
            read_socket(&mut document, &mut table, &mut config.runtime.socket);
        }
        config.registry = Registry::read(&mut document, &mut root);
        if let Some(mut table) = section(&mut document, &mut root, "gate", &GATE_KEYS) {
            read_gate(&mut document, &mut table, &mut config.gate);
        }
        if let Some(mut table) = section(&mut document, &mut root, "scan", &["interval", "remove-unused"]) {
            read_scan(&mut document, &mut table, &mut config.scan);
        }
        if let Some(value) = root.take("ledger") {
            config.ledger = Ledger::read(&mut document, value);
        }
        config.keys = Keys::read(&mut document, &mut root);
        if let Some(mut table) = section(&mut document, &mut root, "log", &["format", "level"]) {
            read_log(&mut document, &mut table, &mut config.log);
        }
        if let Some(value) = root.take("limits") {
            config.limits = Limits::read(&mut document, value);
        }
    }
    if document.problems.is_empty() { Ok(config) } else { Err(Problems::from(document.problems)) }
}

fn read_listen(document: &mut Document<'_>, table: &mut Table<'_>, listen: &mut Listen) {
    read_socket(document, table, &mut listen.socket);
    if let Some((group, span)) = table.take("group").and_then(|value| document.string(value, "`group`")) {
        if group.is_empty() || group.len() > 32 || group.contains([':', '\n', '\0']) {
            document.problem(span, "`group` is not the name of a group", "write a name of /etc/group");
        } else {
            listen.group = Some(group);
            listen.mode = 0o660;
        }
    }
    if let Some(mode) = table.take("mode").and_then(|value| read_mode(document, &value)) {
        listen.mode = mode;
    }
}

/// The mode of a socket that its owner can use, and perhaps its group, but nobody else: whoever can connect can pull
/// with the credentials of the node.
fn read_mode(document: &mut Document<'_>, value: &Value<'_>) -> Option<u32> {
    let mode = match &value.value {
        DeValue::String(text) => u32::from_str_radix(text, 8).ok(),
        DeValue::Integer(_) => u32::try_from(document.integer(value, "`mode`")?).ok(),
        _ => None,
    };
    let mode = mode.filter(|mode| matches!(mode, 0o600 | 0o620 | 0o660));
    if mode.is_none() {
        let hint =
            "write \"0600\", or \"0660\" or \"0620\" for a group; to connect one must be able to write";
        document.problem(value.span.clone(), "`mode` is not one that a socket here may have", hint);
    }
    mode
}

fn read_socket(document: &mut Document<'_>, table: &mut Table<'_>, socket: &mut PathBuf) {
    let Some((path, span)) = read_path(document, table, "socket") else { return };
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        let message = format!("`socket` is longer than {MAX_SOCKET_PATH} bytes");
        document.problem(span, message, "the system allows no more");
    } else {
        *socket = path;
    }
}

fn read_gate(document: &mut Document<'_>, table: &mut Table<'_>, gate: &mut Gate) {
    let [image_status, checkpoint_restore, unknown_methods, pin, sandbox] = GATE_KEYS;
    if let Some(enforce) = read_choice(document, table, image_status, &[("enforce", true), ("off", false)]) {
        gate.image_status = enforce;
    }
    if let Some(allow) = read_choice(document, table, checkpoint_restore, &[("allow", true), ("deny", false)])
    {
        gate.checkpoint_restore = allow;
    }
    if let Some(allow) = read_choice(document, table, unknown_methods, &[("allow", true), ("deny", false)]) {
        gate.unknown_methods = allow;
    }
    if let Some(pinned) = read_boolean(document, table, pin) {
        gate.pin_user_specified_image = pinned;
    }
    let named = table.take(sandbox).and_then(|value| document.string(value, &format!("`{sandbox}`")));
    if let Some((name, span)) = named {
        if Reference::parse(&name).is_ok() {
            gate.sandbox_image = Some(name);
        } else {
            let hint = "write it as containerd's configuration does, such as \"registry.k8s.io/pause:3.10\"";
            document.problem(span, format!("`{sandbox}` is not the name of an image"), hint);
        }
    }
}

fn read_scan(document: &mut Document<'_>, table: &mut Table<'_>, scan: &mut Scan) {
    let interval = table.take("interval").and_then(|value| document.string(value, "`interval`"));
    if let Some((text, span)) = interval {
        scan.interval = parse_duration(&text).filter(|interval| SCAN_INTERVALS.contains(interval));
        if scan.interval.is_none() && text != "off" {
            let hint = "write \"off\", or a text such as \"60m\", from 1s to 1440m";
            document.problem(span, "`interval` is not valid", hint);
        }
    }
    if let Some(remove) = read_boolean(document, table, "remove-unused") {
        scan.remove_unused = remove;
    }
}

fn read_log(document: &mut Document<'_>, table: &mut Table<'_>, log: &mut Log) {
    let formats = [("text", Format::Text), ("json", Format::Json)];
    let levels = [
        ("error", tracing::Level::ERROR),
        ("warn", tracing::Level::WARN),
        ("info", tracing::Level::INFO),
        ("debug", tracing::Level::DEBUG),
        ("trace", tracing::Level::TRACE),
    ];
    if let Some(format) = read_choice(document, table, "format", &formats) {
        log.format = format;
    }
    if let Some(level) = read_choice(document, table, "level", &levels) {
        log.level = level;
    }
}

#[cfg(test)]
mod tests;
