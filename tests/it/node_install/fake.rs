//! A node: its files in a directory, systemd, and a kubelet that connects to the image endpoint in its configuration.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pullgate::api;
use pullgate::node_install::{Host, Node, NodeError, NodeSettings, Ran};
use pullgate_test::programs;
use pullgate_test::proxy::Daemon;
use pullgate_test::runtime::{Runtime, message};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

pub(super) const RESTART: &str = "systemctl restart --no-block";
const RECORD: &str = "/var/lib/pullgate/node.json";
const PROGRAM_FILES: [&str; 9] = [
    "usr/bin/pullgate",
    "usr/lib/pullgate/containerd-proxy",
    "usr/lib/pullgate/maintain",
    "usr/lib/systemd/system/pullgate.service",
    "usr/lib/systemd/system/pullgate.socket",
    "usr/lib/systemd/system/pullgate-trust.service",
    "usr/lib/systemd/system/pullgate-trust.timer",
    "usr/share/pullgate/kubelet/kubelet-image-service-endpoint.conf",
    "usr/share/pullgate/kubelet/kubelet.service.d/10-pullgate.conf",
];

/// How a kubelet is set up: its files, and what `install` writes for it.
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    version: &'static str,
    files: &'static [(&'static str, &'static str)],
    pub(super) written: &'static [&'static str],
}

const KUBEADM: &str = "[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"\n\
    EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nEnvironmentFile=-/etc/default/kubelet\nExecStart=\n\
    ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n";
const EKS: &str = "[Service]\nEnvironmentFile=/etc/eks/kubelet/environment\nExecStart=/usr/bin/kubelet $NODEADM_KUBELET_ARGS\n";
const KUBELET_DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/10-pullgate.conf";

