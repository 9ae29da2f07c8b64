//! Limits, concurrent writers, and disks that cannot be written.

use std::process::Command;

use super::*;
use pullgate::ledger::{Complete, Evidence, Image, Place};
use pullgate::reference::Repository;

/// Evidence identified by `number`, of about `size` bytes.
pub(super) fn numbered(number: usize, size: usize) -> Evidence {
    let config = Digest::of(format!("config {number}").as_bytes());
    let document = manifest(&[], &config, None);
    Evidence {
        repository: Repository::parse(&format!("reg.example/team/app-{number}")).unwrap(),
        digest: Digest::of(&document),
        media_type: MANIFEST.to_owned(),
        document,
        images: vec![Image { id: config, manifest: None }],
        attachments: vec![pullgate::signature::Attachment::Bundle {
            place: format!("bundle {number}"),
            document: vec![b'x'; size].into(),
        }],
        complete: Complete::All,
        names: vec![format!("reg.example/team/app-{number}:1")],
        rule: "a rule".to_owned(),
        keys: Vec::new(),
        recorded: jiff::Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn place(number: usize) -> Place {
    numbered(number, 0).place()
}

/// Whether the evidence is complete and found by its image.
pub(super) fn is_kept(ledger: &Ledger, number: usize, size: usize) -> bool {
    let Some(found) = ledger.find(&place(number)) else { return false };
    let expected = numbered(number, size);
    assert_eq!(format!("{:?}", *found), format!("{expected:?}"), "{number} is whole");
    ledger.places(&expected.images[0].id).contains(&place(number))
}

fn settings(directory: &Path, max_entries: u64, max_bytes: u64) -> ledger::LedgerSettings {
    ledger::LedgerSettings { directory: directory.to_owned(), max_entries, max_bytes }
}

#[test]
pub(crate) fn the_oldest_evidence_is_removed_above_the_limit() {
    for (max_entries, max_bytes, size) in [(20, 1 << 30, 10), (1_000_000, 60_000, 2000)] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("ledger");
        let settings = settings(&root, max_entries, max_bytes);
        let mut ledger = Ledger::open(&settings).unwrap();
        for number in 0..60 {
            if number == 30 {
                // Existing entries are counted again after a restart.
                ledger = Ledger::open(&settings).unwrap();
            }
            ledger.keep(numbered(number, size));
            assert!(is_kept(&ledger, number, size), "the newest is there");
            // File times have a resolution of some milliseconds; files of the same time may be removed in any order.
            std::thread::sleep(Duration::from_millis(11));
        }
        let there = files(&root.join("entries"));
        let bytes: u64 = there.iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(
            there.len() as u64 <= max_entries && bytes <= max_bytes,
            "{} files, {bytes} bytes",
            there.len()
        );
        assert!(there.len() >= 18, "not more removed than necessary: {}", there.len());
        for number in 0..60 {
            assert_eq!(
                is_kept(&ledger, number, size),
                number >= 60 - there.len(),
                "{number}: the oldest went"
            );
        }
        assert_eq!(files(&root.join("images")).len(), there.len(), "links were removed with their evidence");
    }
}

#[tokio::test]
pub(crate) async fn the_limits_of_the_ledger_decide_what_is_admitted_offline() {
    let world = World::new().await;
    let images: Vec<_> =
        (0..17).map(|number| world.signed(&format!("team/app-{number}"), &format!("app {number}"))).collect();
    for max_entries in [16, 17] {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(&directory.path().join("ledger"), max_entries, 1 << 30);
        let gate = world.gate_with(Ledger::open(&settings).unwrap());
        for (number, (_, id)) in images.iter().enumerate() {
            world.pull(&gate, &format!("team/app-{number}:1"), id).await.unwrap();
        }
        let gate = world.gate_with(Ledger::open(&settings).unwrap());
        let mut verified = 0;
        for (number, (_, id)) in images.iter().enumerate() {
            let name = world.image(&format!("team/app-{number}:1"));
            verified += u64::from(reason(&world.check_present(&gate, &name, id).await) == "verified");
        }
        assert_eq!(verified, max_entries);
    }
}

#[test]
fn concurrent_writers_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("ledger");
    // Two ledgers, as in two processes during an upgrade, with two threads each.
    let ledgers = [(); 2].map(|()| Ledger::open(&ledger::LedgerSettings::of(&root)).unwrap());
    std::thread::scope(|scope| {
        for (at, ledger) in ledgers.iter().chain(&ledgers).enumerate() {
            scope.spawn(move || {
                for number in 0..40 {
                    ledger.keep(numbered(at * 1000 + number, 100));
                    // All of them write this entry, each with another image.
                    let mut shared = numbered(7777, 100);
                    shared.images =
                        vec![Image { id: Digest::of(&[u8::try_from(at).unwrap()]), manifest: None }];
                    ledger.keep(shared);
                }
            });
        }
    });
    let ledger = Ledger::open(&ledger::LedgerSettings::of(&root)).unwrap();
    for number in (0..4).flat_map(|at| (0..40).map(move |number| at * 1000 + number)) {
        assert!(is_kept(&ledger, number, 100), "{number}");
    }
    let shared = ledger.find(&place(7777)).unwrap();
    assert_eq!(shared.images.len(), 4, "{:?}", shared.images);
    assert!(files(&root.join("tmp")).is_empty());
}

