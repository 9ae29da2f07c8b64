//! Read-only access to a ledger, and reports about it.

use super::disk::{is_kept, numbered, place};
use super::*;

#[test]
fn who_only_looks_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ledger::LedgerSettings::of(&directory.path().join("ledger"));
    assert!(Ledger::open_read_only(&settings).is_err(), "there is none, and none is made");
    assert!(!settings.directory.exists());
    let writer = Ledger::open(&settings).unwrap();
    writer.keep(numbered(1, 100));
    writer.keep(numbered(2, 100));
    let entries = files(&settings.directory.join("entries"));
    std::fs::write(&entries[0], "damaged").unwrap();
    let before = files(&settings.directory);
    let reader = Ledger::open_read_only(&settings).unwrap();
    let found = [1, 2].map(|number| reader.find(&place(number)).is_some());
    assert_eq!(found.iter().filter(|found| **found).count(), 1, "what is damaged is not there");
    reader.keep(numbered(3, 100));
    assert!(is_kept(&reader, 3, 100), "for as long as the process");
    assert_eq!(files(&settings.directory), before, "not even what is damaged is removed");
    assert!(writer.find(&place(3)).is_none());
}

#[test]
fn what_is_told_is_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("ledger");
    let settings = ledger::LedgerSettings::of(&root);
    let ledger = Ledger::open(&settings).unwrap();
    let told = |ledger: &Ledger| {
        let (usage, health) = (ledger.usage(), ledger.health());
        (usage.map(|usage| usage.entries), health.on_disk, health.in_memory, health.problem.is_some())
    };
    assert_eq!(told(&ledger), (Some(0), true, 0, false));
    ledger.keep(numbered(1, 100));
    ledger.keep(numbered(2, 100));
    assert_eq!(told(&ledger), (Some(2), true, 0, false));
    // Counted by who has written nothing, too.
    let other = Ledger::open_read_only(&settings).unwrap();
    assert_eq!(other.usage(), ledger.usage());
    let bytes: u64 = files(&root.join("entries")).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(ledger.usage().unwrap().bytes, bytes);
    // A disk that takes nothing, and takes it again.
    std::fs::rename(root.join("tmp"), root.join("away")).unwrap();
    ledger.keep(numbered(3, 100));
    assert_eq!(told(&ledger), (Some(2), true, 1, true));
    std::fs::rename(root.join("away"), root.join("tmp")).unwrap();
    ledger.keep(numbered(3, 100));
    assert_eq!(told(&ledger), (Some(3), true, 0, false));
    // None at all.
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Ledger::open(&ledger::LedgerSettings::of(&file)).unwrap_err();
    let ledger = Ledger::in_memory_because(&error);
    ledger.keep(numbered(1, 100));
    assert_eq!(told(&ledger), (None, false, 1, true));
}
