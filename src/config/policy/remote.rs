//! `verify`, `remote-timeout`, `remote-rate` and `remote-cache-ttl`: whether the service of a key has a say.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::config::bound::{Bound, Unit, read_bound};
use crate::config::document::{Document, Table};
use crate::config::suggest;
use crate::keys::PinnedKey;
use crate::trust::RemoteVerification;

const VERIFY: &str = "verify";

const TIMEOUT: Bound = Bound {
    key: "remote-timeout",
    unit: Unit::Time,
    default: 5_000,
    minimum: 100,
    maximum: 60_000,
    about: "how long a confirmation by the service of a key may take",
};
const RATE: Bound = Bound {
    key: "remote-rate",
    unit: Unit::Count,
    default: 10,
    minimum: 1,
    maximum: 1_000,
    about: "how many confirmations a second are asked for of one key",
};
const MEMORY: Bound = Bound {
    key: "remote-cache-ttl",
    unit: Unit::Time,
    default: 3_600_000,
    minimum: 0,
    maximum: 86_400_000,
    about: "how long a confirmation is believed",
};

/// The bounds of remote verification, in the order of the documentation.
pub const REMOTE_BOUNDS: [Bound; 3] = [TIMEOUT, RATE, MEMORY];

/// The keys of all that.
pub(super) const KEYS: [&str; 4] = [VERIFY, TIMEOUT.key, RATE.key, MEMORY.key];

/// What an authenticator or a key says about it; what it does not say is left to the authenticator, or the default.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    /// Whether the service is asked, and where that is said.
    remote: Option<(bool, Range<usize>)>,
    bounds: [Option<u64>; 3],
    /// Where the first bound is set.
    span: Option<Range<usize>>,
    /// Something was wrong, and told.
    broken: bool,
}

impl Wanted {
    pub(super) fn read(document: &mut Document<'_>, table: &mut Table<'_>) -> Self {
        let mut wanted = Self::default();
        if let Some(value) = table.take(VERIFY) {
            match document.string(value, "`verify`") {
                Some((text, span)) if text == "remote" || text == "local" => {
                    wanted.remote = Some((text == "remote", span));
                }
                Some((text, span)) => {
                    let message = format!("`verify` is {}", suggest::quoted(&text));
                    document.problem(span, message, suggest::one_of(&text, &["local", "remote"]));
                    wanted.broken = true;
                }
                None => wanted.broken = true,
            }
        }
        for (slot, bound) in wanted.bounds.iter_mut().zip(&REMOTE_BOUNDS) {
            let Some(span) = table.span_of(bound.key) else { continue };
            wanted.span.get_or_insert(span);
            *slot = read_bound(document, table, bound);
            wanted.broken |= slot.is_none();
        }
        wanted
    }

    /// What the key itself says, and else its authenticator.
    pub(super) fn or(self, other: &Self) -> Self {
        let [timeout, rate, memory] = self.bounds;
        let [or_timeout, or_rate, or_memory] = other.bounds;
        Self {
            remote: self.remote.or_else(|| other.remote.clone()),
            bounds: [timeout.or(or_timeout), rate.or(or_rate), memory.or(or_memory)],
            span: self.span,
            broken: self.broken || other.broken,
        }
    }

    /// What is wrong when nothing is verified remotely.
    pub(super) fn check_used(&self, document: &mut Document<'_>, used: bool) {
        if let (Some(span), false, false) = (&self.span, used, self.broken) {
            let message = "bounds of remote verification are set, and nothing here is verified remotely";
            document.problem(span.clone(), message, "remove them, or add `verify = \"remote\"`");
        }
    }

    /// What is demanded of a key that is kept at `pinned`; an error beside a problem.
    pub(super) fn demand(
        &self,
        document: &mut Document<'_>,
        pinned: Option<&PinnedKey>,
    ) -> Result<Option<Arc<RemoteVerification>>, ()> {
        if self.broken {
            return Err(());
        }
        let Some((true, span)) = &self.remote else { return Ok(None) };
        let Some(pinned) = pinned else {
            let message = "`verify` is `remote`, and the key has no `source` that could be asked";
            document.problem(
                span.clone(),
                message,
                "name the key by `source`, or write `verify = \"local\"` for it",
            );
            return Err(());
        };
        if let Some(why) = pinned.cannot_confirm() {
            let message = format!(
                "`verify` is `remote`, and {} cannot be asked: {}",
                suggest::quoted(&pinned.location.to_string()),
                why.split("; ").next().unwrap_or(why)
            );
            let hint =
                why.split_once("; ").map_or("write `verify = \"local\"` for this key", |(_, hint)| hint);
            document.problem(span.clone(), message, hint);
            return Err(());
        }
        let [timeout, rate, memory] = self.bounds;
        let rate = rate.unwrap_or(RATE.default);
        Ok(Some(Arc::new(RemoteVerification {
            source: pinned.location.to_string(),
            timeout: Duration::from_millis(timeout.unwrap_or(TIMEOUT.default)),
            rate: u32::try_from(rate).unwrap_or(u32::MAX),
            memory: Duration::from_millis(memory.unwrap_or(MEMORY.default)),
        })))
    }
}
