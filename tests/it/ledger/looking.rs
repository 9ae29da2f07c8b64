//! Read-only access to a ledger, and reports about it.

use super::disk::{is_kept, numbered, place};
use super::*;

#[test]
fn read_only_access_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ledger::LedgerSettings::of(&directory.path().join("ledger"));
    assert!(Ledger::open_read_only(&settings).is_err(), "the ledger does not exist, and is not created");
    assert!(!settings.directory.exists());
    let writer = Ledger::open(&settings).unwrap();
    writer.keep(numbered(1, 100));
    writer.keep(numbered(2, 100));
    let entries = files(&settings.directory.join("entries"));
    std::fs::write(&entries[0], "damaged").unwrap();
    let before = files(&settings.directory);
    let reader = Ledger::open_read_only(&settings).unwrap();
    let found = [1, 2].map(|number| reader.find(&place(number)).is_some());
    assert_eq!(found.iter().filter(|found| **found).count(), 1, "a damaged entry is not found");
    reader.keep(numbered(3, 100));
    assert!(is_kept(&reader, 3, 100), "until the process ends");
    assert_eq!(files(&settings.directory), before, "damaged entries are not removed");
    assert!(writer.find(&place(3)).is_none());
}

#[test]
fn the_report_matches_the_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("ledger");
    let settings = ledger::LedgerSettings::of(&root);
    let ledger = Ledger::open(&settings).unwrap();
    let report = |ledger: &Ledger| {
        let (usage, health) = (ledger.usage(), ledger.health());
        (usage.map(|usage| usage.entries), health.on_disk, health.in_memory, health.problem.is_some())
    };
    assert_eq!(report(&ledger), (Some(0), true, 0, false));
    ledger.keep(numbered(1, 100));
    ledger.keep(numbered(2, 100));
    assert_eq!(report(&ledger), (Some(2), true, 0, false));
    // A reader that has written nothing counts them too.
    let other = Ledger::open_read_only(&settings).unwrap();
    assert_eq!(other.usage(), ledger.usage());
    let bytes: u64 = files(&root.join("entries")).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(ledger.usage().unwrap().bytes, bytes);
    // The disk cannot be written, then it can again.
    std::fs::rename(root.join("tmp"), root.join("away")).unwrap();
    ledger.keep(numbered(3, 100));
    assert_eq!(report(&ledger), (Some(2), true, 1, true));
    std::fs::rename(root.join("away"), root.join("tmp")).unwrap();
    ledger.keep(numbered(3, 100));
    assert_eq!(report(&ledger), (Some(3), true, 0, false));
    // No ledger at all.
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Ledger::open(&ledger::LedgerSettings::of(&file)).unwrap_err();
    let ledger = Ledger::in_memory_because(&error);
    ledger.keep(numbered(1, 100));
    assert_eq!(report(&ledger), (None, false, 1, true));
}