pub(super) const LAYOUTS: [Layout; 9] = [
    Layout {
        name: "kubeadm",
        unit: "kubelet.service",
        version: "Kubernetes v1.33.2",
        files: &[
            ("usr/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/usr/bin/kubelet\n"),
            ("usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBEADM),
            ("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nimageServiceEndpoint: \"\"\n"),
            ("var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"--v=2\"\n"),
        ],
        written: &["/etc/kubernetes/kubelet.conf.d/50-pullgate.conf", KUBELET_DROP_IN],
    },
    Layout {
        name: "kubeadm with a directory",
        unit: "kubelet.service",
        version: "Kubernetes v1.31.0",
        files: &[
            ("usr/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/usr/bin/kubelet\n"),
            ("usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBEADM),
            ("etc/default/kubelet", "KUBELET_EXTRA_ARGS=\"--v=2 --config-dir=/etc/site/kubelet.d\"\n"),
            ("etc/site/kubelet.d/10-site.conf", "maxPods: 50\n"),
        ],
        written: &["/etc/site/kubelet.d/50-pullgate.conf", KUBELET_DROP_IN],
    },
    Layout {
        name: "plain",
        unit: "kubelet.service",
        version: "Kubernetes v1.34.0",
        files: &[(
            "etc/systemd/system/kubelet.service",
            "[Service]\nExecStart=/opt/bin/kubelet \\\n  --config=/etc/k.yaml\n",
        )],
        written: &["/etc/kubernetes/kubelet.conf.d/50-pullgate.conf", KUBELET_DROP_IN],
    },
    Layout {
        name: "EKS",
        unit: "kubelet.service",
        version: "Kubernetes v1.33.0-eks-802817d",
        files: &[
            ("etc/systemd/system/kubelet.service", EKS),
            (
                "etc/eks/kubelet/environment",
                "NODEADM_KUBELET_ARGS=\"--config=/etc/kubernetes/kubelet/config.json\"\n",
            ),
            ("etc/kubernetes/kubelet/config.json", "{\"kind\": \"KubeletConfiguration\"}\n"),
        ],
        written: &["/etc/kubernetes/kubelet/config.json.d/50-pullgate.conf", KUBELET_DROP_IN],
    },
    Layout {
        name: "EKS with user data",
        unit: "kubelet.service",
        version: "Kubernetes v1.33.0-eks-802817d",
        files: &[
            ("etc/systemd/system/kubelet.service", EKS),
            (
                "etc/eks/kubelet/environment",
                "NODEADM_KUBELET_ARGS=\"--config=/etc/kubernetes/kubelet/config.json --config-dir=/etc/kubernetes/kubelet/config.json.d\"\n",
            ),
            ("etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf", "{\"maxPods\": 58}\n"),
        ],
        written: &["/etc/kubernetes/kubelet/config.json.d/50-pullgate.conf", KUBELET_DROP_IN],
    },
    Layout {
        name: "k3s agent",
        unit: "k3s-agent.service",
        version: "k3s version v1.31.4+k3s1 (a562d090)\ngo version go1.22.9",
        files: &[(
            "etc/systemd/system/k3s-agent.service",
            "[Service]\nExecStart=/usr/local/bin/k3s \\\n    agent\n",
        )],
        written: &[
            "/etc/rancher/k3s/config.yaml.d/50-pullgate.yaml",
            "/etc/systemd/system/k3s-agent.service.d/10-pullgate.conf",
        ],
    },
    Layout {
        name: "k3s server",
        unit: "k3s.service",
        version: "k3s version v1.33.1+k3s1 (99d91538)",
        files: &[
            ("etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n"),
            ("etc/rancher/k3s/config.yaml", "token: x\n"),
        ],
        written: &[
            "/etc/rancher/k3s/config.yaml.d/50-pullgate.yaml",
            "/etc/systemd/system/k3s.service.d/10-pullgate.conf",
        ],
    },
    Layout {
        name: "RKE2 server",
        unit: "rke2-server.service",
        version: "rke2 version v1.32.5+rke2r1 (1d8c8e)",
        // The packages have both units.
        files: &[
            (
                "usr/local/lib/systemd/system/rke2-server.service",
                "[Service]\nExecStart=/usr/local/bin/rke2 server\n",
            ),
            (
                "usr/local/lib/systemd/system/rke2-agent.service",
                "[Service]\nExecStart=/usr/local/bin/rke2 agent\n",
            ),
            ("etc/rancher/rke2/config.yaml", "data-dir: /data/rke2\n"),
            ("data/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf", "kind: KubeletConfiguration\n"),
        ],
        written: &[
            "/data/rke2/agent/etc/kubelet.conf.d/50-pullgate.conf",
            "/etc/systemd/system/rke2-server.service.d/10-pullgate.conf",
        ],
    },
    Layout {
        name: "RKE2 1.31 agent",
        unit: "rke2-agent.service",
        version: "rke2 version v1.31.9+rke2r1 (1d8c8e)",
        files: &[
            (
                "usr/local/lib/systemd/system/rke2-agent.service",
                "[Service]\nExecStart=/usr/local/bin/rke2 agent\n",
            ),
            ("etc/rancher/rke2/config.yaml", "kubelet-arg:\n  - v=2\n"),
        ],
        written: &[
            "/etc/rancher/rke2/config.yaml.d/50-pullgate.yaml",
            "/etc/systemd/system/rke2-agent.service.d/10-pullgate.conf",
        ],
    },
];

/// Paths on the node, with modes and contents. Not what is below /run.
pub(super) type Files = BTreeMap<String, (u32, String)>;

#[derive(Default)]
struct State {
    calls: usize,
    /// The call from which on all fail, as after the end of the process.
    end: Option<usize>,
    changes: Vec<String>,
    said: String,
    version: String,
    enabled: bool,
    invocation: u32,
    stopped: bool,
    /// With which configuration of an image endpoint kubelet does not become healthy: a part of its path.
    breaks: Option<String>,
    /// The process that kubelet is to systemd, if another one than this.
    process: Option<u32>,
    connection: Option<UnixStream>,
}

pub(super) struct Fake {
    pub(super) settings: NodeSettings,
    layout: &'static Layout,
    state: Mutex<State>,
    healthy: Arc<Mutex<bool>>,
    daemon: Option<(JoinHandle<()>, Daemon, Runtime)>,
    tokio: tokio::runtime::Runtime,
    _directory: TempDir,
}

impl Fake {
    pub(super) fn new(layout: &'static Layout) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (root, source) = (directory.path().join("host"), directory.path().join("source"));
        for name in ["run/pullgate", "usr/lib", "usr/share", "usr/bin", "var/lib", "etc/systemd/system"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let daemon = tokio.block_on(async {
            let runtime = Runtime::start(&directory.path().join("runtime.sock"));
            runtime.script(|call| {
                call.path.ends_with("/ImageFsInfo").then(|| message(&api::ImageFsInfoResponse::default()))
            });
            let daemon = Daemon::builder(directory.path(), runtime.socket()).start();
            // /proc/net/unix has the path that a socket was bound to, here as systemd binds it.
            let listener = UnixListener::bind(root.join("run/pullgate/pullgate.sock")).unwrap();
            let proxy = Arc::clone(&daemon.proxy);
            let served = pullgate::cri::serve(proxy, listener, std::future::pending(), Duration::ZERO);
            let task = tokio::spawn(served);
            (task, daemon, runtime)
        });
        let healthy = Arc::new(Mutex::new(true));
        let settings = NodeSettings {
            root,
            source: Some(source.clone()),
            config: PathBuf::from("/etc/pullgate"),
            healthz: serve_healthz(Arc::clone(&healthy)),
            timeout: Duration::from_secs(30),
            interval: Duration::from_millis(2),
            retry: false,
        };
        let state = State { version: layout.version.to_owned(), ..State::default() };
        let fake = Self {
            settings,
            layout,
            state: Mutex::new(state),
            healthy,
            daemon: Some(daemon),
            tokio,
            _directory: directory,
        };
        for name in PROGRAM_FILES {
            put(&source.join(name), &format!("# {name} of the image\n"));
        }
        fake.write("etc/pullgate/policy.toml", "default = \"deny\"\n");
        for (name, text) in layout.files {
            fake.write(name, text);
        }
        fake
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Node<'_, Self>) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let say = |text: &str| {
            let mut state = self.state.lock().unwrap();
            state.said.push_str(text);
            state.said.push('\n');
        };
        work(&Node::new(self.settings.clone(), self, &say))
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        put(&self.settings.root.join(name), text);
    }

    pub(super) fn files(&self) -> Files {
        let mut files = Files::new();
        collect(&self.settings.root, &self.settings.root, &mut files);
        files
    }

    pub(super) fn files_without_record(&self) -> Files {
        without_record(&self.files())
    }

    /// What kubelet and its unit read.
    pub(super) fn kubelet_files(&self) -> Files {
        let mut files = self.files();
        files.retain(|path, _| path.contains("kube") || path.contains("rancher") || path.contains("/k3s"));
        files.retain(|path, _| !path.starts_with("/usr/share"));
        files
    }

    pub(super) fn assert_only_record_since(&self, before: &Files) {
        let mut files = self.files();
        assert!(files.remove(RECORD).is_some());
        files.remove("/var/lib/pullgate/");
        assert_eq!(&files, before);
    }

    /// What was run that changes something.
    pub(super) fn changes(&self) -> Vec<String> {
        self.state.lock().unwrap().changes.clone()
    }

    pub(super) fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    pub(super) fn said(&self) -> String {
        self.state.lock().unwrap().said.clone()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state.lock().unwrap().connection.is_some()
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.state.lock().unwrap().enabled
    }

    pub(super) fn version(&self, text: &str) {
        text.clone_into(&mut self.state.lock().unwrap().version);
    }

    pub(super) fn healthy(&self, healthy: bool) {
        *self.healthy.lock().unwrap() = healthy;
    }

    pub(super) fn disconnect(&self) {
        self.state.lock().unwrap().connection = None;
    }

    pub(super) fn stop_kubelet(&self) {
        self.state.lock().unwrap().stopped = true;
    }

    pub(super) fn stop_pullgate(&mut self) {
        let _context = self.tokio.enter();
        if let Some((task, _, _)) = self.daemon.take() {
            task.abort();
        }
        fs::remove_file(self.settings.root.join("run/pullgate/pullgate.sock")).unwrap();
    }

    pub(super) fn break_with_pullgate(&self, breaks: bool) {
        self.break_with(breaks.then_some(""));
    }

    pub(super) fn break_with(&self, configuration: Option<&str>) {
        self.state.lock().unwrap().breaks = configuration.map(str::to_owned);
    }

    /// Lets kubelet be another process than the one that connects.
    pub(super) fn kubelet_is(&self, process: Option<u32>) {
        self.state.lock().unwrap().process = process;
    }

    /// Another program in the image, whose name says what is wrong with it: see [`Self::run`].
    pub(super) fn update(&self, program: &str) {
        put(&self.settings.source.as_ref().unwrap().join("usr/bin/pullgate"), program);
        put(&self.settings.source.as_ref().unwrap().join(PROGRAM_FILES[3]), &format!("# unit of {program}"));
    }

    pub(super) fn program(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.settings.root.join(name)).unwrap();
        format!("{} {}", read("usr/bin/pullgate"), read(PROGRAM_FILES[3]))
    }

    /// Whether pullgate answers depends on the program that was started.
    fn restart_pullgate(&self) {
        let root = &self.settings.root;
        let (socket, away) = (root.join("run/pullgate/pullgate.sock"), root.join("run/pullgate/away"));
        let program = fs::read_to_string(root.join("usr/bin/pullgate")).unwrap_or_default();
        // What is not there stays so.
        let _ = if program.contains("hangs") { fs::rename(socket, away) } else { fs::rename(away, socket) };
    }

    /// Lets all calls after so many fail.
    pub(super) fn end_after(&self, calls: Option<usize>) {
        let mut state = self.state.lock().unwrap();
        state.end = calls.map(|calls| state.calls + calls);
    }

    /// What systemd says of a unit.
    fn show(&self, unit: &str) -> String {
        let state = self.state.lock().unwrap();
        let exists = !self.cat(unit).is_empty();
        let (running, enabled) = match unit {
            "pullgate.service" | "pullgate.socket" => (state.enabled, state.enabled),
            _ => (exists && unit == self.layout.unit && !state.stopped, exists),
        };
        let listen = if unit == "pullgate.socket" && exists {
            "Listen=/run/pullgate/pullgate.sock (Stream)\n"
        } else {
            ""
        };
        format!(
            "LoadState={}\nActiveState={}\nUnitFileState={}\nInvocationID={}\nMainPID={}\n{listen}",
            if exists { "loaded" } else { "not-found" },
            if running { "active" } else { "inactive" },
            if enabled { "enabled" } else { "disabled" },
            state.invocation,
            state.process.unwrap_or_else(std::process::id),
        )
    }

    fn cat(&self, unit: &str) -> String {
        let directories = ["usr/lib/systemd/system", "usr/local/lib/systemd/system", "etc/systemd/system"];
        let (mut text, mut drop_ins) = (String::new(), BTreeMap::new());
        for directory in directories {
            let path = self.settings.root.join(directory).join(unit);
            if let Ok(unit_text) = fs::read_to_string(&path) {
                text.push_str(&format!("# /{directory}/{unit}\n{unit_text}\n"));
            }
            for entry in fs::read_dir(path.with_file_name(format!("{unit}.d"))).into_iter().flatten() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let body = fs::read_to_string(path.with_file_name(format!("{unit}.d")).join(&name)).unwrap();
                drop_ins.insert(name.clone(), format!("# /{directory}/{unit}.d/{name}\n{body}\n"));
            }
        }
        text + &drop_ins.into_values().collect::<String>()
    }

    /// kubelet's image endpoint, and the directory of the configuration that has it.
    fn endpoint(&self) -> Option<(PathBuf, String)> {
        let root = &self.settings.root;
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
        let directory = match self.layout.unit {
            "k3s.service" | "k3s-agent.service" => "etc/rancher/k3s/config.yaml.d".to_owned(),
            "rke2-server.service" => "data/rke2/agent/etc/kubelet.conf.d".to_owned(),
            "rke2-agent.service" => "etc/rancher/rke2/config.yaml.d".to_owned(),
            unit => {
                let text =
                    read("etc/default/kubelet") + &read("etc/eks/kubelet/environment") + &self.cat(unit);
                let (_, after) = text.rsplit_once("--config-dir=/")?;
                after.split(['"', '\n', ' ']).next()?.to_owned()
            }
        };
        let mut names: Vec<_> =
            fs::read_dir(root.join(&directory)).ok()?.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let text: String = names.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let line = text.lines().rev().find(|it| {
            let line = it.trim_start();
            !line.starts_with('#')
                && (line.contains("mageServiceEndpoint") || line.contains("image-service-endpoint"))
        })?;
        let (_, path) = line.split_once("unix:///")?;
        Some((root.join(path.trim_end_matches(['"', '}'])), directory))
    }

    fn restart_kubelet(&self) {
        let endpoint = self.endpoint();
        let mut state = self.state.lock().unwrap();
        state.invocation += 1;
        state.connection = None;
        let is_broken = |(_, directory): &(PathBuf, String)| {
            state.breaks.as_ref().is_some_and(|part| directory.contains(part.as_str()))
        };
        let healthy = !endpoint.as_ref().is_some_and(is_broken);
        *self.healthy.lock().unwrap() = healthy;
        if healthy && let Some((socket, _)) = endpoint {
            state.connection = Some(UnixStream::connect(socket).unwrap());
        }
    }
}

