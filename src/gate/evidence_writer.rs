//! After a pull: the evidence of its admission is kept, linked to the image that the runtime made of it.

use std::sync::Arc;
use std::time::Duration;

use pullgate_net::memory::{self, MemoryBudget};
use pullgate_net::offload;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::provenance::{self, Link};
use super::{Content, Pinned};
use crate::digest::Digest;
use crate::ledger::{Evidence, Image, Ledger, MAX_NOTED_BYTES, Place};
use crate::registry::{ImageRefs, read_refs};

/// How long an answer to a pull waits for the runtime's content, and for the disk. After that the evidence is in memory,
/// and the write continues.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long it waits for memory, where the documents are large.
const PATIENCE: Duration = Duration::from_secs(15);

/// The largest manifest that is read from the runtime, in bytes.
const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// How many manifests of one index are read from the runtime.
const MAX_LISTED: usize = 256;

/// How many threads write evidence to the disk at the same time.
const THREADS: usize = 4;

/// Evidence above this size, in bytes, is written one piece after the other.
const LARGE: usize = 64 << 10;

/// Evidence of a pull that is under way.
#[derive(Debug)]
#[must_use = "the answer to the pull waits for it"]
pub struct PendingEvidence {
    evidence: Begun,
    /// The image that it leads to, if that is known before the pull: then what is written is complete.
    image: Option<Digest>,
    /// The write, if it has not ended.
    written: Option<JoinHandle<()>>,
}

/// Evidence while the runtime pulls.
#[derive(Debug)]
enum Begun {
    InMemory(Arc<Evidence>),
    /// Large evidence is read again where it is needed, unless it has one of these images, under one of these names.
    OnDisk {
        place: Place,
        images: Vec<Digest>,
        names: Vec<String>,
    },
}

impl Begun {
    fn on_disk(evidence: &Evidence) -> Self {
        let images = evidence.images.iter().map(|image| image.id.clone()).collect();
        Self::OnDisk { place: evidence.place(), images, names: evidence.names.clone() }
    }
}

/// Writes evidence to the ledger.
#[derive(Debug)]
pub(super) struct EvidenceWriter {
    ledger: Arc<Ledger>,
    /// Only so many threads ever wait for the disk: where it hangs, the others are needed to decide.
    threads: Arc<Semaphore>,
    /// As `threads`, for large evidence: a writer has what is on the disk, what is written and its file in memory.
    large: Arc<Semaphore>,
}

impl EvidenceWriter {
    pub(super) fn new(ledger: Arc<Ledger>) -> Self {
        let [threads, large] = [THREADS, 1].map(|threads| Arc::new(Semaphore::new(threads)));
        Self { ledger, threads, large }
    }

    /// See [`super::Gate::begin_evidence`].
    pub(super) async fn begin(&self, pinned: &mut Pinned) -> Option<PendingEvidence> {
        let evidence = pinned.take_evidence()?;
        // Evidence that is noted was found just now, and so may be what is too large for that; other evidence is on the
        // disk already.
        let is_new = evidence.bytes() > MAX_NOTED_BYTES || self.ledger.noted(&evidence.place()).is_some();
        let is_large = evidence.bytes() > LARGE;
        let image = if is_new { image_in(&evidence).await } else { None };
        let mut written = None;
        if is_new && (is_large || image.is_some()) {
            let mut evidence = named(&evidence, pinned);
            if let Some(image) = &image
                && !evidence.images.iter().any(|other| other.id == *image)
            {
                evidence.images.insert(0, Image { id: image.clone(), manifest: None });
            }
            written = Some(self.write(evidence));
        }
        let evidence = if is_large { Begun::on_disk(&evidence) } else { Begun::InMemory(evidence) };
        if let Some(mut writing) = written.take_if(|_| is_large) {
            // What the runtime pulls may take minutes, and others need this memory; a disk takes milliseconds.
            let late = tokio::time::timeout(TIMEOUT, &mut writing).await.is_err();
            written = late.then_some(writing);
        }
        Some(PendingEvidence { evidence, image, written })
    }

    /// See [`super::Gate::finish_evidence`].
    pub(super) async fn finish(
        &self,
        begun: PendingEvidence,
        (pinned, id): (&Pinned, &str),
        content: &impl Content,
        memory: &MemoryBudget,
    ) {
        let image = pinned.name();
        let Ok(id) = Digest::parse(id) else {
            tracing::warn!(
                image,
                id,
                "the runtime returned an image id that is not a digest: pullgate records no evidence of the image"
            );
            return;
        };
        let written = if begun.image.as_ref() == Some(&id) {
            begun.written
        } else {
            let needed = self.needed(begun.evidence, (pinned, &id), memory).await;
            let Some((evidence, memory)) = needed else { return };
            Some(self.write(linked(&evidence, (pinned, &id), content, memory).await))
        };
        let Some(written) = written else { return };
        if tokio::time::timeout(TIMEOUT, written).await.is_err() {
            tracing::warn!(
                image,
                "writing to the ledger takes too long: pullgate answers the pull before it has written the evidence"
            );
        }
    }

