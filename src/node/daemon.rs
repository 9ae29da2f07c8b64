//! `pullgate serve`: starts, runs and stops the daemon.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::control::Control;
use super::doctor;
use super::follow::Follow;
use super::metrics::{MetricsSource, MetricsThread};
use super::reload::{self, PolicyFile};
use super::report::{DecisionRecord, Recorder};
use super::scan::{self, Verdict};
use super::state::State;
use crate::config::{self, DaemonConfig};
use crate::cri::{self, Proxy};
use crate::registry::Credentials;
use crate::telemetry::Counters;
use pullgate_core::untrusted::sanitize;
use pullgate_daemon::signals::{Request, Signals};
use pullgate_daemon::systemd::{monotonic, notify, watchdog};
use pullgate_daemon::unix_socket::{UnixSocket, UnixSocketError};

/// How long calls in progress may take to finish after SIGTERM. Less than systemd's default stop timeout of 90 s.
const GRACE: Duration = Duration::from_secs(20);

/// How often what ends soon is logged.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Serves until SIGTERM or SIGINT.
///
/// Without a usable policy it serves as well and refuses every pull: otherwise kubelet would not start at all, and
/// neither would pods whose images are on the node already. A SIGHUP loads a corrected policy.
///
/// # Errors
/// When the socket cannot be created, or the event loop fails.
pub async fn run(root: &Path, config: &DaemonConfig) -> Result<(), DaemonError> {
    // Installed before anything that needs cleanup: without handlers, a signal ends the process at once.
    let mut signals = Signals::new().map_err(DaemonError::Signals)?;
    let socket =
        UnixSocket::open(&config.listen.socket, config.listen.group.as_deref(), config.listen.mode())?;
    let inherited = socket.inherited();
    if let Some(path) = &inherited
        && (*path != config.listen.socket || config.listen.group.is_some())
    {
        tracing::warn!(
            socket = %path.display(),
            "systemd passed the socket, so [listen] has no effect; set path, mode and group in pullgate.socket"
        );
    }
    let gate = Arc::new(super::gate(config)?.with_ledger(super::ledger(config)));
    gate.set_break_glass(Box::new(config::BreakGlassFile::of(root)));
    let state = Arc::new(State::new(jiff::Timestamp::now()));
    Follow::announce(config, &gate, &state);
    let mut policy = PolicyFile::new(root.to_owned(), config, Arc::clone(&gate), Arc::clone(&state));
    policy.load();
    let mut follow = Follow::start(config, &gate, &state, &policy);
    for socket in std::iter::once(&config.runtime.socket).chain(&config.runtime.image_socket) {
        if !socket.exists() {
            let socket = socket.display();
            tracing::warn!(%socket, "runtime socket not found yet; check [runtime] if this persists");
        }
    }
    let upstream = super::upstream(config);
    let proxy = Arc::new(Proxy::new(upstream, Arc::clone(&gate), super::proxy_settings(config)));
    state.serves_at(inherited.as_ref().unwrap_or(&config.listen.socket));
    let examining =
        tokio::spawn(doctor::examine_self(Arc::clone(&proxy), config.clone(), Arc::clone(&state)));
    let scanning = tokio::spawn(keep_scanning(config.scan.clone(), Arc::clone(&proxy), Arc::clone(&state)));
    let record = config.report.enabled;
    let record = record.then(|| Arc::new(DecisionRecord::begin(config, Arc::clone(&proxy))));
    let recorder = record.clone().and_then(|record| Recorder::start(record, config.report.interval));
    let control = Control::new(Arc::clone(&proxy), Arc::clone(&state), config.clone(), root);
    let control = control.with_record(record);
    let (control, control_socket) = serve_control(control, &config.control.socket);
    let source = MetricsSource::new(Arc::clone(&proxy), Arc::clone(&state), config.clone(), root);
    let metrics = MetricsThread::start(&config.metrics, source);
    let listener = socket.listener().map_err(DaemonError::Listen)?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut server =
        tokio::spawn(cri::serve(Arc::clone(&proxy), listener, async { drop(stopped.await) }, GRACE));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        socket = %inherited.as_ref().unwrap_or(&config.listen.socket).display(),
        runtime = %config.runtime.socket.display(),
        "serving"
    );
    notify(&[NotifyState::Ready]);
    let watchdog = tokio::spawn(watchdog());
    let watching = Arc::clone(&proxy);
    let sandbox = tokio::spawn(async move {
        watching.watch_sandbox_image(|image| state.sandbox_changed(image)).await;
    });
    // The first is after a day: loading reports the ends of trusted roots, and `pullgate trust fetch` those of repositories.
    let mut daily = tokio::time::interval_at(Instant::now() + DAY, DAY);
    let ended = loop {
        tokio::select! {
            wanted = signals.next() => match wanted {
                Request::Stop => break None,
                Request::Reload => {
                    notify(&[NotifyState::Reloading, monotonic()]);
                    reload::warn_of_changes(root, config);
                    policy.load();
                    if !policy.is_fetching() {
                        notify(&[NotifyState::Ready]);
                    }
                }
            },
            () = policy.fetched() => notify(&[NotifyState::Ready]),
            accepted = follow.next() => policy.offer(accepted),
            _ = daily.tick() => policy.warn_of_ends(),
            // Only a bug ends it before `stop`; systemd then restarts the daemon.
            ended = &mut server => break Some(ended),
        }
    };
    notify(&[NotifyState::Stopping]);
    watchdog.abort();
    sandbox.abort();
    scanning.abort();
    examining.abort();
    drop(follow);
    drop((control, control_socket));
    drop(stop);
    match ended {
        None => drop(server.await),
        Some(_) => return Err(DaemonError::Ended),
    }
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    if let Some(recorder) = recorder {
        recorder.stop().await;
    }
    let Counters { passed, unimplemented, unknown_methods, pulls, withheld, containers_refused, .. } =
        proxy.counters();
    tracing::info!(
        passed = passed.get(),
        unimplemented = unimplemented.get(),
        unknown_methods = unknown_methods.get(),
        admitted = pulls.admitted(),
        refused = pulls.refused(),
        withheld = withheld.sum(),
        containers_refused = containers_refused.sum(),
        checks = gate.checks(),
        "stopped"
    );
    Ok(())
}

