//! `pullgate serve`: from the configuration to a socket that kubelet can talk to, and back to nothing.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::policy_file::PolicyFile;
use super::scan::{self, Verdict};
use super::socket::{Socket, SocketError};
use crate::config::{self, DaemonConfig};
use crate::containerd::Upstream;
use crate::cri::{self, Proxy};
use crate::registry::Credentials;
use crate::telemetry::Counters;

/// How long calls under way may take to finish after SIGTERM. Below systemd's default stop timeout of 90 s.
const GRACE: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT.
///
/// Without a usable policy it serves all the same and refuses every pull: kubelet would otherwise not start at all, and
/// with it nothing that is on the node already. A later SIGHUP can mend that.
///
/// # Errors
/// When there can be no socket, or the event loop fails.
pub async fn run(root: &Path, config: &DaemonConfig) -> Result<(), DaemonError> {
    // Before there is anything to leave behind: a signal would otherwise end the process on the spot.
    let mut signals = Signals::new().map_err(DaemonError::Signals)?;
    let socket = Socket::open(&config.listen.socket, config.listen.group.as_deref(), config.listen.mode)?;
    let gate = Arc::new(super::gate(config)?.with_ledger(super::ledger(config)));
    gate.set_emergency(Box::new(config::BreakGlassFile::of(root)));
    let mut policy = PolicyFile::new(root.to_owned(), config, Arc::clone(&gate));
    let status = StatusLine::default();
    status.policy(policy.load());
    let upstream = Upstream::new(&config.runtime.socket);
    let proxy = Arc::new(Proxy::new(upstream, gate, super::proxy_settings(config)));
    let scanning = tokio::spawn(keep_scanning(config.scan.clone(), Arc::clone(&proxy)));
    let listener = socket.listener().map_err(DaemonError::Listen)?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut server =
        tokio::spawn(cri::serve(Arc::clone(&proxy), listener, async { drop(stopped.await) }, GRACE));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        socket = %config.listen.socket.display(),
        runtime = %config.runtime.socket.display(),
        "serving"
    );
    notify(&[NotifyState::Ready]);
    let watchdog = tokio::spawn(watchdog());
    let (looking_after, line) = (Arc::clone(&proxy), status.clone());
    let sandbox = tokio::spawn(async move {
        looking_after.look_after_sandbox_image(|image| line.sandbox(image.to_string())).await;
    });
    let ended = loop {
        tokio::select! {
            wanted = signals.next() => match wanted {
                Wanted::Stop => break None,
                Wanted::Reload => {
                    notify(&[NotifyState::Reloading, monotonic()]);
                    status.policy(policy.load());
                    if !policy.is_fetching() {
                        notify(&[NotifyState::Ready]);
                    }
                }
            },
            line = policy.fetched() => {
                status.policy(line);
                notify(&[NotifyState::Ready]);
            }
            // Only a bug ends it before it is told to; systemd then starts us anew.
            ended = &mut server => break Some(ended),
        }
    };
    notify(&[NotifyState::Stopping]);
    watchdog.abort();
    sandbox.abort();
    scanning.abort();
    drop(stop);
    match ended {
        None => drop(server.await),
        Some(_) => return Err(DaemonError::Ended),
    }
    let Counters { passed, unimplemented, admitted, refused, withheld, containers_refused } =
        proxy.counters();
    tracing::info!(
        passed = passed.get(),
        unimplemented = unimplemented.get(),
        admitted = admitted.get(),
        refused = refused.get(),
        withheld = withheld.get(),
        containers_refused = containers_refused.get(),
        "stopped"
    );
    Ok(())
}

/// Looks at everything on the node again and again, and tells what should not be there.
async fn keep_scanning(settings: config::Scan, proxy: Arc<Proxy>) {
    let Some(interval) = settings.interval else { return };
    loop {
        tokio::time::sleep(interval).await;
        let report = match scan::scan(proxy.upstream(), proxy.gate(), &Credentials::anonymous()).await {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the node could not be scanned");
                continue;
            }
        };
        for found in report.images.iter().chain(&report.containers) {
            if found.verdict == Verdict::Refused {
                let name = found.name.escape_debug().to_string();
                let (id, reason, pod) = (&found.id, found.reason, &found.pod);
                tracing::warn!(name, id, pod, reason, "on this node, and not admitted");
            }
        }
        let [admitted, refused, unknown] =
            [Verdict::Admitted, Verdict::Refused, Verdict::Unknown].map(|verdict| report.count(verdict));
        tracing::info!(admitted, refused, unknown, "node scanned");
        if settings.remove_unused {
            match scan::remove_unused(proxy.upstream(), &report, proxy.sandbox_image_name().as_deref()).await
            {
                Ok(removed) if removed.is_empty() => {}
                Ok(removed) => tracing::warn!(?removed, "images that nobody may use were removed"),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "images could not be removed");
                }
            }
        }
    }
}

/// The line of `systemctl status`: the policy, and what the operator has to know besides.
#[derive(Clone, Debug, Default)]
struct StatusLine(Arc<Mutex<(String, String)>>);

impl StatusLine {
    fn policy(&self, text: String) {
        self.tell(|(policy, _)| *policy = text);
    }

    fn sandbox(&self, text: String) {
        self.tell(|(_, sandbox)| *sandbox = text);
    }

    fn tell(&self, change: impl FnOnce(&mut (String, String))) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let (policy, sandbox) = &*parts;
        let line = if sandbox.is_empty() { policy.clone() } else { format!("{policy}; {sandbox}") };
        notify(&[NotifyState::Status(&line)]);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.hangup.recv() => Wanted::Reload,
            _ = self.interrupt.recv() => Wanted::Stop,
            _ = self.terminate.recv() => Wanted::Stop,
        }
    }
}

/// Tells systemd that the event loop turns, twice in each interval it asks for.
async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

fn monotonic() -> NotifyState<'static> {
    NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Reloading)
}

/// Why the daemon ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The server ended by itself.
    #[error("serving ended unexpectedly; see the log")]
    Ended,
    /// The event loop does not take the socket.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    /// The registry client cannot be made.
    #[error("cannot prepare for asking registries")]
    Registry(#[from] crate::registry::RegistryError),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
    /// There is no socket.
    #[error("there is no socket to serve")]
    Socket(#[from] SocketError),
}
