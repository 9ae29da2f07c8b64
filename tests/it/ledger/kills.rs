//! Killed writers: everything reported as kept is there, and no entry is incomplete.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::disk::{is_kept, numbered};
use super::*;

/// How many writers are killed.
const KILLS: usize = 1000;

/// How many of them run concurrently, each in a separate directory.
const LANES: usize = 4;

/// Small entries, and some that take more than one write.
fn size_of(number: usize) -> usize {
    if number.is_multiple_of(3) { 300_000 } else { 50 }
}

/// Run by [`a_thousand_killed_writers_lose_nothing`] until it is killed.
#[test]
fn writer() {
    let Some(root) = std::env::var_os("PULLGATE_TEST_LEDGER") else { return };
    let first: usize = std::env::var("PULLGATE_TEST_FIRST").unwrap().parse().unwrap();
    // Few enough entries that old ones are evicted all the time.
    let settings = ledger::LedgerSettings { max_entries: 40, ..ledger::LedgerSettings::of(Path::new(&root)) };
    let ledger = Ledger::open(&settings).unwrap();
    for number in first.. {
        eprintln!("begin {number}");
        ledger.keep(numbered(number, size_of(number)));
        eprintln!("kept {number}");
    }
}

/// Starts a writer at `first`, kills it `after` it began to write, and returns the last number that it reported as kept
/// and the first that it cannot have begun.
fn killed_writer(root: &Path, first: usize, after: Duration) -> (Option<usize>, usize) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::kills::writer", "--nocapture"])
        .env("PULLGATE_TEST_LEDGER", root)
        .env("PULLGATE_TEST_FIRST", first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines().map_while(Result::ok);
    let begun = lines.by_ref().find(|line| line.starts_with("begin "));
    assert!(begun.is_some(), "the writer began");
    std::thread::sleep(after);
    writer.kill().unwrap();
    let (mut kept, mut begun) = (None, first + 1);
    for line in lines {
        match line.split_once(' ') {
            Some(("kept", number)) => kept = number.parse().ok().or(kept),
            Some(("begin", number)) => begun = number.parse().map_or(begun, |number: usize| number + 1),
            _ => {}
        }
    }
    writer.wait().unwrap();
    (kept, begun)
}

#[test]
fn a_thousand_killed_writers_lose_nothing() {
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            scope.spawn(move || {
                let directory = tempfile::tempdir().unwrap();
                let root = directory.path().join("ledger");
                let mut first = 0;
                let mut part_way = 0;
                for kill in 0..KILLS / LANES {
                    // Spread over the duration of some writes, in a pseudo-random order.
                    let after = Duration::from_micros((kill as u64 * 7919 + lane as u64 * 101) % 6000);
                    let (kept, next) = killed_writer(&root, first, after);
                    let ledger = Ledger::open(&ledger::LedgerSettings::of(&root)).unwrap();
                    let newest = kept.map_or(0, |kept| kept + 1).max(first);
                    for number in newest.saturating_sub(10).max(first)..newest {
                        assert!(is_kept(&ledger, number, size_of(number)), "kill {kill}: {number} is lost");
                    }
                    // A begun entry is complete, which `find` has checked, or missing.
                    for number in newest..next {
                        part_way += usize::from(ledger.find(&numbered(number, 0).place()).is_none());
                    }
                    assert!(
                        ledger.find(&numbered(next, 0).place()).is_none(),
                        "an entry that was not begun is not there"
                    );
                    let there = files(&root.join("entries"));
                    assert!(there.len() <= 40, "{} entries", there.len());
                    first = next;
                }
                assert!(part_way > KILLS / LANES / 20, "some kills came during writes: {part_way}");
            });
        }
    });
}
