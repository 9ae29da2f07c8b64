//! What has to change on the node, found without changing it.

use std::path::{Path, PathBuf};

use super::host::{Host, UnitState};
use super::kubelet::{Kubelet, Layout};
use super::record::{Part, Record, hash};
use super::tree::{Contents, Tree};
use super::{Node, NodeError};
use crate::config;

pub(super) const PROGRAM: &str = "/usr/bin/pullgate";
pub(super) const SERVICE: &str = "pullgate.service";
pub(super) const SOCKET: &str = "pullgate.socket";
const SOCKET_PATH: &str = "/run/pullgate/pullgate.sock";

/// What runs on a node, with its mode: what `packaging/install` installs, without documents and configuration.
const PROGRAM_FILES: [(&str, u32); 9] = [
    (PROGRAM, 0o755),
    ("/usr/lib/pullgate/containerd-proxy", 0o755),
    ("/usr/lib/pullgate/maintain", 0o755),
    ("/usr/lib/systemd/system/pullgate.service", 0o644),
    ("/usr/lib/systemd/system/pullgate.socket", 0o644),
    ("/usr/lib/systemd/system/pullgate-trust.service", 0o644),
    ("/usr/lib/systemd/system/pullgate-trust.timer", 0o644),
    ("/usr/share/pullgate/kubelet/kubelet-image-service-endpoint.conf", 0o644),
    ("/usr/share/pullgate/kubelet/kubelet.service.d/10-pullgate.conf", 0o644),
];

/// A file that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    pub(super) contents: Contents,
    pub(super) part: Part,
    replaces: bool,
}

/// What `pullgate node install` does.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) kubelet: Kubelet,
    /// The path of the socket that kubelet is to use.
    pub(super) socket: String,
    pub(super) changes: Vec<Change>,
    /// Files of an earlier run that kubelet does not need any more.
    pub(super) stale: Vec<PathBuf>,
    /// Whether the units have to be enabled or started.
    pub(super) enable: bool,
    pub(super) restart_pullgate: bool,
    pub(super) restart_kubelet: bool,
    /// A file of somebody else that sets kubelet's endpoint to the socket.
    set_by: Option<String>,
    /// Differs if another attempt may have another result.
    pub(super) fingerprint: String,
}

impl Plan {
    pub(super) fn make<H: Host>(node: &Node<'_, H>, record: &Record) -> Result<Self, NodeError> {
        let tree = &node.tree;
        let kubelet = Kubelet::find(node.host, tree)?;
        let (service, listener) = (UnitState::of(node.host, SERVICE)?, UnitState::of(node.host, SOCKET)?);
        let socket = listener.listen.clone().unwrap_or_else(|| SOCKET_PATH.to_owned());
        let mut wanted = program_files(node, &listener)?;
        let (set_by, kubelet_files) = kubelet_files(node, &kubelet, &socket)?;
        wanted.extend(kubelet_files);
        let fingerprint = fingerprint(node, &wanted)?;
        let is_stale = |path: &Path| !wanted.iter().any(|(wanted, ..)| wanted == path);
        let stale = record.files.iter().filter(|it| it.part == Part::Kubelet && is_stale(&it.path));
        let stale: Vec<_> = stale.map(|it| it.path.clone()).collect();
        let mut changes = Vec::new();
        for (path, contents, part) in wanted {
            let now = read(tree, &path)?;
            if now.as_ref() != Some(&contents) {
                changes.push(Change { path, contents, part, replaces: now.is_some() });
            }
        }
        let changes_of = |part: Part| changes.iter().any(|it| it.part == part);
        let enable = !(service.enabled && service.running && listener.enabled && listener.running);
        Ok(Self {
            enable,
            restart_pullgate: service.running && (record.restart_pullgate || changes_of(Part::Program)),
            restart_kubelet: kubelet.state.running
                && (record.restart_kubelet || changes_of(Part::Kubelet) || !stale.is_empty()),
            kubelet,
            socket,
            changes,
            stale,
            set_by,
            fingerprint,
        })
    }

    /// Whether the node is as it should be.
    pub fn is_done(&self) -> bool {
        self.changes.is_empty()
            && self.stale.is_empty()
            && !(self.enable || self.restart_pullgate || self.restart_kubelet)
    }

    /// The steps, for a person.
    pub fn text(&self) -> String {
        let Kubelet { unit, version: (major, minor), layout, .. } = &self.kubelet;
        let layout = match layout {
            Layout::Kubeadm => "kubeadm",
            Layout::Eks => "Amazon EKS",
            Layout::Plain => "plain",
            Layout::K3s => "k3s",
            Layout::Rke2 => "RKE2",
        };
        let mut lines = vec![format!("kubelet {major}.{minor} runs in {unit} ({layout})")];
        if let Some(place) = &self.set_by {
            lines.push(format!("its image endpoint is already {}, set in {place}", self.socket));
        }
        let steps = self.steps();
        if steps.is_empty() {
            lines.push("nothing to change".to_owned());
        }
        lines.extend(steps.iter().zip(1..).map(|(step, number)| format!("{number:>3}. {step}")));
        lines.join("\n")
    }

