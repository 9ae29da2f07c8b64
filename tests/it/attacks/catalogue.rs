//! Every attack of `docs/attacks.md` has a test, and the page names the right files.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The numbers that must have a test.
fn wanted() -> BTreeSet<u32> {
    let ranges = [
        20..=23,
        40..=48,
        60..=72,
        80..=89,
        100..=113,
        121..=124,
        128..=128,
        130..=131,
        133..=134,
        140..=145,
        147..=156,
    ];
    ranges.into_iter().flatten().collect()
}

/// The files of the tests named `t<number>_…`: those that this program lists, for which [`super::world::World`] checks that
/// each asserts an outcome; and those of `tests/node`, which need root, as their sources have them.
fn tested() -> BTreeMap<u32, BTreeSet<String>> {
    let number = |test: &str| test.strip_prefix('t')?.split('_').next()?.parse::<u32>().ok();
    let program = std::env::current_exe().unwrap();
    let listed = Command::new(program).args(["--list", "--format", "terse"]).output().unwrap();
    let mut files = BTreeMap::<_, BTreeSet<_>>::new();
    for line in String::from_utf8(listed.stdout).unwrap().lines() {
        let Some((file, test)) = line.strip_prefix("attacks::").and_then(|path| path.split_once("::")) else {
            continue;
        };
        if let Some(number) = number(test) {
            files.entry(number).or_default().insert(format!("`{file}`"));
        }
    }
    for source in std::fs::read_dir(pullgate_test::repository().join("tests/node")).unwrap() {
        let source = source.unwrap().path();
        let text = if source.is_file() { std::fs::read_to_string(&source).unwrap() } else { continue };
        for number in text.lines().filter_map(|line| number(line.strip_prefix("fn ")?)) {
            let file = source.file_stem().unwrap().display();
            files.entry(number).or_default().insert(format!("`node::{file}`"));
        }
    }
    files
}

#[test]
fn every_attack_has_a_test() {
    let files = tested();
    assert_eq!(files.keys().copied().collect::<BTreeSet<_>>(), wanted(), "tests");
    let page = std::fs::read_to_string(pullgate_test::repository().join("docs/attacks.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| T")?.split(" | ");
        let number = cells.next()?.parse::<u32>().ok()?;
        Some((number, cells.nth(1)?.split(", ").map(str::to_owned).collect()))
    };
    let documented: BTreeMap<_, BTreeSet<_>> = page.lines().filter_map(row).collect();
    assert_eq!(documented, files, "docs/attacks.md");
}