#[tokio::test]
async fn an_unwritable_disk_costs_only_memory() {
    let world = World::new().await;
    let (_, id) = world.signed("team/app", "app");
    let (_, later) = world.signed("team/later", "later");
    world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
    let (app, name) = (world.image("team/app:1"), world.image("team/later:1"));
    let root = world.ledger_directory();
    // Writing fails from now on, but reading works.
    std::fs::remove_dir(root.join("tmp")).unwrap();
    std::fs::write(root.join("tmp"), "in the way").unwrap();
    let Err(error) = Ledger::open(&world.settings()) else { panic!("a file in place of a directory") };
    assert!(error.to_string().contains("tmp"), "{error}");
    std::fs::remove_file(root.join("tmp")).unwrap();
    let gate = world.gate();
    std::fs::remove_dir(root.join("tmp")).unwrap();
    world.pull(&gate, "team/later:1", &later).await.unwrap();
    assert_eq!(reason(&world.check_present(&gate, &name, &later).await), "verified", "from memory");
    assert_eq!(reason(&world.check_present(&gate, &app, &id).await), "verified", "from the disk");
    let gate = world.gate();
    assert_eq!(
        reason(&world.check_present(&gate, &name, &later).await),
        "not-verified",
        "lost with the process"
    );
    assert_eq!(reason(&world.check_present(&gate, &app, &id).await), "verified");
    world.pull(&gate, "team/later:1", &later).await.unwrap();
    assert_eq!(
        reason(&world.check_present(&world.gate(), &name, &later).await),
        "verified",
        "the disk works again"
    );
}

#[tokio::test]
async fn a_hanging_disk_delays_no_verdict() {
    let world = World::new().await;
    let (_, id) = world.signed("team/app", "app");
    let (_, later) = world.signed("team/later", "later");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let pinned = world.admit(&gate, "team/later:1").await.unwrap();
    // The lock is held, each writer waits seconds for it, and there are more writers than tokio has threads.
    let lock = std::fs::File::create(world.ledger_directory().join("lock")).unwrap();
    let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    for _ in 0..600 {
        drop(gate.begin_evidence(&mut pinned.clone()).await);
    }
    assert_eq!(reason(&world.check_present(&gate, &world.image("team/app:1"), &id).await), "verified");
    world.pull(&gate, "team/later:1", &later).await.unwrap();
    assert_eq!(reason(&world.check_present(&gate, &world.image("team/later:1"), &later).await), "verified");
    drop(lock);
    // The delayed evidence is written afterwards.
    let again = Ledger::open(&world.settings()).unwrap();
    let written = async {
        while again.places(&later).is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), written).await.expect("evidence on the disk");
}

/// Run by [`a_full_disk_keeps_existing_evidence`] in a process that cannot write files larger than a few KiB.
#[test]
fn writer_without_room() {
    let Some(root) = std::env::var_os("PULLGATE_TEST_LEDGER") else { return };
    let ledger = Ledger::open(&ledger::LedgerSettings::of(Path::new(&root))).unwrap();
    ledger.keep(numbered(1, 100));
    // A file of this size is begun, but the write fails.
    ledger.keep(numbered(2, 100_000));
    assert!(is_kept(&ledger, 2, 100_000), "it is in memory");
    ledger.keep(numbered(3, 100));
}

#[test]
fn a_full_disk_keeps_existing_evidence() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("ledger");
    let script = r#"trap "" XFSZ; ulimit -f 16; exec "$0" --exact ledger::disk::writer_without_room"#;
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("PULLGATE_TEST_LEDGER", &root)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let ledger = Ledger::open(&ledger::LedgerSettings::of(&root)).unwrap();
    assert!(is_kept(&ledger, 1, 100) && is_kept(&ledger, 3, 100));
    assert!(ledger.find(&place(2)).is_none(), "no part of it is there");
    assert!(files(&root.join("tmp")).is_empty());
}

#[test]
fn a_directory_that_others_can_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    for (mode, usable) in [(0o777, false), (0o1777, false), (0o770, false), (0o755, true), (0o700, true)] {
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let opened = Ledger::open(&ledger::LedgerSettings::of(directory.path()));
        let shown = directory.path().display();
        let expected =
            format!("other users can write to {shown} (mode {mode:04o}); run `chmod go-w {shown}`");
        assert_eq!(opened.err().map(|error| error.to_string()), (!usable).then_some(expected), "{mode:o}");
    }
}