/// Serves the control socket until the returned value is dropped. If the socket cannot be created, the daemon runs
/// without it: kubelet does not need it, and its clients decide locally or refuse.
fn serve_control(control: Control, path: &Path) -> (JoinSet<()>, Option<UnixSocket>) {
    let mut serving = JoinSet::new();
    let created = UnixSocket::with_mode(path, 0o600).and_then(|socket| {
        let listener = socket.listener().map_err(|error| UnixSocketError::listen(path, error))?;
        Ok((socket, listener))
    });
    match created {
        Ok((socket, listener)) => {
            serving.spawn(Arc::new(control).serve(listener));
            (serving, Some(socket))
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot create the control socket");
            (serving, None)
        }
    }
}

/// Scans the node periodically and logs what is refused.
async fn keep_scanning(settings: config::Scan, proxy: Arc<Proxy>, state: Arc<State>) {
    let Some(interval) = settings.interval else { return };
    loop {
        tokio::time::sleep(interval).await;
        let report = match scan::scan(proxy.upstream(), proxy.gate(), &Credentials::anonymous()).await {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot scan the node");
                continue;
            }
        };
        state.node_scanned(&report);
        for finding in report.images.iter().chain(&report.containers) {
            if finding.verdict == Verdict::Refused {
                let name = sanitize(&finding.name);
                let (id, reason, pod) = (&finding.id, &*finding.reason, &finding.pod);
                tracing::warn!(
                    name,
                    id,
                    pod,
                    reason,
                    "image is on this node, but the policy does not admit it"
                );
            }
        }
        let [admitted, refused, unknown] =
            [Verdict::Admitted, Verdict::Refused, Verdict::Unknown].map(|verdict| report.count(verdict));
        tracing::info!(admitted, refused, unknown, "node scanned");
        if settings.remove_unused {
            let keep = proxy.sandbox_image_name();
            match scan::remove_unused(proxy.upstream(), proxy.gate(), &report, keep.as_deref()).await {
                Ok(removed) if removed.is_empty() => {}
                Ok(removed) => tracing::warn!(?removed, "unused refused images removed"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot remove unused refused images"
                    );
                }
            }
        }
    }
}

/// Why the daemon ended without a stop signal.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The server task ended.
    #[error("the daemon stopped serving unexpectedly; see the log")]
    Ended,
    /// The listener cannot be registered with the event loop.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    /// The registry client cannot be created.
    #[error("cannot create the registry client")]
    Registry(#[from] crate::registry::RegistryError),
    /// Signal handlers cannot be installed.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
    /// The socket cannot be created.
    #[error("cannot create the socket")]
    Socket(#[from] UnixSocketError),
}
