//! Size limits of the directory: its content is counted once, and the oldest entries are evicted when a limit is
//! exceeded.
//!
//! Memory is limited as well: two numbers, and during eviction the paths of [`BATCH`] entries.

use std::collections::BinaryHeap;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Disk, links};

/// Number of oldest entries that one search returns.
const BATCH: usize = 8192;

/// Maximum number of searches for one eviction.
const ROUNDS: usize = 256;

/// Links are checked for dangling ones if there are this many more files of links than entries.
const STALE: u64 = 1024;

/// Size of the ledger on disk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    entries: u64,
    bytes: u64,
}

impl Usage {
    /// Updates the size after a write of `length` bytes; `before` is the size of the replaced entry, if any.
    pub(super) fn replace(&mut self, before: Option<u64>, length: u64) {
        match before {
            Some(before) => self.bytes = self.bytes.saturating_sub(before),
            None => self.entries += 1,
        }
        self.bytes = self.bytes.saturating_add(length);
    }

    fn exceeds(&self, entries: u64, bytes: u64) -> bool {
        self.entries > entries || self.bytes > bytes
    }
}

impl Disk {
    /// Number and total size of entries, as counted by a writer, otherwise counted now.
    pub(in super::super) fn usage(&self) -> (u64, u64) {
        // A writer has it locked, possibly for long if the disk is slow.
        let known = self.usage.try_lock().ok().and_then(|known| *known);
        let Usage { entries, bytes } = known.unwrap_or_else(|| self.count_entries());
        (entries, bytes)
    }

    /// Counts entries, and removes dangling links if there are many.
    pub(super) fn count(&self) -> Usage {
        let usage = self.count_entries();
        let mut linked = 0_u64;
        for_each(&self.root.join("images"), |_| linked += 1);
        if linked > usage.entries.saturating_add(STALE) {
            for_each(&self.root.join("images"), |entry| self.remove_if_stale(&entry.path()));
        }
        usage
    }

    fn count_entries(&self) -> Usage {
        let mut usage = Usage::default();
        for_each(&self.root.join("entries"), |entry| {
            usage.replace(None, entry.metadata().map_or(0, |found| found.len()));
        });
        usage
    }

    fn remove_if_stale(&self, path: &Path) {
        if !links::read(path).iter().any(|place| self.entry(place).is_file()) {
            let _ = fs::remove_file(path);
        }
    }

    /// Evicts the oldest entries until another one of `length` bytes fits. The entry at `keep` is not evicted.
    pub(super) fn make_room(&self, usage: &mut Usage, length: u64, keep: &Path) {
        let entries = self.max_entries.saturating_sub(1);
        let bytes = self.max_bytes.saturating_sub(length);
        if !usage.exceeds(entries, bytes) {
            return;
        }
        // Evicts a little more than necessary, so that the next write need not search again.
        let (entries, bytes) = (entries - entries / 64, bytes - bytes / 64);
        for _ in 0..ROUNDS {
            let (counted, oldest) = self.oldest(keep);
            *usage = counted;
            if oldest.is_empty() || !usage.exceeds(entries, bytes) {
                return;
            }
            let mut evicted = 0_u64;
            for old in oldest {
                if !usage.exceeds(entries, bytes) {
                    break;
                }
                self.remove(&old.path);
                usage.entries = usage.entries.saturating_sub(1);
                usage.bytes = usage.bytes.saturating_sub(old.bytes);
                evicted += 1;
            }
            tracing::info!(evicted, "ledger is full: oldest evidence evicted");
            if !usage.exceeds(entries, bytes) {
                return;
            }
        }
    }

    /// The size, and the oldest entries except `keep`, oldest first.
    fn oldest(&self, keep: &Path) -> (Usage, Vec<Old>) {
        let mut usage = Usage::default();
        let mut heap: BinaryHeap<Old> = BinaryHeap::new();
        for_each(&self.root.join("entries"), |entry| {
            let Ok(found) = entry.metadata() else { return };
            usage.replace(None, found.len());
            let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let path = entry.path();
            let older =
                heap.len() < BATCH || heap.peek().is_some_and(|youngest| modified < youngest.modified);
            if older && path != keep {
                heap.push(Old { modified, path, bytes: found.len() });
            }
            if heap.len() > BATCH {
                heap.pop();
            }
        });
        (usage, heap.into_sorted_vec())
    }
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
