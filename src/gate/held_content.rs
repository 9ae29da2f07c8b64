//! What the runtime has of an image: every record, walked by hash through its content store down to the configurations.
//!
//! Names, evidence and hints say what an image may be; this says what it is. Where digests are denied, it decides.

mod reader;
mod remembered;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::reader::Reader;
pub use self::reader::Unread;
use self::remembered::Remembered;
use super::checkpoint;
use super::content::{Content, Target};
use super::{Refusal, Shared};
use crate::digest::Digest;
use crate::registry::{ImageRefs, IndexEntry, parse_refs, read_refs};

/// How many names of records are looked up in one request.
const NAMES: usize = 256;

pub(super) const NO_RECORD: &str = "the runtime has no record of the image";
/// What the runtime has of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HeldContent {
    /// It was not read.
    #[default]
    NotRead,
    /// Why it is not known.
    Unread(Unread),
    /// Every digest in it: indexes, manifests and configurations.
    Read(BTreeSet<Digest>),
}

impl HeldContent {
    /// Every digest in it.
    ///
    /// # Errors
    /// When it is not known: the refusal of `image`.
    pub(super) fn digests(&self, image: &str) -> Result<&BTreeSet<Digest>, Refusal> {
        match self {
            Self::Read(digests) => Ok(digests),
            Self::Unread(Unread::Memory(error)) => Err(Refusal::memory(image, error)),
            Self::Unread(Unread::Content(why)) => Err(Refusal::content(image, why)),
            Self::NotRead => Err(Refusal::content(image, "pullgate did not read the content")),
        }
    }
}

/// Everything that one document leads to. It never changes, because every part is named by its hash.
#[derive(Debug, Default)]
struct Walked {
    digests: BTreeSet<Digest>,
    configurations: BTreeSet<Digest>,
}

/// What one document says of itself.
#[derive(Debug)]
struct Checked {
    /// Whether it has the annotation of a checkpoint.
    is_checkpoint: Result<bool, String>,
    /// Whether it is an image or an index of images.
    is_image: Result<(), String>,
}

/// Walks records of the runtime, and remembers what it found. Equal questions share one walk.
#[derive(Debug, Default)]
pub(super) struct ContentWalker {
    walks: Remembered<Arc<Walked>>,
    /// `None` for a document that the runtime does not have.
    checks: Remembered<Option<Arc<Checked>>>,
}

impl ContentWalker {
    /// Everything that the records with these names lead to; each must lead to the image `id`. The runtime gets `limit`
    /// for each record, and so does the wait for memory.
    pub(super) async fn read(
        &self,
        shared: &Shared,
        (names, id): (&[&str], &Digest),
        content: &impl Content,
        limit: Duration,
    ) -> HeldContent {
        let reader = Reader::new(shared, content, limit);
        let mut digests = BTreeSet::from([id.clone()]);
        match self.walk(names, id, &reader).await {
            Ok(walked) if walked.is_empty() => HeldContent::Unread(Unread::Content(NO_RECORD.to_owned())),
            Ok(walked) => {
                digests.extend(walked.iter().flat_map(|walked| walked.digests.iter().cloned()));
                HeldContent::Read(digests)
            }
            Err(why) => HeldContent::Unread(why),
        }
    }

    /// What each of the records with these names leads to.
    ///
    /// # Errors
    /// When a record cannot be read to the end, or does not lead to the image `id`.
    async fn walk<C: Content>(
        &self,
        names: &[&str],
        id: &Digest,
        reader: &Reader<C>,
    ) -> Result<Vec<Arc<Walked>>, Unread> {
        let mut found = Vec::new();
        for names in names.chunks(NAMES) {
            for target in reader.targets(names).await? {
                let key = target.digest.to_string();
                let (own, digest) = (reader.for_record(), target.digest.clone());
                let work = async move { Ok(Arc::new(own.in_time(target.size, walk(&target, &own)).await?)) };
                let size = |walked: &Arc<Walked>| Some(256 + 100 * walked.digests.len());
                let walked = self.walks.get((reader.key("walk", &key), key), size, work).await?;
                if !walked.configurations.contains(id) {
                    return Err(format!(
                        "the image record with digest {digest} does not contain the image {id}"
                    )
                    .into());
                }
                found.push(walked);
            }
        }
        Ok(found)
    }

