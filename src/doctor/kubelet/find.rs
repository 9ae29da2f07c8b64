//! Finds the kubelets of the node: those that run, by their processes; otherwise the one that is configured.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pullgate_config::file::Guard;

use super::settings::{self, Setting};
use super::{Endpoint, KubeletFacts, Target};
use crate::doctor::Processes;
use crate::node_install::{self, Host, Tree};

/// The times of processes are known by the second, and so is that of the boot.
const TOLERANCE: Duration = Duration::from_secs(2);

/// The sockets that an endpoint may be.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    /// Where pullgate listens for kubelet.
    pub pullgate: Vec<PathBuf>,
    /// What pullgate forwards to.
    pub runtime: Vec<PathBuf>,
}

impl Sockets {
    fn target(&self, tree: &Tree, socket: &str) -> Target {
        let is_same = |other: &PathBuf| {
            let file = |path: &Path| {
                let metadata = std::fs::metadata(tree.at(path).ok()?).ok()?;
                Some((metadata.dev(), metadata.ino()))
            };
            let path = Path::new(socket);
            path == other || file(path).is_some_and(|found| file(other) == Some(found))
        };
        if self.pullgate.iter().any(is_same) {
            Target::Pullgate
        } else if self.runtime.iter().any(is_same) {
            Target::Runtime
        } else {
            Target::Other
        }
    }
}

/// The kubelets of the node whose root is `root`.
///
/// # Errors
/// Why none was found.
pub fn find(
    host: &impl Host,
    processes: &Processes,
    root: &Path,
    sockets: &Sockets,
) -> Result<Vec<KubeletFacts>, String> {
    let tree = Tree::new(root);
    let mut found = Vec::new();
    let mut embedded = None;
    for pid in processes.of_the_node()? {
        let arguments = processes.arguments(pid);
        let Some(first) = arguments.first() else { continue };
        let program = first.rsplit('/').next().unwrap_or_default();
        let role = arguments.get(1).map_or("", String::as_str);
        match program {
            "kubelet" => found.push(running(host, processes, (pid, &arguments), (&tree, sockets))),
            // k3s has kubelet in its own process; RKE2 starts one.
            "k3s" | "k3s-server" | "k3s-agent" if program != "k3s" || matches!(role, "server" | "agent") => {
                embedded = Some(pid);
            }
            _ => {}
        }
    }
    if found.is_empty() || embedded.is_some() {
        let configured = configured(host, root, embedded, (&tree, sockets));
        match configured {
            Ok(kubelet) => found.push(kubelet),
            Err(why) if found.is_empty() => return Err(why),
            Err(why) => found.push(KubeletFacts {
                name: "kubelet in k3s".to_owned(),
                pid: embedded,
                problem: Some(why),
                ..KubeletFacts::default()
            }),
        }
    }
    Ok(found)
}

fn running(
    host: &impl Host,
    processes: &Processes,
    (pid, arguments): (u32, &[String]),
    (tree, sockets): (&Tree, &Sockets),
) -> KubeletFacts {
    let mut kubelet =
        KubeletFacts { name: format!("kubelet (process {pid})"), pid: Some(pid), ..KubeletFacts::default() };
    // Only a program that root alone can change is run.
    let program = arguments.first().and_then(|program| tree.at(Path::new(program)).ok());
    if program.is_some_and(|program| Guard::of_process().check_program(&program).is_ok()) {
        kubelet.version = node_install::kubelet_version(host, arguments).ok();
    }
    match settings::of_arguments(arguments, tree) {
        Ok(settings) => {
            let started = processes.started(pid);
            let changed = settings.files.iter().find(|file| {
                let at = tree.at(file).ok().and_then(|at| std::fs::metadata(at).ok());
                // A file that was copied with its old time is new too.
                at.and_then(|it| changed(&it))
                    .zip(started)
                    .is_some_and(|(changed, start)| changed > start + TOLERANCE)
            });
            kubelet.changed = changed.map(|file| file.display().to_string());
            kubelet.image_endpoints = endpoints(settings.image, tree, sockets);
            kubelet.runtime_endpoints = endpoints(settings.runtime, tree, sockets);
        }
        Err(error) => kubelet.problem = Some(error.to_string()),
    }
    kubelet
}

/// When the content, or anything else of a file, changed last.
fn changed(metadata: &std::fs::Metadata) -> Option<SystemTime> {
    let inode = Duration::from_secs(u64::try_from(metadata.ctime()).ok()?);
    Some(metadata.modified().ok()?.max(SystemTime::UNIX_EPOCH + inode))
}

fn configured(
    host: &impl Host,
    root: &Path,
    embedded: Option<u32>,
    (tree, sockets): (&Tree, &Sockets),
) -> Result<KubeletFacts, String> {
    let kubelet = node_install::configured_kubelet(host, root).map_err(|error| error.to_string())?;
    if kubelet.running && embedded.is_none() {
        return Err(format!("{} is running, but its process cannot be seen", kubelet.unit));
    }
    Ok(KubeletFacts {
        name: kubelet.unit.to_owned(),
        pid: embedded,
        version: Some(kubelet.version),
        image_endpoints: endpoints(kubelet.image_endpoint, tree, sockets),
        ..KubeletFacts::default()
    })
}

fn endpoints(settings: impl IntoIterator<Item = Setting>, tree: &Tree, sockets: &Sockets) -> Vec<Endpoint> {
    let endpoint = |(socket, place): Setting| {
        let target = sockets.target(tree, &socket);
        Endpoint { socket, place, target }
    };
    settings.into_iter().map(endpoint).collect()
}