    /// The evidence, if it has to be written for the image `id`, and the memory for more; `None` where that is reserved.
    async fn needed<'m>(
        &self,
        evidence: Begun,
        (pinned, id): (&Pinned, &Digest),
        memory: &'m MemoryBudget,
    ) -> Option<(Arc<Evidence>, Option<&'m MemoryBudget>)> {
        let name = pinned.tag_record().unwrap_or(pinned.name());
        match evidence {
            Begun::InMemory(evidence) => {
                // On the disk, with this image under this name: written again, it would only be one more copy in memory.
                let is_kept = self.ledger.noted(&evidence.place()).is_none()
                    && evidence.images.iter().any(|image| image.id == *id)
                    && evidence.names.iter().any(|known| known == name);
                (!is_kept).then_some((evidence, Some(memory)))
            }
            Begun::OnDisk { images, names, .. }
                if images.contains(id) && names.iter().any(|known| known == name) =>
            {
                None
            }
            Begun::OnDisk { place, .. } => {
                let found = self.read(place, memory).await;
                if found.is_none() {
                    tracing::warn!(
                        image = pinned.name(),
                        "cannot read the evidence of the pulled image: the image id is not linked to its evidence"
                    );
                }
                Some((found?, None))
            }
        }
    }

    /// Large evidence, read again, in memory that is reserved for it and for one more manifest.
    async fn read(&self, place: Place, memory: &MemoryBudget) -> Option<Arc<Evidence>> {
        if let Some(noted) = self.ledger.noted(&place) {
            return Some(noted);
        }
        let (ledger, asked) = (Arc::clone(&self.ledger), place.clone());
        let size = tokio::task::spawn_blocking(move || ledger.stored_bytes(&asked)).await.ok()?;
        let bytes = usize::try_from(size.saturating_add(MAX_MANIFEST_BYTES)).ok()?;
        let reserved = memory.present(bytes, PATIENCE).await.ok()?;
        let ledger = Arc::clone(&self.ledger);
        let read = tokio::task::spawn_blocking(move || ledger.find_reserved(&place, reserved, size));
        tokio::time::timeout(TIMEOUT, read).await.ok()?.ok().flatten()
    }

    /// See [`super::Gate::link_present_image`].
    pub(super) async fn link(
        &self,
        pinned: &Pinned,
        id: &str,
        content: &impl Content,
        memory: &MemoryBudget,
    ) {
        let (Some(evidence), Ok(id)) = (pinned.evidence(), Digest::parse(id)) else { return };
        if let Some(image) = image_of(evidence, &id, content, Some(memory)).await {
            let written = self.write(with_image(evidence, pinned, image));
            // In memory it counts at once; a slow disk is reported where pulls wait for it.
            let _ = tokio::time::timeout(TIMEOUT, written).await;
        }
    }

    fn write(&self, evidence: Evidence) -> JoinHandle<()> {
        let (ledger, place) = (Arc::clone(&self.ledger), evidence.place());
        let threads = if evidence.bytes() > LARGE { &self.large } else { &self.threads };
        if let Ok(permit) = Arc::clone(threads).try_acquire_owned() {
            return tokio::task::spawn_blocking(move || {
                ledger.keep(evidence);
                drop(permit);
            });
        }
        let threads = Arc::clone(threads);
        if evidence.bytes() > MAX_NOTED_BYTES {
            // It would not be kept in memory; until a thread is free, it holds its part of the budget.
            return tokio::spawn(async move {
                let permit = threads.acquire_owned().await;
                drop((tokio::task::spawn_blocking(move || ledger.keep(evidence)).await, permit));
            });
        }
        tokio::spawn(async move {
            // In memory at once, within bounds; what waits for a thread holds only the place.
            let noting = Arc::clone(&ledger);
            offload::document(evidence.bytes(), move || noting.note(evidence)).await;
            let permit = threads.acquire_owned().await;
            let written = tokio::task::spawn_blocking(move || {
                // Written meanwhile with another pull's evidence, or evicted from the memory.
                if let Some(noted) = ledger.noted(&place) {
                    ledger.keep(Evidence::clone(&noted));
                }
            });
            drop((written.await, permit));
        })
    }
}

