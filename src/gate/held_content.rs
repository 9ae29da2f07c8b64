//! What the runtime has of an image: every record, walked by hash through its content store down to the configurations.
//!
//! Names, evidence and hints say what an image may be; this says what it is. Where digests are denied, it decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use pullgate_net::offload;
use pullgate_net::ttl_cache::TtlCache;

use super::checkpoint;
use super::content::{Content, Target};
use super::verdict_cache::lifetime;
use crate::digest::Digest;
use crate::registry::{ImageRefs, IndexEntry, read_refs};

/// The largest manifest or index that is read, in bytes: the largest that a registry may serve.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// How many bytes are read for one record.
const MAX_BYTES: u64 = 16 << 20;

/// How many names of records are looked up in one request.
const NAMES: usize = 256;

/// How many documents are remembered, and their bytes: about 100 for each digest.
const MAX_CACHED: usize = 4096;
const MAX_CACHED_BYTES: usize = 2 << 20;

const NO_RECORD: &str = "it has no record of the image";

/// What the runtime has of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HeldContent {
    /// It was not read.
    #[default]
    NotRead,
    /// It cannot be read, or two programs could read it in two ways: why.
    Unreadable(String),
    /// Every digest in it: indexes, manifests and configurations.
    Read(BTreeSet<Digest>),
}

/// Everything that one document leads to. It never changes, because every part is named by its hash.
#[derive(Debug, Default)]
struct Walked {
    digests: BTreeSet<Digest>,
    configurations: BTreeSet<Digest>,
}

/// Walks records of the runtime, and remembers what it found.
#[derive(Debug)]
pub(super) struct ContentWalker(TtlCache<Digest, Arc<Walked>>);

impl Default for ContentWalker {
    fn default() -> Self {
        Self(TtlCache::new(MAX_CACHED, MAX_CACHED_BYTES))
    }
}

impl ContentWalker {
    /// Everything that the records with these names lead to; each must lead to the image `id`.
    pub(super) async fn read(&self, names: &[&str], id: &Digest, content: &impl Content) -> HeldContent {
        let mut digests = BTreeSet::from([id.clone()]);
        match self.walk(names, id, content).await {
            Ok(walked) if walked.is_empty() => HeldContent::Unreadable(NO_RECORD.to_owned()),
            Ok(walked) => {
                digests.extend(walked.iter().flat_map(|walked| walked.digests.iter().cloned()));
                HeldContent::Read(digests)
            }
            Err(why) => HeldContent::Unreadable(why),
        }
    }

    /// What each of the records with these names leads to.
    ///
    /// # Errors
    /// When a record cannot be read to the end, or does not lead to the image `id`.
    async fn walk(
        &self,
        names: &[&str],
        id: &Digest,
        content: &impl Content,
    ) -> Result<Vec<Arc<Walked>>, String> {
        let mut found = Vec::new();
        for names in names.chunks(NAMES) {
            for target in content.targets(names).await? {
                let walked = self.target(&target, content).await?;
                if !walked.configurations.contains(id) {
                    return Err(format!("its record {} does not lead to the image {id}", target.digest));
                }
                found.push(walked);
            }
        }
        Ok(found)
    }

    async fn target(&self, target: &Target, content: &impl Content) -> Result<Arc<Walked>, String> {
        let now = jiff::Timestamp::now();
        if let Some((walked, _)) = self.0.get(&target.digest, now) {
            return Ok(walked);
        }
        let walked = Arc::new(walk(target, content).await?);
        let bytes = 256 + 100 * walked.digests.len();
        self.0.put(target.digest.clone(), Arc::clone(&walked), bytes, lifetime(None));
        Ok(walked)
    }
}

/// Whether a record with one of these names has the annotation of a checkpoint. A document that is missing cannot be
/// restored from.
///
/// # Errors
/// When there is no such record, or a document cannot be read in one way, such as an index that lists an index.
pub(super) async fn has_checkpoint(names: &[&str], content: &impl Content) -> Result<bool, String> {
    let targets = content.targets(names).await?;
    if targets.is_empty() {
        return Err(NO_RECORD.to_owned());
    }
    for target in targets {
        let mut left = MAX_BYTES;
        let Some(document) = read(&target.digest, target.size, &mut left, content).await? else { continue };
        read_refs(&document, &target.media_type).await.map_err(|error| error.to_string())?;
        let check = move || checkpoint::is_checkpoint(&document).map_err(|error| error.to_string());
        let size = usize::try_from(target.size).unwrap_or(usize::MAX);
        if offload::document(size, check).await.ok_or("it cannot be parsed")?? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn walk(target: &Target, content: &impl Content) -> Result<Walked, String> {
    let mut left = MAX_BYTES;
    let document = read(&target.digest, target.size, &mut left, content).await?;
    let document = document.ok_or_else(|| format!("it has lost {}", target.digest))?;
    let refs = read_refs(&document, &target.media_type).await.map_err(|error| error.to_string())?;
    let mut walked = Walked::default();
    walked.digests.insert(target.digest.clone());
    match refs {
        ImageRefs::Image(configuration) => walked.add_configuration(configuration),
        ImageRefs::Index(listed) => {
            for entry in &listed {
                walked.digests.insert(entry.digest.clone());
                if let Some(configuration) = configuration_of(entry, &mut left, content).await? {
                    walked.add_configuration(configuration);
                }
            }
        }
    }
    Ok(walked)
}

/// The configuration of a listed manifest; `None` when the runtime does not have the manifest, which is the rule for
/// other platforms.
async fn configuration_of(
    entry: &IndexEntry,
    left: &mut u64,
    content: &impl Content,
) -> Result<Option<Digest>, String> {
    let Some(document) = read(&entry.digest, entry.size, left, content).await? else { return Ok(None) };
    match read_refs(&document, &entry.media_type).await.map_err(|error| error.to_string())? {
        ImageRefs::Image(configuration) => Ok(Some(configuration)),
        ImageRefs::Index(_) => Err(format!("its index lists the index {}", entry.digest)),
    }
}

/// Reads a document and hashes it, on a blocking thread: it may have megabytes.
async fn read(
    digest: &Digest,
    size: u64,
    left: &mut u64,
    content: &impl Content,
) -> Result<Option<Bytes>, String> {
    if size > MAX_DOCUMENT_BYTES || size > *left {
        // An index may list anything for other platforms: only what is there counts. No bytes are asked for.
        let is_absent = matches!(content.read(digest, 0).await, Ok(None));
        return if is_absent { Ok(None) } else { Err(format!("{digest} is too large to read")) };
    }
    let Some(document) = content.read(digest, size).await? else { return Ok(None) };
    *left -= size;
    let expected = digest.clone();
    let matching = move || expected.matches(&document).then_some(document);
    let matching = offload::document(usize::try_from(size).unwrap_or(usize::MAX), matching).await.flatten();
    matching.map(Some).ok_or_else(|| format!("its content does not match {digest}"))
}

impl Walked {
    fn add_configuration(&mut self, configuration: Digest) {
        self.digests.insert(configuration.clone());
        self.configurations.insert(configuration);
    }
}
