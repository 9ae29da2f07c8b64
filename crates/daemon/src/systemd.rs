//! Notifications to systemd; each is a no-op where systemd did not start the process.

pub use sd_notify::NotifyState;

/// Sends `state` to systemd.
pub fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

/// Notifies systemd's watchdog twice per `WatchdogSec`, as long as the event loop runs. Returns at once without a
/// watchdog.
pub async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

/// The timestamp that `Type=notify-reload` requires with [`NotifyState::Reloading`].
pub fn monotonic() -> NotifyState<'static> {
    NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Reloading)
}
