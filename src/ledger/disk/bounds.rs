//! Bounds of the directory: entries are counted once, and the oldest are evicted when there are too many.
//!
//! Only two numbers stay in memory, and during an eviction the names of some of the oldest entries.

use std::collections::BinaryHeap;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::atomic::remove;
use super::{Disk, links};

/// How many of the oldest entries one pass finds.
const BATCH: usize = 8192;

/// How many passes one eviction makes at most.
const ROUNDS: usize = 256;

/// How many more link files than entries there may be before stale links are removed.
const STALE: u64 = 1024;

/// What is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    entries: u64,
    bytes: u64,
}

impl Usage {
    /// An entry of `length` bytes replaced one of `before` bytes; `None` for a new entry.
    pub(super) fn replace(&mut self, before: Option<u64>, length: u64) {
        match before {
            Some(before) => self.bytes = self.bytes.saturating_sub(before),
            None => self.entries += 1,
        }
        self.bytes = self.bytes.saturating_add(length);
    }

    /// The number of entries, and their bytes.
    pub(super) fn totals(self) -> (u64, u64) {
        (self.entries, self.bytes)
    }

    fn exceeds(&self, entries: u64, bytes: u64) -> bool {
        self.entries > entries || self.bytes > bytes
    }
}

/// Counts the entries, and removes stale links if there are many.
pub(super) fn count(disk: &Disk) -> Usage {
    let usage = count_entries(disk);
    let mut linked = 0_u64;
    for_each(&disk.root.join("images"), |_| linked += 1);
    if linked > usage.entries.saturating_add(STALE) {
        for_each(&disk.root.join("images"), |entry| remove_if_stale(disk, &entry.path()));
    }
    usage
}

pub(super) fn count_entries(disk: &Disk) -> Usage {
    let mut usage = Usage::default();
    for_each(&disk.root.join("entries"), |entry| {
        usage.replace(None, entry.metadata().map_or(0, |found| found.len()));
    });
    usage
}

fn remove_if_stale(disk: &Disk, path: &Path) {
    if !links::read(path).iter().any(|place| disk.entry(place).is_file()) {
        let _ = fs::remove_file(path);
    }
}

/// Evicts the oldest entries until `length` more bytes fit. The entry at `keep` stays.
pub(super) fn make_room(disk: &Disk, usage: &mut Usage, length: u64, keep: &Path) {
    let entries = disk.max_entries.saturating_sub(1);
    let bytes = disk.max_bytes.saturating_sub(length);
    if !usage.exceeds(entries, bytes) {
        return;
    }
    // A little more than is needed, so that the next writes need no eviction.
    let (entries, bytes) = (entries - entries / 64, bytes - bytes / 64);
    for _ in 0..ROUNDS {
        let (counted, oldest) = oldest(disk, keep);
        *usage = counted;
        if oldest.is_empty() || !usage.exceeds(entries, bytes) {
            return;
        }
        let mut evicted = 0_u64;
        for old in oldest {
            if !usage.exceeds(entries, bytes) {
                break;
            }
            remove(disk, &old.path);
            usage.entries = usage.entries.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(old.bytes);
            evicted += 1;
        }
        tracing::info!(evicted, "the ledger is full: pullgate removed the oldest evidence");
        if !usage.exceeds(entries, bytes) {
            return;
        }
    }
}

/// What is stored, and its oldest entries, oldest first.
fn oldest(disk: &Disk, keep: &Path) -> (Usage, Vec<Old>) {
    let mut usage = Usage::default();
    let mut heap: BinaryHeap<Old> = BinaryHeap::new();
    for_each(&disk.root.join("entries"), |entry| {
        let Ok(found) = entry.metadata() else { return };
        usage.replace(None, found.len());
        let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let path = entry.path();
        let older = heap.len() < BATCH || heap.peek().is_some_and(|youngest| modified < youngest.modified);
        if older && path != keep {
            heap.push(Old { modified, path, bytes: found.len() });
        }
        if heap.len() > BATCH {
            heap.pop();
        }
    });
    (usage, heap.into_sorted_vec())
}

/// A candidate for eviction.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Old {
    modified: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// Visits every file in the shards of `root`.
fn for_each(root: &Path, mut visit: impl FnMut(&DirEntry)) {
    for shard in fs::read_dir(root).into_iter().flatten().flatten() {
        for entry in fs::read_dir(shard.path()).into_iter().flatten().flatten() {
            visit(&entry);
        }
    }
}
