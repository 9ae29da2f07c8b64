//! Settings that are read when the service starts, and not when it is told to read its file again.

use super::Settings;

/// Those of them that `now` has otherwise than `began`, as they are written in `signer.toml`.
pub(super) fn needed(began: &Settings, now: &Settings) -> Vec<&'static str> {
    let (old, new) = (&began.limits, &now.limits);
    let changed = [
        ("[listen]", began.listen != now.listen),
        ("[control] socket", began.control != now.control),
        ("[metrics] address", began.metrics != now.metrics),
        ("[state] directory", began.directory != now.directory),
        ("[limits] notification-bytes", old.body_bytes != new.body_bytes),
        ("[limits] connections", old.connections != new.connections),
        ("[limits] request-timeout", old.request_timeout != new.request_timeout),
        ("[limits] queued", old.queued != new.queued),
        ("[limits] remembered", old.remembered != new.remembered),
        ("[limits] workers", old.workers != new.workers),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
