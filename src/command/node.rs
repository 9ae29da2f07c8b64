//! `pullgate node …`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::node_install::{self, Node, NodeError, NodeSettings, RealHost};
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::sanitize;

/// The time between two looks at kubelet.
const INTERVAL: Duration = Duration::from_secs(1);

/// Subcommands of `pullgate node`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum NodeCommand {
    /// Make kubelet use pullgate, and undo all changes if kubelet does not become ready
    #[command(after_help = "Prints the plan first. A second run changes only what differs from the plan.

Exit codes: 0 \
                            kubelet uses pullgate, or will use it when kubelet starts, 1 refused, or kubelet did not \
                            become ready and the previous state was restored, 2 usage, configuration or output error, 3 \
                            the node could not be changed or restored.")]
    Install(Install),
    /// Restore what `pullgate node install` has changed
    #[command(after_help = "\
Exit codes: 0 restored, or nothing to restore, 1 something still uses pullgate, or kubelet did not become ready, 2 usage or \
output error, 3 the node could not be changed.")]
    Uninstall(Place),
    /// Show what `pullgate node install` would do, and change nothing
    #[command(after_help = "\
Exit codes: 0 nothing to change, 1 changes to make, or refused, 2 usage or output error, 3 the node cannot be read.")]
    Plan(Place),
}

/// Arguments of `pullgate node install`.
#[derive(Debug, clap::Args)]
pub(super) struct Install {
    #[command(flatten)]
    place: Place,
    /// Try again after a failed attempt, although nothing has changed since
    #[arg(long)]
    retry: bool,
}

/// Which node, and how to ask its kubelet.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Directory where the root of the node is mounted; `install` then copies the program and its units there
    #[arg(long, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
    /// Address of kubelet's health endpoint: its healthzBindAddress and healthzPort
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10248")]
    healthz: SocketAddr,
    /// How long kubelet may take to become ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl NodeCommand {
    pub(super) fn run(self, config: &Path) -> Outcome {
        let (place, retry) = match &self {
            Self::Install(install) => (&install.place, install.retry),
            Self::Uninstall(place) | Self::Plan(place) => (place, false),
        };
        let host = RealHost { enter: place.root.is_some() };
        let settings = NodeSettings {
            root: place.root.clone().unwrap_or_else(|| PathBuf::from("/")),
            source: place.root.is_some().then(|| PathBuf::from("/")),
            config: config.to_owned(),
            healthz: place.healthz,
            timeout: Duration::from_secs(place.timeout),
            interval: INTERVAL,
            retry,
        };
        let say = |text: &str| text.lines().for_each(|line| output::line(&sanitize(line)));
        let node = Node::new(settings, &host, &say);
        let done = match self {
            Self::Install(_) => node_install::install(&node).map(|()| Outcome::Success),
            Self::Uninstall(_) => node_install::uninstall(&node).map(|()| Outcome::Success),
            Self::Plan(_) => node_install::plan(&node).map(|plan| {
                say(&plan.text());
                if plan.is_done() { Outcome::Success } else { Outcome::Refused }
            }),
        };
        done.unwrap_or_else(|error| {
            output::error(&error);
            outcome_of(&error)
        })
    }
}

fn outcome_of(error: &NodeError) -> Outcome {
    match error {
        NodeError::Policy(_) => Outcome::Usage,
        NodeError::Refused(_) | NodeError::NotReady { .. } | NodeError::PutBack(_) | NodeError::Locked => {
            Outcome::Refused
        }
        NodeError::NotPutBack(_)
        | NodeError::File { .. }
        | NodeError::Start { .. }
        | NodeError::Failed { .. } => Outcome::Undetermined,
    }
}
