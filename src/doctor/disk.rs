//! Whether there is room for evidence and state.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::{Diagnosis, Finding};

/// The least free share, in percent.
const MIN_PERCENT: u64 = 5;
/// This much is enough, however large the file system is, in bytes.
const ENOUGH_BYTES: u64 = 1 << 30;
/// This many are enough.
const ENOUGH_INODES: u64 = 100_000;

/// The room in a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFacts {
    pub path: PathBuf,
    pub free_bytes: u64,
    pub bytes: u64,
    pub free_inodes: u64,
    /// 0 where inodes are not limited, as in btrfs.
    pub inodes: u64,
}

impl DiskFacts {
    /// Of the file system at `path`, or where it will be; `None` if that cannot be read.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let there = path.ancestors().find(|it| it.exists())?;
        let found = statvfs(there).ok()?;
        Some(Self {
            path: path.to_owned(),
            free_bytes: found.blocks_available() * found.fragment_size(),
            bytes: found.blocks() * found.fragment_size(),
            free_inodes: found.files_available(),
            inodes: found.files(),
        })
    }
}

#[must_use]
pub fn evaluate(disks: &[DiskFacts]) -> Vec<Finding> {
    let is_low = |free: u64, all: u64, enough: u64| {
        free < enough && free.saturating_mul(100) < all.saturating_mul(MIN_PERCENT)
    };
    let mut findings = Vec::new();
    for disk in disks {
        let path = disk.path.display();
        let low = if is_low(disk.free_bytes, disk.bytes, ENOUGH_BYTES) {
            format!("{path}: {} MiB free of {} MiB", disk.free_bytes >> 20, disk.bytes >> 20)
        } else if is_low(disk.free_inodes, disk.inodes, ENOUGH_INODES) {
            format!("{path}: {} inodes free of {}", disk.free_inodes, disk.inodes)
        } else {
            continue;
        };
        findings.push(Finding::new(Diagnosis::DiskFull, &low));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_found() {
        let (gib, mib) = (1 << 30, 1 << 20);
        let disk = |free_bytes, bytes, free_inodes, inodes| DiskFacts {
            path: PathBuf::from("/var/lib/pullgate"),
            free_bytes,
            bytes,
            free_inodes,
            inodes,
        };
        for (disk, expected) in [
            (disk(5 * gib, 1000 * gib, 500_000, 60_000_000), None),
            (disk(50 * mib, 100 * mib, 10, 100), None),
            (disk(2 * mib, 100 * mib, 10, 100), Some("2 MiB free of 100 MiB")),
            (disk(50 * gib, 100 * gib, 10, 1000), Some("10 inodes free of 1000")),
            (disk(50 * gib, 100 * gib, 0, 0), None),
        ] {
            let found = evaluate(std::slice::from_ref(&disk));
            let evidence = found.first().map(|finding| finding.evidence.clone());
            assert_eq!(evidence.is_some(), expected.is_some(), "{disk:?}: {evidence:?}");
            assert!(expected.is_none_or(|expected| evidence.unwrap().contains(expected)), "{disk:?}");
        }
        assert!(DiskFacts::of(Path::new("/nonexistent/ledger")).unwrap().bytes > 0);
    }
}
