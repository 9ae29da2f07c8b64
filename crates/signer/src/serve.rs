//! `pullgate-signer serve`: starts the service from its configuration, reloads it, and ends it.

use crate::Status;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{ListenError, Listener, Signer, SignerError, SignerSettings};
use pullgate_config::problem::Problems;
use pullgate_core::untrusted::error_chain;
use pullgate_daemon::signals::{Request, Signals};
use pullgate_daemon::systemd::{monotonic, notify, watchdog};

/// How long running work may take to finish after SIGTERM. Less than the stop timeout of the unit.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until SIGTERM or SIGINT, and then lets running work finish. The queue is on disk.
///
/// # Errors
/// When the configuration is invalid, or an address cannot be listened at.
pub async fn run(root: &Path) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let file = root.join(crate::SIGNER_FILE);
    let settings = crate::load_signer(&file).map_err(ServeError::Configuration)?;
    let listeners = listen(&settings)?;
    let addresses: Vec<String> = listeners.iter().map(Listener::address).collect();
    let signer = Signer::open(settings).await?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(listener.serve(Arc::clone(&signer), stopped.clone()));
    }
    tasks.spawn(crate::run(Arc::clone(&signer), stopped));
    let watchdog = tokio::spawn(watchdog());
    let mut line = StatusLine { generation: 1, broken: false };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?addresses, "signing");
    notify(&[NotifyState::Ready, NotifyState::Status(&line.text(&signer))]);
    loop {
        match signals.next().await {
            Request::Stop => break,
            Request::Reload => {
                notify(&[NotifyState::Reloading, monotonic()]);
                // Even if signer.toml is invalid: log rotation may have moved the audit record.
                if let Err(error) = signer.reopen_record().await {
                    let error = error_chain(&error);
                    tracing::error!(
                        error,
                        "cannot reopen the audit log: new records still go to the old file"
                    );
                }
                line.broken = !reload(&signer, &file).await;
                line.generation += u64::from(!line.broken);
                notify(&[NotifyState::Ready, NotifyState::Status(&line.text(&signer))]);
            }
        }
    }
    notify(&[NotifyState::Stopping]);
    let _ = stop.send(true);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await.is_err() {
        tracing::warn!("shutdown timeout: the signer repeats unfinished work after the next start");
    }
    watchdog.abort();
    tracing::info!("stopped");
    Ok(())
}

fn listen(settings: &SignerSettings) -> Result<Vec<Listener>, ListenError> {
    let mut listeners = vec![
        Listener::notifications(&settings.listen, &settings.limits)?,
        Listener::control(&settings.control)?,
    ];
    if let Some(address) = settings.metrics {
        listeners.push(Listener::metrics(address)?);
    }
    Ok(listeners)
}

/// Reloads the file: all of it, or nothing if it is invalid.
async fn reload(signer: &Signer, file: &Path) -> bool {
    let settings = match crate::load_signer(file) {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in problems.iter() {
                tracing::error!(problem = %problem.line(), "problem in signer.toml");
            }
            tracing::error!("reload failed: the previous rules stay in force");
            signer.note_failed_reload(problems.iter().map(ToString::to_string).collect());
            return false;
        }
    };
    match signer.reload(settings).await {
        Ok(()) => {
            tracing::info!("new rules in force");
            let settings = signer.needs_restart();
            if !settings.is_empty() {
                tracing::warn!(
                    ?settings,
                    "these settings are read only at startup: restart the signer to apply them"
                );
            }
            true
        }
        Err(error) => {
            let error = error_chain(&error);
            tracing::error!(error, "reload failed: the previous rules stay in force");
            false
        }
    }
}

/// The status line of `systemctl status`.
struct StatusLine {
    generation: u64,
    broken: bool,
}

impl StatusLine {
    fn text(&self, signer: &Signer) -> String {
        let rules = pullgate_cli::output::counted(Status::of(signer).rules.len(), "rule");
        let generation = self.generation;
        match self.broken {
            false => format!("{rules} in force, generation {generation}"),
            true => format!("RELOAD FAILED; still {rules} of generation {generation}"),
        }
    }
}

/// Why the service ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is invalid.
    #[error("invalid signer.toml:\n{0}")]
    Configuration(Problems),
    /// A socket cannot be created.
    #[error("cannot listen for notifications or requests")]
    Listen(#[from] ListenError),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] std::io::Error),
    /// A key cannot be opened, or the queue.
    #[error("cannot start the signer")]
    Signer(#[from] SignerError),
}
