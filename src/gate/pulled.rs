//! What a pull has left in the runtime: whether it may be used at all, whatever its rule says.

use std::sync::Arc;

use super::{Content, Gate, Pinned, Refusal, held_content};
use crate::digest::Digest;
use crate::policy::Policy;
use crate::telemetry::Reason;

/// What is looked for in the runtime's records of an image.
#[derive(Debug)]
pub(super) struct Checks {
    checkpoint: bool,
    /// The policy, if it denies digests.
    denying: Option<Arc<Policy>>,
}

impl Checks {
    /// After a pull of `pinned`. A document that was looked up is compared before the pull.
    pub(super) fn after(gate: &Gate, pinned: &Pinned, restore: bool) -> Self {
        let Self { checkpoint, denying } = Self::all(gate, restore);
        Self {
            checkpoint: checkpoint && !pinned.was_looked_up(),
            // An exception admits denied images too.
            denying: denying.filter(|_| pinned.reason() != Reason::BreakGlass),
        }
    }

    pub(super) fn all(gate: &Gate, restore: bool) -> Self {
        let denying = gate.policy().filter(|policy| policy.deny_list().has_digests());
        Self { checkpoint: !restore, denying }
    }

    pub(super) fn any(&self) -> bool {
        self.checkpoint || self.denying.is_some()
    }
}

/// Checks what the records `names` of the image `id` lead to; the first is the name of the image. See
/// [`Gate::check_pulled`].
pub(super) async fn check(
    gate: &Gate,
    names: &[&str],
    id: &str,
    content: &impl Content,
    checks: Checks,
) -> Result<(), Refusal> {
    let name = names.first().copied().unwrap_or(id);
    if checks.checkpoint {
        match gate.has_checkpoint(name, (names, true), content).await? {
            None => return Err(Refusal::runtime(name, held_content::NO_RECORD)),
            Some(true) => return Err(Refusal::checkpoint_image(name, name)),
            Some(false) => {}
        }
    }
    let Some(policy) = checks.denying else { return Ok(()) };
    let Ok(id) = Digest::parse(id) else {
        return Err(Refusal::content(name, "the image id is not a digest"));
    };
    let held = gate.walker.read(&gate.shared, (names, &id), content, gate.settings.timeout).await;
    let digests = held.digests(name)?;
    let denied = |digest: &Digest| {
        let why = policy.deny_list().of_digest(digest)?;
        Some(Refusal::digest_denied(name, digest.as_str(), why))
    };
    digests.iter().find_map(denied).map_or(Ok(()), Err)
}
