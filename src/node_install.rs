//! Puts pullgate between kubelet and containerd on a node, and takes it out again.
//!
//! [`Plan`] finds what has to change, and changes nothing. [`install`] does it: each change is recorded on the node before it
//! is made, so that [`uninstall`] restores what was there before, also after a crash. kubelet is restarted only if the policy
//! loads and the socket answers, and if it does not become ready, everything is put back.

mod host;
mod install;
mod kubelet;
mod peers;
mod plan;
mod probe;
mod record;
mod tree;
mod unit;
mod view;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use host::{Host, Ran, RealHost};
pub use install::{install, plan, uninstall};
pub(crate) use kubelet::values_in;
pub use plan::Plan;
pub(crate) use tree::Tree;
pub(crate) use unit::flag;
pub(crate) use view::{configured_kubelet, kubelet_version};

/// How to work on a node.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Where the root of the node is.
    pub root: PathBuf,
    /// The root that program and units are copied from. `None` if they are installed on the node.
    pub source: Option<PathBuf>,
    /// The node's directory with pullgate.toml.
    pub config: PathBuf,
    /// kubelet's health endpoint.
    pub healthz: SocketAddr,
    /// How long kubelet may take to become ready, and pullgate's socket to answer.
    pub timeout: Duration,
    /// The time between two looks.
    pub interval: Duration,
    /// Whether to try again what was put back before.
    pub retry: bool,
}

/// A node.
pub struct Node<'a, H> {
    settings: NodeSettings,
    host: &'a H,
    tree: Tree,
    say: &'a dyn Fn(&str),
}

impl<'a, H: Host> Node<'a, H> {
    /// A node whose programs run in `host`. `say` receives the progress, a line each.
    pub fn new(settings: NodeSettings, host: &'a H, say: &'a dyn Fn(&str)) -> Self {
        Self { tree: Tree::new(&settings.root), settings, host, say }
    }
}

impl<H> std::fmt::Debug for Node<'_, H> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Node").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why a node was not changed, or not as a whole.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A check failed. kubelet was not changed.
    #[error("{0}")]
    Refused(String),
    /// The policy does not load. kubelet was not changed.
    #[error("the policy of the node is not valid")]
    Policy(#[source] Box<Self>),
    /// kubelet did not become ready.
    #[error("{unit} did not become ready within {} s: {why}", .timeout.as_secs())]
    NotReady {
        /// The unit.
        unit: String,
        /// The time that it had.
        timeout: Duration,
        /// What was last missing.
        why: String,
    },
    /// Everything is as before.
    #[error("the previous state was restored")]
    PutBack(#[source] Box<Self>),
    /// The node is neither as before nor as it should be.
    #[error("the previous state of the node could not be restored; run `pullgate node uninstall`")]
    NotPutBack(#[source] Box<Self>),
    /// Another `pullgate node` runs.
    #[error("another `pullgate node` runs on this node")]
    Locked,
    /// A file cannot be read or written.
    #[error("cannot {verb} {}", .path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On the node.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A program cannot be started.
    #[error("cannot run `{command}`")]
    Start {
        /// With its arguments.
        command: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed: {said}")]
    Failed {
        /// With its arguments.
        command: String,
        /// What it printed.
        said: String,
    },
}

impl NodeError {
    fn file(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { verb, path: path.to_owned(), source }
    }
}
