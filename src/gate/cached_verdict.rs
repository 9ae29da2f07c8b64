//! A verdict that may be used again.

use std::sync::{Arc, Weak};

use jiff::Timestamp;
use pullgate_net::ttl_cache::Expiry;

use super::Gate;
use super::present_cache::Entry;
use crate::policy::Policy;

/// The verdict that admits a present image, with all that it depends on besides the question and the runtime's answer:
/// [`Gate::is_current`] compares them. Only made of a verdict of the gate.
#[derive(Debug)]
pub struct CachedVerdict {
    policy: Weak<Policy>,
    /// Has the evidence; `None` where the policy needs none.
    entry: Option<Arc<Entry>>,
    until: Expiry,
}

impl CachedVerdict {
    /// A verdict by `policy`. `None` if the policy denies digests: then what the runtime has decides, which may change.
    pub(super) fn new(policy: &Arc<Policy>, entry: Option<Arc<Entry>>, until: Expiry) -> Option<Self> {
        let depends_on_content = policy.deny_list().has_digests();
        (!depends_on_content).then(|| Self { policy: Arc::downgrade(policy), entry, until })
    }

    /// Whether the gate would give the same verdict on the same question and image now.
    pub(super) fn is_current(&self, gate: &Gate) -> bool {
        let now = Timestamp::now();
        let policy = gate.policy.load();
        self.until.is_ahead(now)
            && policy.as_ref().is_some_and(|policy| Arc::as_ptr(policy) == self.policy.as_ptr())
            && self.entry.as_ref().is_none_or(|entry| entry.is_current(&gate.shared.ledger))
            && gate.break_glass.get().is_none_or(|source| !source.exceptions(now).is_open(now))
    }
}
