//! README.md shows what the programs write.
//!
//! `UPDATE=1` writes the outputs into README.md; read what changed.

use std::fs;

use pullgate_test::node::circle::STEPS;
use pullgate_test::node::screens::{screens, stable};
use pullgate_test::repository;

#[allow(dead_code, reason = "only names and outcomes are read")]
#[path = "../demo/rows.rs"]
mod demo;

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).unwrap()
}

#[test]
fn outputs_of_commands_are_those_on_a_node() {
    let mut text = readme();
    for screen in screens() {
        let begin = format!("\n$ {}\n", screen.command);
        let at = text.find(&begin).unwrap_or_else(|| panic!("`{}` is missing", screen.command)) + begin.len();
        let end = at + text[at..].find("\n```").unwrap();
        if std::env::var_os("UPDATE").is_some() {
            text.replace_range(at..end, &screen.text);
        } else {
            assert_eq!(stable(&text[at..end]), stable(&screen.text), "{}:\n{}", screen.command, screen.text);
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(repository().join("README.md"), text).unwrap();
    }
}

#[test]
fn rows_of_the_demo_are_in_the_demo() {
    let text = readme();
    let section = text.split("\n## ").find(|section| section.starts_with("What the demo shows")).unwrap();
    let table = section.split("```").find(|block| block.contains("EXPECTED")).unwrap();
    let known: Vec<_> = demo::ROWS
        .iter()
        .map(|row| (row.image, row.expected))
        .chain(STEPS.iter().map(|step| (step.what, step.expected)))
        .collect();
    let rows: Vec<_> = table.lines().filter(|line| line.ends_with(" s")).collect();
    assert!(rows.len() >= 5, "{table}");
    for row in rows {
        let cells: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let [what, expected, got, _] = cells.as_slice() else { panic!("{row}") };
        assert_eq!(expected, got, "{row}");
        assert!(known.iter().any(|(name, outcome)| name.trim() == *what && outcome == expected), "{row}");
    }
}

#[test]
fn only_times_digests_and_numbers_may_differ() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let text =
        format!("pull  {digest},  in 0.12 ms\nat 2026-11-30T20:10:00.5Z: r.io/app:17 (policy.toml:9)\n");
    assert_eq!(stable(&text), ["pull DIGEST, in 0.0 ms", "at TIME r.io/app:0 (policy.toml:0)"]);
    assert_eq!(stable("a  3f0c6e2f1a00 @sha256:3f0c6e2f1a00…"), ["a DIGEST @DIGEST…"]);
    assert_ne!(stable("refused"), stable("admitted"));
}