/// The image that follows from the document of evidence, if it is a manifest.
async fn image_in(evidence: &Evidence) -> Option<Digest> {
    match read_refs(&evidence.document, &evidence.media_type).await.ok()? {
        ImageRefs::Image(image) => Some(image),
        ImageRefs::Index(_) => None,
    }
}

/// Evidence as it is kept for this pull, which gave the image `id`.
async fn linked(
    evidence: &Arc<Evidence>,
    (pinned, id): (&Pinned, &Digest),
    content: &impl Content,
    memory: Option<&MemoryBudget>,
) -> Evidence {
    let Some(image) = image_of(evidence, id, content, memory).await else {
        tracing::warn!(
            image = pinned.name(),
            %id,
            "the id of the pulled image does not belong to the verified digest: the image id is not linked to the evidence"
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

/// The image and the manifest that connects it to the evidence; `None` when it does not follow from it. The manifest is in
/// the memory of `memory`, or in what is reserved for the evidence.
async fn image_of(
    evidence: &Arc<Evidence>,
    id: &Digest,
    content: &impl Content,
    memory: Option<&MemoryBudget>,
) -> Option<Image> {
    let listed = match provenance::link(evidence, id, (MAX_LISTED, MAX_MANIFEST_BYTES)).await? {
        Link::Leads => {
            let known = evidence.images.iter().find(|image| image.id == *id).cloned();
            return Some(known.unwrap_or(Image { id: id.clone(), manifest: None }));
        }
        Link::Listed(listed) => listed,
    };
    let until = Instant::now() + TIMEOUT;
    for candidate in listed {
        let mut reserved = None;
        if let Some(memory) = memory {
            reserved = Some(memory.present(usize::try_from(candidate.size).ok()?, PATIENCE).await.ok()?);
        }
        let read =
            tokio::time::timeout_at(until, content.read(&candidate.digest, candidate.size)).await.ok()?;
        let Ok(Some(bytes)) = read else { continue };
        let bytes = memory::hold(bytes, reserved.into_iter().collect());
        if provenance::is_manifest_of(&candidate, &bytes, id).await {
            return Some(Image { id: id.clone(), manifest: Some(bytes) });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::gate::Target;
    use crate::reference::Repository;

    /// Answers every digest with the same bytes.
    #[derive(Clone)]
    struct Same(Bytes);

    impl Content for Same {
        async fn targets(&self, _names: &[&str]) -> Result<Vec<Target>, String> {
            Ok(Vec::new())
        }

        async fn read(&self, _digest: &Digest, _size: u64) -> Result<Option<Bytes>, String> {
            Ok(Some(self.0.clone()))
        }
    }

    /// Processor time of this thread, in nanoseconds.
    fn processor_time() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    /// An index of 255 entries of the size of one manifest. Measured in hashes of that manifest, so that neither the
    /// machine nor the build matters.
    #[tokio::test]
    async fn a5_the_serving_thread_does_not_hash_a_manifest_for_each_entry_of_its_size() {
        let manifest = Bytes::from(vec![b' '; 1 << 20]);
        let begun = processor_time();
        // Enough of them: the kernel counts in ticks.
        for _ in 0..64 {
            assert!(!Digest::of(b"other").matches(&manifest));
        }
        let one = (processor_time() - begun) / 64;
        assert!(one > 0, "the kernel counts processor time");
        let entry = |number: usize| {
            let digest = Digest::of(number.to_string().as_bytes());
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":1048576}}"#
            )
        };
        let entries: Vec<String> = (0..255).map(entry).collect();
        let document = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        let evidence = Arc::new(Evidence {
            repository: Repository::parse("reg.example/app").unwrap(),
            digest: Digest::of(document.as_bytes()),
            media_type: crate::registry::OCI_INDEX.to_owned(),
            document: document.into(),
            images: vec![Image { id: Digest::of(b"image"), manifest: Some(manifest.clone()) }],
            attachments: Vec::new(),
            complete: crate::ledger::Complete::No,
            names: Vec::new(),
            rule: String::new(),
            keys: Vec::new(),
            recorded: jiff::Timestamp::UNIX_EPOCH,
        });
        let begun = processor_time();
        let found = image_of(&evidence, &Digest::of(b"image"), &Same(manifest), None).await;
        assert_eq!(found, None);
        let hashes = (processor_time() - begun) / one;
        assert!(hashes < 128, "as long as {hashes} hashes of the manifest, of 255 entries");
    }
}