    fn steps(&self) -> Vec<String> {
        if self.is_done() {
            return Vec::new();
        }
        let write = |part: Part| {
            self.changes.iter().filter(move |it| it.part == part).map(|it| {
                let verb = if it.replaces { "replace" } else { "write" };
                format!("{verb} {}", it.path.display())
            })
        };
        let program = if write(Part::Program).next().is_some() { " with the new program" } else { "" };
        let mut steps = vec![format!("check the policy{program}")];
        steps.extend(write(Part::Program));
        if self.enable {
            steps.push(format!("enable and start {SOCKET} and {SERVICE}"));
        }
        if self.restart_pullgate {
            steps.push(format!("restart {SERVICE}"));
        }
        if self.kubelet.state.running {
            steps.push(format!("check that {} answers", self.socket));
        }
        steps.extend(self.stale.iter().map(|path| format!("restore {}", path.display())));
        steps.extend(write(Part::Kubelet));
        if self.restart_kubelet {
            let unit = self.kubelet.unit;
            steps.push(format!("restart {unit}, and undo all changes if it does not become ready"));
        }
        steps
    }
}

type Wanted = (PathBuf, Contents, Part);

fn program_files<H: Host>(node: &Node<'_, H>, listener: &UnitState) -> Result<Vec<Wanted>, NodeError> {
    let Some(source) = &node.settings.source else {
        if listener.loaded && read(&node.tree, Path::new(PROGRAM))?.is_some() {
            return Ok(Vec::new());
        }
        return Err(NodeError::Refused(format!(
            "{PROGRAM} or {SOCKET} not found; install the package first (docs/install.md)"
        )));
    };
    let source = Tree::new(source);
    let mut files = Vec::new();
    for (path, mode) in PROGRAM_FILES {
        let contents = read(&source, Path::new(path))?.ok_or_else(|| {
            NodeError::Refused(format!("{path} not found beside this program; use the image of the chart"))
        })?;
        files.push((PathBuf::from(path), Contents { mode, ..contents }, Part::Program));
    }
    Ok(files)
}

fn kubelet_files<H: Host>(
    node: &Node<'_, H>,
    kubelet: &Kubelet,
    socket: &str,
) -> Result<(Option<String>, Vec<Wanted>), NodeError> {
    let (path, text) = kubelet.endpoint_file(socket);
    let found = kubelet.endpoint(&node.tree, &path).map_err(|error| NodeError::file("read", &path, error))?;
    let file = |path: PathBuf, text: String| {
        (path, Contents { bytes: text.into_bytes(), mode: 0o644 }, Part::Kubelet)
    };
    // k3s starts its containerd itself, so only the socket can be before it.
    let mut drop_in = match kubelet.layout {
        Layout::K3s | Layout::Rke2 => "[Unit]\nWants=pullgate.socket\nAfter=pullgate.socket\n".to_owned(),
        _ => include_str!("../../systemd/kubelet.service.d/10-pullgate.conf").to_owned(),
    };
    let (mut set_by, mut files) = (None, Vec::new());
    match found {
        Some(endpoint) if endpoint.value == socket => set_by = Some(endpoint.place),
        Some(endpoint) if !(endpoint.replaceable && is_chained(node, &endpoint.value)) => {
            let (value, place) = (endpoint.value, endpoint.place);
            let hint = if value.is_empty() {
                "remove it there: it has precedence over the file that pullgate writes, and with an empty value kubelet uses its runtime endpoint"
                    .to_owned()
            } else if endpoint.replaceable {
                format!(
                    "if this is a lazy-pulling snapshotter, put it behind pullgate: set `image-socket` in [runtime] of pullgate.toml to {value:?}"
                )
            } else {
                "remove it there, because it has precedence over the file that pullgate writes".to_owned()
            };
            return Err(NodeError::Refused(format!(
                "kubelet's image endpoint is set to {value:?} in {place}; {hint}"
            )));
        }
        _ => {
            files.push(file(path, text));
            if let Some(directory) = kubelet.missing_config_directory() {
                if let Some(later) = &kubelet.service.overrides {
                    return Err(NodeError::Refused(format!(
                        "{later} sets ExecStart= after {}; add --config-dir={directory} to it",
                        kubelet.drop_in().display()
                    )));
                }
                let command = kubelet.service.commands.first().map_or("", String::as_str);
                drop_in.push_str(&format!(
                    "\n# The command of the other files of this unit, and the directory that has {}.\n[Service]\nExecStart=\nExecStart={command} --config-dir={directory}\n",
                    files.first().map_or(Path::new("").display(), |(path, ..)| path.display())
                ));
            }
        }
    }
    files.push(file(kubelet.drop_in(), drop_in));
    Ok((set_by, files))
}

/// Whether pullgate sends image calls to this socket.
fn is_chained<H: Host>(node: &Node<'_, H>, socket: &str) -> bool {
    let file = node.tree.at(&node.settings.config.join(config::DAEMON_FILE));
    let loaded = file.ok().and_then(|file| config::load_daemon(&file).ok());
    loaded.is_some_and(|config| config.runtime.image_socket.as_deref() == Some(Path::new(socket)))
}

/// Of what is installed and how it is configured.
fn fingerprint<H: Host>(node: &Node<'_, H>, wanted: &[Wanted]) -> Result<String, NodeError> {
    let mut all = String::new();
    for (path, contents, _) in wanted {
        all.push_str(&format!("{} {}\n", path.display(), hash(&contents.bytes)));
    }
    for directory in [node.settings.config.clone(), node.settings.config.join("policy.d")] {
        let files = node.tree.files(&directory, ".toml");
        for file in files.map_err(|error| NodeError::file("read", &directory, error))? {
            let bytes = read(&node.tree, &file)?.map(|it| it.bytes).unwrap_or_default();
            all.push_str(&format!("{} {}\n", file.display(), hash(&bytes)));
        }
    }
    Ok(hash(all.as_bytes()))
}

fn read(tree: &Tree, path: &Path) -> Result<Option<Contents>, NodeError> {
    tree.read(path).map_err(|error| NodeError::file("read", path, error))
}