    /// Whether a record with one of these names has the annotation of a checkpoint, and `strictly` is nothing but an image
    /// or an index of images; `None` without a record. A document that is missing cannot be restored from.
    ///
    /// # Errors
    /// When a document cannot be read, or not in one way.
    pub(super) async fn has_checkpoint(
        &self,
        shared: &Shared,
        (names, strictly): (&[&str], bool),
        content: &impl Content,
        limit: Duration,
    ) -> Result<Option<bool>, Unread> {
        let reader = Reader::new(shared, content, limit);
        let targets = reader.targets(names).await?;
        let mut found = (!targets.is_empty()).then_some(false);
        for target in targets {
            let key = format!("{} {}", target.digest, target.media_type);
            let own = reader.for_record();
            let work = async move { own.in_time(target.size, check(&target, &own)).await };
            let size = |checked: &Option<Arc<Checked>>| checked.as_ref().map(|_| 512);
            let checked = self.checks.get((reader.key("check", &key), key), size, work).await?;
            let Some(checked) = checked else { continue };
            if strictly {
                checked.is_image.clone()?;
            }
            if checked.is_checkpoint.clone()? {
                found = Some(true);
                break;
            }
        }
        Ok(found)
    }
}

async fn check<C: Content>(target: &Target, reader: &Reader<C>) -> Result<Option<Arc<Checked>>, Unread> {
    let Some(document) = reader.read(&target.digest, target.size).await? else { return Ok(None) };
    let (bytes, media_type) = (document.len(), target.media_type.clone());
    let check = move || Checked {
        is_checkpoint: checkpoint::is_checkpoint(&document).map_err(|error| error.to_string()),
        is_image: parse_refs(&document, &media_type).map(drop).map_err(|error| error.to_string()),
    };
    let checked = pullgate_net::offload::document(bytes, check).await;
    checked
        .map(|checked| Some(Arc::new(checked)))
        .ok_or_else(|| "a document of the image cannot be parsed".to_owned().into())
}

async fn walk<C: Content>(target: &Target, reader: &Reader<C>) -> Result<Walked, Unread> {
    let refs = refs(&target.digest, target.size, &target.media_type, reader).await?;
    let refs = refs.ok_or_else(|| format!("the content store no longer has {}", target.digest))?;
    let mut walked = Walked::default();
    walked.digests.insert(target.digest.clone());
    match refs {
        ImageRefs::Image(configuration) => walked.add_configuration(configuration),
        ImageRefs::Index(listed) => {
            let largest = listed.iter().map(|entry| entry.size).max().unwrap_or(0);
            let _reserved = reader.reserve_more(target.size, largest).await?;
            for entry in listed {
                let configuration = configuration_of(&entry, reader).await?;
                walked.digests.insert(entry.digest);
                if let Some(configuration) = configuration {
                    walked.add_configuration(configuration);
                }
            }
        }
    }
    Ok(walked)
}

/// The configuration of a listed manifest; `None` when the runtime does not have the manifest, which is the rule for
/// other platforms.
async fn configuration_of<C: Content>(
    entry: &IndexEntry,
    reader: &Reader<C>,
) -> Result<Option<Digest>, Unread> {
    match refs(&entry.digest, entry.size, &entry.media_type, reader).await? {
        None => Ok(None),
        Some(ImageRefs::Image(configuration)) => Ok(Some(configuration)),
        Some(ImageRefs::Index(_)) => {
            Err(format!("the image's index lists another index, {}", entry.digest).into())
        }
    }
}

/// What a document refers to; `None` when the runtime does not have it. The document itself does not stay in memory.
async fn refs<C: Content>(
    digest: &Digest,
    size: u64,
    media_type: &str,
    reader: &Reader<C>,
) -> Result<Option<ImageRefs>, Unread> {
    let Some(document) = reader.read(digest, size).await? else { return Ok(None) };
    let refs = read_refs(&document, media_type).await.map_err(|error| error.to_string())?;
    Ok(Some(refs))
}

impl Walked {
    fn add_configuration(&mut self, configuration: Digest) {
        self.digests.insert(configuration.clone());
        self.configurations.insert(configuration);
    }
}
