//! Which kubelet runs on the node, and what it reads.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::NodeError;
use super::host::{self, Host, UnitState};
use super::tree::Tree;
use super::unit::{Unit, flag};

/// The first version of kubelet that can use pullgate: see docs/install.md, "kubelet before 1.31".
const FIRST_VERSION: (u32, u32) = (1, 31);
/// The first version of RKE2 that starts kubelet with `--config-dir` (k3s `pkg/daemons/agent/agent_linux.go`).
const RKE2_CONFIG_DIR: (u32, u32) = (1, 32);
const DROP_IN: &str = "10-pullgate.conf";
/// kubelet and k3s read such files in the order of their names, and the last one wins: after `40-nodeadm.conf` of EKS.
const KUBELET_FILE: &str = "50-pullgate.conf";
const RANCHER_FILE: &str = "50-pullgate.yaml";

/// How kubelet was set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Kubeadm,
    /// Amazon Linux 2023, by nodeadm.
    Eks,
    Plain,
    K3s,
    Rke2,
}

/// In kubelet's configuration, and as an argument or in the configuration of k3s.
const IMAGE_ENDPOINT: [&str; 2] = ["imageServiceEndpoint", "image-service-endpoint"];
const RUNTIME_ENDPOINT: [&str; 2] = ["containerRuntimeEndpoint", "container-runtime-endpoint"];

const UNITS: [(&str, Layout); 5] = [
    ("kubelet.service", Layout::Plain),
    ("k3s.service", Layout::K3s),
    ("k3s-agent.service", Layout::K3s),
    ("rke2-server.service", Layout::Rke2),
    ("rke2-agent.service", Layout::Rke2),
];

/// The kubelet of the node.
#[derive(Clone, Debug)]
pub(super) struct Kubelet {
    pub(super) layout: Layout,
    pub(super) unit: &'static str,
    pub(super) state: UnitState,
    pub(super) version: (u32, u32),
    pub(super) arguments: Vec<String>,
    pub(super) service: Unit,
    /// The configuration file of k3s or RKE2.
    rancher: PathBuf,
    /// Where they have kubelet's directory.
    data: PathBuf,
}

/// Where kubelet's image endpoint is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) value: String,
    pub(super) place: String,
    /// Whether a file of ours is read later and wins.
    pub(super) replaceable: bool,
}

impl Endpoint {
    /// An empty image endpoint is the runtime's (cmd/kubelet/app/server.go, `PreInitRuntimeService`). None if a file of ours
    /// sets it anyway.
    fn or_runtime(self, runtime: String) -> Option<Self> {
        match (self.value.is_empty(), self.replaceable) {
            (false, _) => Some(self),
            (true, true) => None,
            (true, false) => Some(Self { value: runtime, ..self }),
        }
    }
}

impl Kubelet {
    /// Finds the one kubelet: of several units, as RKE2's packages have them, the one that runs or is enabled.
    pub(super) fn find(host: &impl Host, tree: &Tree) -> Result<Self, NodeError> {
        let mut loaded = Vec::new();
        for (unit, layout) in UNITS {
            let state = UnitState::of(host, unit)?;
            if state.loaded {
                loaded.push((unit, layout, state));
            }
        }
        let preferred: [fn(&UnitState) -> bool; 3] = [|it| it.running, |it| it.enabled, |_| true];
        for is_candidate in preferred {
            let mut candidates = loaded.iter().filter(|(_, _, state)| is_candidate(state));
            match (candidates.next(), candidates.next()) {
                (Some((unit, layout, state)), None) => {
                    return Self::read(host, tree, (*unit, *layout, state));
                }
                (Some((one, ..)), Some((other, ..))) => {
                    return Err(NodeError::Refused(format!(
                        "found {one} and {other} on this node; disable the one that does not run kubelet"
                    )));
                }
                (None, _) => {}
            }
        }
        let names = UNITS.map(|(unit, _)| unit).join(", ");
        Err(NodeError::Refused(format!(
            "no kubelet found: systemd has no unit with one of these names: {names}"
        )))
    }

