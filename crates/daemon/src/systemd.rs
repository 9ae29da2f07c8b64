//! Notifications to systemd; each is a no-op where systemd did not start the process.

pub use sd_notify::NotifyState;

/// Sends `state` to systemd.
pub fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

/// Notifies systemd that the event loop runs, twice in each interval of `WatchdogSec`. Ends at once without one.
pub async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

/// The state that goes with [`NotifyState::Reloading`]: `Type=notify-reload` requires the time of the reload.
pub fn monotonic() -> NotifyState<'static> {
    NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Reloading)
}
