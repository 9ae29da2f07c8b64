//! A pull that the runtime has received, until its image is checked: also if nobody waits for the answer any more.
//!
//! A caller that cancels, or whose deadline passes, drops the call; the runtime is told so, but it may have recorded the
//! image by then, or go on. Then the runtime's records are looked at again, in a task of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::forwarded::ForwardedPull;
use crate::containerd::{images, presence};
use crate::cri::{MAX_NAME_BYTES, Proxy};
use crate::gate::{Pinned, Refusal};
use crate::telemetry::{Kind, Reason};
use pullgate_core::untrusted::sanitize_to;

/// How many pulls may wait for their check, under way or given up; more wait before they are forwarded. One takes about
/// 1 KiB.
const MAX_UNCHECKED: usize = 4096;

/// How many given up pulls are looked at at the same time: a document of the runtime may have 4 MiB.
const MAX_LOOKS: usize = 4;

/// When the runtime is looked at after the end of a call, each since the time before. A runtime that is told that a call
/// is cancelled ends it within moments, but it does not say when it has.
const LOOKS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(8),
    Duration::from_secs(30),
];

/// From which look on an image counts as refused that cannot be checked: the runtime or pullgate may be busy, or the runtime
/// have found another image by a name that it has just moved.
const TOLERATED: usize = 3;

/// Limits the pulls that are not checked.
#[derive(Debug)]
pub(in crate::cri) struct UncheckedPulls {
    places: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

impl Default for UncheckedPulls {
    fn default() -> Self {
        let [places, looks] = [MAX_UNCHECKED, MAX_LOOKS].map(|count| Arc::new(Semaphore::new(count)));
        Self { places, looks }
    }
}

/// Ends with [`Unchecked::check`]; if it is dropped before, the check is made in a task.
pub(super) struct Unchecked {
    pull: Option<ForwardedPull>,
    looks: Arc<Semaphore>,
    answered: bool,
}

/// What the runtime has of a pull.
enum Look {
    /// No record.
    Nothing,
    /// It does not answer, or does not find the image of the record yet.
    Unknown,
    Admitted,
    Refused {
        id: String,
        refusal: Refusal,
    },
}

impl Unchecked {
    /// Called before `pinned` is forwarded. Holds nothing if nothing is to be checked.
    pub(super) async fn begin(proxy: &Proxy, pinned: &Pinned) -> Self {
        let mut pull = None;
        if let Some(pinned) = proxy.gate.unchecked(pinned, proxy.settings.checkpoint_restore)
            && let Ok(place) = Arc::clone(&proxy.unchecked.places).acquire_owned().await
        {
            pull = Some(ForwardedPull::new(proxy, pinned, place));
        }
        Self { pull, looks: Arc::clone(&proxy.unchecked.looks), answered: false }
    }

    /// The runtime has ended the call: what it has not recorded now, it does not record.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// Checks the image `id` that was pulled as `pinned`. If it is refused, the runtime forgets it.
    ///
    /// # Errors
    /// See [`Gate::check_pulled`].
    pub(super) async fn check(mut self, pinned: &Pinned, id: &str) -> Result<(), Refusal> {
        // Taken only at the end: the caller may cancel during the check.
        let Some(pull) = &self.pull else { return Ok(()) };
        let checked = pull.check(pinned, id).await;
        match &checked {
            // Not refused: it is looked at again.
            Err(refusal) if refusal.kind() == Kind::Unavailable => return checked,
            Err(_) => pull.forget(id).await,
            Ok(()) => {}
        }
        self.pull = None;
        checked
    }
}

impl Drop for Unchecked {
    fn drop(&mut self) {
        if let Some(pull) = self.pull.take()
            && let Ok(handle) = Handle::try_current()
        {
            handle.spawn(check_later(pull, Arc::clone(&self.looks), self.answered));
        }
    }
}

async fn check_later(pull: ForwardedPull, looks: Arc<Semaphore>, answered: bool) {
    for (number, wait) in LOOKS.into_iter().enumerate() {
        tokio::time::sleep(wait).await;
        let _turn = looks.acquire().await;
        let looked = tokio::time::timeout(pull.timeout, look(&pull)).await;
        let settled = match looked.unwrap_or(Look::Unknown) {
            Look::Nothing | Look::Admitted => true,
            Look::Unknown => false,
            Look::Refused { id, refusal } => {
                let settled = number >= TOLERATED || !is_passing(&refusal);
                if settled {
                    forget(&pull, &id, &refusal).await;
                }
                settled
            }
        };
        if answered && settled {
            return;
        }
    }
}

async fn forget(pull: &ForwardedPull, id: &str, refusal: &Refusal) {
    let image = sanitize_to(pull.pinned.name(), MAX_NAME_BYTES);
    let (reason, line) = (refusal.reason().code(), refusal.line());
    tracing::warn!(
        image,
        reason,
        line,
        "the caller cancelled the pull of a refused image: pullgate removes the names of the image from the runtime"
    );
    pull.forget(id).await;
}

/// Whether the image could not be checked, for a reason that passes: the runtime or pullgate is busy.
fn is_passing(refusal: &Refusal) -> bool {
    refusal.kind() == Kind::Unavailable || refusal.reason() == Reason::RuntimeUnavailable
}

/// Checks what the runtime has by the name of this pull.
async fn look(pull: &ForwardedPull) -> Look {
    let name = pull.pinned.name();
    match images::targets(&pull.upstream, std::iter::once(name)).await {
        Ok(targets) if targets.is_empty() => return Look::Nothing,
        Ok(_) => {}
        Err(_) => return Look::Unknown,
    }
    // The runtime's index of images follows its records some milliseconds later.
    let Ok(Some(image)) = presence::image(&pull.upstream, name).await else { return Look::Unknown };
    match pull.check(&pull.pinned, &image.id).await {
        Ok(()) => Look::Admitted,
        Err(refusal) => Look::Refused { id: image.id, refusal },
    }
}
