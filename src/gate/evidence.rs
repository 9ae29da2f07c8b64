//! After a pull: what it rested on is kept, for the image that the runtime made of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{Gate, Pinned, provenance};
use crate::digest::Digest;
use crate::ledger::{Evidence, Image};
use crate::registry::{ImageRefs, parse_refs};

/// How long an answer to a pull waits for the runtime's content, and for the disk. When that is late the evidence is in
/// memory, and the writing goes on.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest manifest that is asked of the runtime, in bytes.
const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// How many manifests of one index are asked of the runtime.
const MAX_LISTED: usize = 256;

/// The runtime's own store of what it pulled.
pub trait Content {
    /// The bytes with this digest, which have exactly `size`; `None` when they are not there. They are hashed by whoever
    /// asks.
    fn read(&self, digest: &Digest, size: u64) -> impl Future<Output = Option<Bytes>> + Send;
}

/// A store without content, for who has none to offer: evidence for an index is then not linked to an image.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl Content for NoContent {
    async fn read(&self, _digest: &Digest, _size: u64) -> Option<Bytes> {
        None
    }
}

/// Evidence for the image that a document describes, which is being written down while the runtime pulls it.
#[derive(Debug)]
#[must_use = "the answer to the pull waits for it"]
pub struct PendingEvidence {
    image: Digest,
    written: JoinHandle<()>,
}

impl Gate {
    /// Begins to write down what was found about `pinned` for the first time, while the runtime pulls it: then it is on the
    /// disk when [`Gate::finish_evidence`] asks for it, and the answer need not wait for that. What an index leads to is known only
    /// after the pull.
    pub fn begin_evidence(&self, pinned: &Pinned) -> Option<PendingEvidence> {
        let evidence = pinned.evidence()?;
        // What is noted was found just now; what is not is on the disk already.
        self.shared.ledger.noted(&evidence.place())?;
        let Ok(ImageRefs::Image(image)) = parse_refs(&evidence.document, &evidence.media_type) else {
            return None;
        };
        let mut evidence = named(evidence, pinned);
        if !evidence.images.iter().any(|other| other.id == image) {
            evidence.images.insert(0, Image { id: image.clone(), manifest: None });
        }
        Some(PendingEvidence { image, written: self.write(evidence) })
    }

    /// Records that the pull of `pinned` gave the image `id`, so that the image may be used without the registry. `begun` is
    /// what [`Gate::begin_evidence`] gave.
    ///
    /// Nothing that goes wrong here makes the pull fail: the image was admitted, only the memory of it is lost.
    pub async fn finish_evidence(
        &self,
        pinned: &Pinned,
        begun: Option<PendingEvidence>,
        id: &str,
        content: &impl Content,
    ) {
        let Some(evidence) = pinned.evidence() else { return };
        let Ok(id) = Digest::parse(id) else {
            tracing::warn!(
                image = pinned.name(),
                id,
                "the runtime's image id is not a digest: no evidence is recorded"
            );
            return;
        };
        let kept = match begun.filter(|begun| begun.image == id) {
            // It says all that there is to say.
            Some(begun) => begun.written,
            None => self.write(linked(evidence, pinned, &id, content).await),
        };
        if tokio::time::timeout(PATIENCE, kept).await.is_err() {
            tracing::warn!(
                image = pinned.name(),
                "the ledger's disk is slow: the answer does not wait for it"
            );
        }
    }
}

impl Gate {
    /// Records that the image `id`, which is on the node already, is the one that was admitted as `pinned`, if hashes show
    /// that. Otherwise it is another one, and nothing is recorded.
    pub async fn link_present_image(&self, pinned: &Pinned, id: &str, content: &impl Content) {
        let (Some(evidence), Ok(id)) = (pinned.evidence(), Digest::parse(id)) else { return };
        if let Ok(Some(image)) = tokio::time::timeout(PATIENCE, image_of(evidence, &id, content)).await {
            let written = self.write(with_image(evidence, pinned, image));
            // In memory it counts at once; a slow disk is told of where pulls wait for it.
            let _ = tokio::time::timeout(PATIENCE, written).await;
        }
    }

    /// Writes evidence down. Only so many threads ever wait for the disk: where it hangs, the others are needed to decide.
    fn write(&self, evidence: Evidence) -> JoinHandle<()> {
        let (ledger, place) = (Arc::clone(&self.shared.ledger), evidence.place());
        if let Ok(turn) = Arc::clone(&self.writers).try_acquire_owned() {
            return tokio::task::spawn_blocking(move || {
                ledger.keep(evidence);
                drop(turn);
            });
        }
        // In memory at once, within bounds; what waits for its turn holds the place alone.
        ledger.note(evidence);
        let writers = Arc::clone(&self.writers);
        tokio::spawn(async move {
            let turn = writers.acquire_owned().await;
            let written = tokio::task::spawn_blocking(move || {
                // Written meanwhile with another pull's, or pushed out of the memory.
                if let Some(noted) = ledger.noted(&place) {
                    ledger.keep(Evidence::clone(&noted));
                }
            });
            drop((written.await, turn));
        })
    }
}

/// Evidence as it is kept for this pull, which gave the image `id`.
async fn linked(evidence: &Evidence, pinned: &Pinned, id: &Digest, content: &impl Content) -> Evidence {
    let image = tokio::time::timeout(PATIENCE, image_of(evidence, id, content)).await.ok().flatten();
    let Some(image) = image else {
        tracing::warn!(
            image = pinned.name(),
            %id,
            "the image that was pulled does not follow from the digest that was verified: it is not linked to it"
        );
        return named(evidence, pinned);
    };
    with_image(evidence, pinned, image)
}

fn with_image(evidence: &Evidence, pinned: &Pinned, image: Image) -> Evidence {
    let mut evidence = named(evidence, pinned);
    evidence.images.retain(|other| other.id != image.id);
    evidence.images.insert(0, image);
    evidence
}

/// Evidence with the name of this pull.
fn named(evidence: &Evidence, pinned: &Pinned) -> Evidence {
    let names = vec![pinned.tag_record().unwrap_or(pinned.name()).to_owned()];
    Evidence { names, recorded: jiff::Timestamp::now(), ..evidence.clone() }
}

/// How the image follows from the evidence; `None` when it does not.
async fn image_of(evidence: &Evidence, id: &Digest, content: &impl Content) -> Option<Image> {
    if provenance::leads_to(evidence, id) {
        let known = evidence.images.iter().find(|image| image.id == *id).cloned();
        return Some(known.unwrap_or(Image { id: id.clone(), manifest: None }));
    }
    let Ok(ImageRefs::Index(listed)) = parse_refs(&evidence.document, &evidence.media_type) else {
        return None;
    };
    let small = listed.iter().filter(|listed| listed.size <= MAX_MANIFEST_BYTES);
    for candidate in small.take(MAX_LISTED) {
        let Some(bytes) = content.read(&candidate.digest, candidate.size).await else { continue };
        if provenance::lists(&listed, &bytes, id) {
            return Some(Image { id: id.clone(), manifest: Some(bytes) });
        }
    }
    None
}
