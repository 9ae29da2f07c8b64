//! Refreshes what is followed, each in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pullgate_core::followed::Accepted;
use pullgate_core::untrusted::{error_chain, sanitize};
use pullgate_net::backoff;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::reload::PolicyFile;
use super::state::State;
use crate::config::DaemonConfig;
use crate::follow::{Follower, RefreshError, Refreshed};
use crate::gate::Gate;

/// The longest wait after a failure, as long as this node has nothing at all.
const FIRST: Duration = Duration::from_secs(30);

/// How long a refresh may take: an image pull from a slow registry takes less.
const LIMIT: Duration = Duration::from_secs(300);

/// The tasks that refresh. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Follow {
    _tasks: JoinSet<()>,
    offered: Receiver<Accepted>,
    /// So that receiving waits, also when nothing is followed.
    _sender: Sender<Accepted>,
}

impl Follow {
    /// Records what is followed, before the policy is loaded.
    pub(super) fn announce(config: &DaemonConfig, gate: &Gate, state: &State) {
        for (kind, reference) in config.follow.followed() {
            let follower =
                Follower::new((kind, reference.clone()), config.follow.clone(), gate.registry(), None);
            state.begins_to_follow(kind, &reference.to_string(), follower.seen_before());
        }
    }

    /// Begins to refresh.
    pub(super) fn start(config: &DaemonConfig, gate: &Gate, state: &Arc<State>, policy: &PolicyFile) -> Self {
        let (sender, offered) = channel(1);
        let mut tasks = JoinSet::new();
        for (kind, reference) in config.follow.followed() {
            let current = policy.followed(kind);
            let follower =
                Follower::new((kind, reference.clone()), config.follow.clone(), gate.registry(), current);
            let interval = config.follow.interval_of(kind);
            let first = if current.is_some() { interval / 10 } else { Duration::ZERO };
            let waits = Waits { first, interval, is_without: current.is_none() };
            tasks.spawn(keep_refreshing(follower, waits, Arc::clone(state), sender.clone()));
        }
        Self { _tasks: tasks, offered, _sender: sender }
    }

    /// The next new document. Never completes if there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Accepted {
        match self.offered.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }
}

struct Waits {
    first: Duration,
    interval: Duration,
    is_without: bool,
}

async fn keep_refreshing(
    mut follower: Follower,
    mut waits: Waits,
    state: Arc<State>,
    offers: Sender<Accepted>,
) {
    let kind = follower.kind();
    tokio::time::sleep(backoff::spread(waits.first)).await;
    let mut last = None;
    loop {
        let refreshed = tokio::time::timeout(LIMIT, follower.refresh(Timestamp::now())).await;
        let refreshed = refreshed.unwrap_or(Err(RefreshError::TooSlow(LIMIT)));
        match refreshed {
            Ok(found) => {
                state.refreshed(kind, Ok(()));
                last = None;
                if let Refreshed::New(accepted) = found {
                    let (version, digest) =
                        (accepted.verified().document().version().number(), accepted.verified().digest());
                    tracing::info!(kind = kind.name(), version, %digest, "new document verified");
                    waits.is_without = false;
                    state.saw(kind, version);
                    if offers.send(*accepted).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                let problem = sanitize(&error_chain(&error));
                // The same failure at each refresh is one line in the log.
                if last.as_ref() != Some(&problem) {
                    tracing::warn!(
                        kind = kind.name(),
                        problem,
                        "refresh failed: what was followed stays in force"
                    );
                }
                state.refreshed(kind, Err((problem.clone(), error.is_refusal())));
                last = Some(problem);
            }
        }
        let longest = if waits.is_without { FIRST } else { Duration::MAX };
        tokio::time::sleep(backoff::spread(waits.interval.min(longest))).await;
    }
}