impl Host for Fake {
    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        let line = format!("{program} {}", arguments.join(" "));
        {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            if state.end.is_some_and(|end| state.calls > end) {
                return Err(io::Error::other("the process has ended"));
            }
            if program == "systemctl" && !matches!(arguments.first(), Some(&("show" | "cat"))) {
                state.changes.push(line.clone());
            }
        }
        let done =
            |output: String| -> io::Result<Ran> { Ok(Ran { success: true, output, errors: String::new() }) };
        let real = |command: &mut Command| -> io::Result<Ran> {
            let output = command.output()?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (success, errors) = (output.status.success(), text(&output.stderr));
            Ok(Ran { success, output: text(&output.stdout), errors })
        };
        match (program, arguments) {
            ("systemctl", ["show", _, unit]) => done(self.show(unit)),
            ("systemctl", ["cat", unit]) => done(self.cat(unit)),
            ("systemctl", ["daemon-reload"] | ["reset-failed", _]) => done(String::new()),
            ("systemctl", ["restart", "pullgate.service"]) => {
                self.restart_pullgate();
                done(String::new())
            }
            ("systemctl", ["enable" | "disable", "--now", ..]) => {
                self.state.lock().unwrap().enabled = arguments.first() == Some(&"enable");
                done(String::new())
            }
            ("systemctl", ["restart", "--no-block", unit]) if *unit == self.layout.unit => {
                self.restart_kubelet();
                done(String::new())
            }
            ("/usr/bin/pullgate" | "/usr/bin/.pullgate-candidate", ["--config", config, rest @ ..]) => {
                let program = fs::read_to_string(self.settings.root.join(program.trim_start_matches('/')))?;
                if program.contains("refuses") {
                    return Ok(Ran { errors: format!("{program} the policy"), ..Ran::default() });
                }
                let config = self.settings.root.join(config.trim_start_matches('/'));
                real(Command::new(programs::pullgate()).arg("--config").arg(config).args(rest))
            }
            ("/usr/lib/pullgate/maintain", ["users"]) => {
                let maintain = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/maintain");
                real(Command::new(maintain).arg("users").env("MAINTAIN_ROOT", &self.settings.root))
            }
            (_, ["--version"]) => done(self.state.lock().unwrap().version.clone()),
            _ => panic!("nobody expects `{line}`"),
        }
    }
}

pub(super) fn without_record(files: &Files) -> Files {
    let mut files = files.clone();
    files.remove(RECORD);
    files
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

fn collect(root: &Path, directory: &Path, files: &mut Files) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("/{}", path.strip_prefix(root).unwrap().display());
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        if name == "/run" {
            continue;
        }
        if path.is_dir() {
            files.insert(format!("{name}/"), (mode, String::new()));
            collect(root, &path, files);
        } else {
            files.insert(name, (mode, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// kubelet's health endpoint, until the test process ends.
fn serve_healthz(healthy: Arc<Mutex<bool>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let status = if *healthy.lock().unwrap() { "200 OK" } else { "500 Internal Server Error" };
            let _ = write!(stream, "HTTP/1.0 {status}\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    address
}
