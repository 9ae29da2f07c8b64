//! Settings that need a restart of the service.

use super::SignerSettings;

/// The settings that differ between `initial` and `now` and need a restart, as they are named in `signer.toml`.
pub(super) fn needed(initial: &SignerSettings, now: &SignerSettings) -> Vec<&'static str> {
    let (old, new) = (&initial.limits, &now.limits);
    let changed = [
        ("[listen]", initial.listen != now.listen),
        ("[control] socket", initial.control != now.control),
        ("[metrics] address", initial.metrics != now.metrics),
        ("[state] directory", initial.directory != now.directory),
        ("[limits] notification-bytes", old.body_bytes != new.body_bytes),
        ("[limits] connections", old.connections != new.connections),
        ("[limits] request-timeout", old.request_timeout != new.request_timeout),
        ("[limits] queued", old.queued != new.queued),
        ("[limits] remembered", old.remembered != new.remembered),
        ("[limits] workers", old.workers != new.workers),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