    fn read(
        host: &impl Host,
        tree: &Tree,
        (unit, layout, state): (&'static str, Layout, &UnitState),
    ) -> Result<Self, NodeError> {
        let text = host::systemctl(host, &["cat", unit])?;
        let service = Unit::parse(&text, &drop_in(unit));
        let read = |error| NodeError::file("read", Path::new(unit), error);
        let arguments = service.arguments(tree).map_err(read)?;
        let variables = service.variables(tree).map_err(read)?;
        if service.commands.len() != 1 {
            let count = service.commands.len();
            return Err(NodeError::Refused(format!(
                "{unit} has {count} effective ExecStart= lines, but must have exactly one"
            )));
        }
        let name = if layout == Layout::Rke2 { "rke2" } else { "k3s" };
        let variable = format!("{}_CONFIG_FILE", name.to_uppercase());
        let rancher = flag(&arguments, "config")
            .or(variables.get(&variable).map(String::as_str))
            .map_or_else(|| PathBuf::from(format!("/etc/rancher/{name}/config.yaml")), PathBuf::from);
        let mut kubelet = Self {
            layout,
            unit,
            state: state.clone(),
            version: version(host, &arguments)?,
            arguments,
            service,
            rancher,
            data: PathBuf::from(format!("/var/lib/rancher/{name}")),
        };
        if layout == Layout::Plain {
            let exists = |path: &str| tree.at(Path::new(path)).is_ok_and(|it| it.exists());
            if exists("/etc/eks") {
                kubelet.layout = Layout::Eks;
            } else if text.contains("/10-kubeadm.conf") {
                kubelet.layout = Layout::Kubeadm;
            }
        } else if let Some(data) = kubelet.setting(tree, "data-dir").map_err(read)? {
            kubelet.data = PathBuf::from(data);
        }
        kubelet.check(tree).map(|()| kubelet)
    }

    fn check(&self, tree: &Tree) -> Result<(), NodeError> {
        let (major, minor) = self.version;
        if self.version < FIRST_VERSION {
            return Err(NodeError::Refused(format!(
                "kubelet {major}.{minor} cannot use pullgate; update it to 1.31 or newer (docs/install.md)"
            )));
        }
        let snapshotter =
            if self.layout == Layout::K3s { self.setting(tree, "snapshotter") } else { Ok(None) };
        match snapshotter.map_err(|error| NodeError::file("read", &self.rancher, error))?.as_deref() {
            // k3s then sets the image endpoint to the snapshotter's socket, whatever its option says.
            Some("stargz") => Err(NodeError::Refused(
                "k3s runs with `snapshotter: stargz` and sets kubelet's image endpoint itself; use another snapshotter"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// A setting of k3s or RKE2: as an argument, or in its files.
    fn setting(&self, tree: &Tree, name: &str) -> io::Result<Option<String>> {
        if let Some(value) = flag(&self.arguments, name) {
            return Ok(Some(value.to_owned()));
        }
        let mut found = None;
        for file in self.rancher_files(tree)? {
            let text = tree.text(&file)?.unwrap_or_default();
            let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            found =
                values.next_back().map(|value| value.trim().trim_matches(['"', '\'']).to_owned()).or(found);
        }
        Ok(found)
    }

    fn rancher_files(&self, tree: &Tree) -> io::Result<Vec<PathBuf>> {
        let mut further = tree.files(&self.rancher_directory(), ".yaml")?;
        further.extend(tree.files(&self.rancher_directory(), ".yml")?);
        further.sort();
        Ok(std::iter::once(self.rancher.clone()).chain(further).collect())
    }

    fn rancher_directory(&self) -> PathBuf {
        let mut directory = OsString::from(&self.rancher);
        directory.push(".d");
        directory.into()
    }

    /// The drop-in of the unit.
    pub(super) fn drop_in(&self) -> PathBuf {
        drop_in(self.unit)
    }

    /// The directory that kubelet reads further configuration from. `None` if it has to be named by an argument.
    fn config_directory(&self) -> Option<PathBuf> {
        match self.layout {
            Layout::Rke2 => Some(self.data.join("agent/etc/kubelet.conf.d")),
            _ => flag(&self.arguments, "config-dir").map(PathBuf::from),
        }
    }

    /// The `--config-dir` that kubelet needs in addition to its arguments. Not an image endpoint as an argument: kubelet
    /// deprecates arguments for what is in its configuration.
    pub(super) fn missing_config_directory(&self) -> Option<&'static str> {
        match self.layout {
            Layout::K3s | Layout::Rke2 => None,
            _ if self.config_directory().is_some() => None,
            // The one that nodeadm names if the user data has a configuration (nodeadm/internal/kubelet/config.go).
            Layout::Eks => Some("/etc/kubernetes/kubelet/config.json.d"),
            Layout::Kubeadm | Layout::Plain => Some("/etc/kubernetes/kubelet.conf.d"),
        }
    }

    /// The file that sets the image endpoint, and its text.
    pub(super) fn endpoint_file(&self, socket: &str) -> (PathBuf, String) {
        let directory = self.config_directory();
        match self.layout {
            Layout::K3s => (
                self.rancher_directory().join(RANCHER_FILE),
                format!("# Written by `pullgate node install`.\nimage-service-endpoint: unix://{socket}\n"),
            ),
            // RKE2 drops the option of k3s (rke2 pkg/cli/cmds/agent.go). `+` adds to a list of other files.
            Layout::Rke2 if self.version < RKE2_CONFIG_DIR => (
                self.rancher_directory().join(RANCHER_FILE),
                format!(
                    "# Written by `pullgate node install`.\nkubelet-arg+:\n  - image-service-endpoint=unix://{socket}\n"
                ),
            ),
            _ => {
                let missing = self.missing_config_directory().map(PathBuf::from);
                let text = include_str!("../../systemd/kubelet-image-service-endpoint.conf");
                (
                    directory.or(missing).unwrap_or_default().join(KUBELET_FILE),
                    text.replace("/run/pullgate/pullgate.sock", socket),
                )
            }
        }
    }

    /// Where the image endpoint is set now, without the file at `own`.
    pub(super) fn endpoint(&self, tree: &Tree, own: &Path) -> io::Result<Option<Endpoint>> {
        let argument = |[_, name]: &[&str; 2]| flag(&self.arguments, name).map(path_of);
        let mut runtime = String::new();
        let mut files = Vec::new();
        if matches!(self.layout, Layout::K3s | Layout::Rke2) {
            files = self.rancher_files(tree)?;
        } else {
            files.extend(flag(&self.arguments, "config").map(PathBuf::from));
        }
        let own_directory = own.parent().unwrap_or(Path::new("/"));
        if own.extension().is_some_and(|it| it == "conf") {
            // k3s and RKE2 write theirs at each start.
            let read = tree.files_below(own_directory, ".conf")?;
            files.extend(read.into_iter().filter(|it| !it.ends_with("00-rke2-defaults.conf")));
        }
        let mut found = None;
        // kubelet merges its files in this order, also what is empty (cmd/kubelet/app/server.go, `mergeKubeletConfigurations`).
        for file in files.iter().filter(|it| *it != own) {
            let before_ours = !file.starts_with(own_directory) || file.as_path() < own;
            // kubelet's arguments win over its files.
            let is_argument = self.layout == Layout::Rke2 && own.extension() != file.extension();
            let text = tree.text(file)?.unwrap_or_default();
            if let Some((line, value)) = values_in(&text, &IMAGE_ENDPOINT).pop() {
                let place = format!("{}:{line}", file.display());
                found = Some(Endpoint { value, place, replaceable: before_ours && !is_argument });
            }
            if let Some((_, value)) = values_in(&text, &RUNTIME_ENDPOINT).pop() {
                runtime = value;
            }
        }
        if let Some(value) = argument(&IMAGE_ENDPOINT) {
            let place = format!("the arguments of {}", self.unit);
            found = Some(Endpoint { value, place, replaceable: false });
        }
        let runtime = argument(&RUNTIME_ENDPOINT).unwrap_or(runtime);
        Ok(found.and_then(|found| found.or_runtime(runtime)))
    }
}

fn drop_in(unit: &str) -> PathBuf {
    PathBuf::from(format!("/etc/systemd/system/{unit}.d/{DROP_IN}"))
}

/// `Kubernetes v1.31.0`, `k3s version v1.31.4+k3s1 (…)`, `rke2 version v1.31.4+rke2r1 (…)`.
pub(super) fn version(host: &impl Host, arguments: &[String]) -> Result<(u32, u32), NodeError> {
    let program = arguments.first().map_or("", |it| it.trim_start_matches(['@', '-', ':', '+', '!', '|']));
    let text = host::output(host, program, &["--version"])?;
    let parse = |word: &str| {
        let mut numbers = word.strip_prefix('v')?.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    text.split_whitespace()
        .find_map(parse)
        .ok_or_else(|| NodeError::Refused(format!("`{program} --version` prints no version of kubelet")))
}

/// Lines with one of these keys, and the path of a socket that is its value: in YAML, JSON, or as `kubelet-arg`. The path is
/// empty where the value is, and where it is `null`.
pub(crate) fn values_in(text: &str, keys: &[&str]) -> Vec<(usize, String)> {
    let in_line = |line: &str| {
        let line = without_comment(line);
        let after = keys.iter().find_map(|key| line.split_once(key).map(|(_, after)| after))?;
        let value = after.trim_start_matches(['"', '\'', ' ', '\t', ':', '=']);
        let end = value.find(|it: char| it.is_whitespace() || "\"',#}]".contains(it)).unwrap_or(value.len());
        // `null` in both, and `~` in YAML, remove what an earlier file sets.
        value.get(..end).map(|it| if matches!(it, "null" | "~") { String::new() } else { path_of(it) })
    };
    text.lines().zip(1..).filter_map(|(line, number)| Some((number, in_line(line)?))).collect()
}

/// What is before a comment: `#` outside of quotes, at the beginning or after a space (YAML 1.2.2, 6.6). JSON has none.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut last) = (None, ' ');
    for (at, character) in line.char_indices() {
        match (character, quote) {
            ('#', None) if last.is_whitespace() => return line.get(..at).unwrap_or(line),
            ('"' | '\'', None) if !last.is_alphanumeric() => quote = Some(character),
            (_, Some(open)) if character == open && last != '\\' => quote = None,
            _ => {}
        }
        last = character;
    }
    line
}

fn path_of(endpoint: &str) -> String {
    endpoint.strip_prefix("unix://").unwrap_or(endpoint).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_image_endpoints_in_every_notation() {
        for (text, expected) in [
            ("a: 1\nimageServiceEndpoint: unix:///run/soci.sock # SOCI\n", Some((2, "/run/soci.sock"))),
            ("{\"imageServiceEndpoint\":\"unix:///run/soci.sock\",\"x\":1}", Some((1, "/run/soci.sock"))),
            ("kubelet-arg:\n  - image-service-endpoint=unix:///a.sock\n", Some((2, "/a.sock"))),
            ("image-service-endpoint: '/a.sock'\n", Some((1, "/a.sock"))),
            ("# imageServiceEndpoint: unix:///a.sock\n", None),
            ("maxPods: 5 # imageServiceEndpoint: unix:///a.sock\n", None),
            ("maxPods: 5 # not imageServiceEndpoint: it's unix:///a.sock\n", None),
            ("containerRuntimeEndpoint: unix:///c.sock\t# imageServiceEndpoint: /a.sock\n", None),
            ("{\"a\": \"b # c\", \"imageServiceEndpoint\": \"/a.sock\"}", Some((1, "/a.sock"))),
            ("{\"a\": \"\\\" # \", \"imageServiceEndpoint\": \"/a.sock\"}", Some((1, "/a.sock"))),
            ("a: it's # imageServiceEndpoint: /a.sock\n", None),
            ("containerRuntimeEndpoint: unix:///a.sock\n", None),
            ("imageServiceEndpoint: \"\" # none\n", Some((1, ""))),
            ("imageServiceEndpoint:\nmaxPods: 5\n", Some((1, ""))),
            ("imageServiceEndpoint: ~\n", Some((1, ""))),
            ("{\"imageServiceEndpoint\": null, \"x\": 1}", Some((1, ""))),
            ("{\"imageServiceEndpoint\":\"\",\"x\":1}", Some((1, ""))),
            ("", None),
        ] {
            let found = values_in(text, &IMAGE_ENDPOINT).pop();
            assert_eq!(found.as_ref().map(|(line, value)| (*line, value.as_str())), expected, "{text}");
        }
    }
}
