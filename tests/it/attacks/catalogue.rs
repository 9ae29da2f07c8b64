//! No attack of the list is without a test, and none is told of otherwise than the tests do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The numbers that must be there.
fn wanted() -> BTreeSet<u32> {
    let ranges = [20..=23, 40..=48, 60..=65, 69..=69, 100..=113, 121..=124, 128..=128, 130..=131];
    ranges.into_iter().flatten().collect()
}

/// The tests with a number in their name, with the file they are in and whether they assert outcomes.
fn tested() -> Vec<(u32, String, bool)> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/attacks");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        for test in text.split("#[tokio::test]\nasync fn ").skip(1) {
            let name = test.split('(').next().unwrap_or_default();
            let number = name.strip_prefix('t').and_then(|rest| rest.split('_').next()?.parse().ok());
            let body = test.split("\n}\n").next().unwrap_or_default();
            // `refused` asserts for a whole table.
            let asserts = body.contains(".assert(") || body.contains("refused(&world, rows)");
            found.extend(number.map(|number| (number, file.clone(), asserts)));
        }
    }
    found
}

#[test]
fn every_number_has_a_test_that_asserts_all() {
    let mut files = BTreeMap::<_, BTreeSet<_>>::new();
    for (number, file, asserts) in tested() {
        assert!(asserts, "a test of T{number} in {file} does not assert an outcome");
        files.entry(number).or_default().insert(format!("`{file}`"));
    }
    assert_eq!(files.keys().copied().collect::<BTreeSet<_>>(), wanted(), "tests");
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/attacks.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| T")?.split(" | ");
        let number = cells.next()?.parse::<u32>().ok()?;
        Some((number, cells.nth(1)?.split(", ").map(str::to_owned).collect()))
    };
    let told: BTreeMap<_, BTreeSet<_>> = page.lines().filter_map(row).collect();
    assert_eq!(told, files, "docs/attacks.md");
}
