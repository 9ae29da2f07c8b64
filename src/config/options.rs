//! `docs/options.md` lists every option that is read, with its default, its bounds, and a test that there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::document::seen;
use super::ledger::LEDGER_BOUNDS;
use super::limits::BOUNDS;
use super::{BreakGlassFile, KEYS_BOUNDS, REMOTE_BOUNDS, load_daemon, load_expectations, load_policy};

const TABLE: &str = include_str!("../../docs/options.md");

/// What contains options, and is none itself.
const CONTAINERS: [&str; 24] = [
    "listen",
    "control",
    "runtime",
    "registry",
    "gate",
    "scan",
    "ledger",
    "keys",
    "[keys] kms",
    "[keys] vault",
    "log",
    "limits",
    "authenticator",
    "namespace",
    "deny",
    "open",
    "case",
    "[registry] credential",
    "[registry] acr",
    "[registry] signatures",
    "[authenticator.NAME] keys",
    "[[namespace]] require",
    "[deny] digests",
    "[deny] keys",
];

/// Every table once, so that what is read of it is seen. The values need not be usable.
const FILES: [(&str, &str); 4] = [
    (
        "pullgate.toml",
        "[listen]\n[control]\n[runtime]\n[registry]\nacr = {}\ncredential = [{}]\nsignatures = [{}]\n[gate]\n[scan]\n[ledger]\n[keys]\nkms = {}\nvault = {}\n[log]\n[limits]\n",
    ),
    (
        "policy.toml",
        "[authenticator.NAME]\nkeys = [{}]\n[[namespace]]\nscope = \"a.io\"\nrequire = {}\n[deny]\ndigests = [{}]\nkeys = [{}]\n",
    ),
    ("break-glass.toml", "[[open]]\n"),
    ("expectations.toml", "[[case]]\n"),
];

fn options() -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let now = jiff::Timestamp::UNIX_EPOCH;
    seen::forget();
    let _ = load_daemon(&directory.path().join("pullgate.toml"));
    let _ = load_policy(directory.path(), now);
    let _ = BreakGlassFile::of(directory.path()).read(now);
    let _ = load_expectations(&directory.path().join("expectations.toml"));
    let mut options = BTreeSet::new();
    for (table, keys) in seen::tables() {
        let table = match table.as_str() {
            "the file" => String::new(),
            "a key" => "[authenticator.NAME] keys.".to_owned(),
            "`require`" => "[[namespace]] require.".to_owned(),
            "an entry of `digests`" => "[deny] digests.".to_owned(),
            "an entry of `keys`" => "[deny] keys.".to_owned(),
            "[[registry.credential]]" => "[registry] credential.".to_owned(),
            "[keys.kms]" => "[keys] kms.".to_owned(),
            "[keys.vault]" => "[keys] vault.".to_owned(),
            "[registry.acr]" => "[registry] acr.".to_owned(),
            "[[registry.signatures]]" => "[registry] signatures.".to_owned(),
            other => format!("{other} "),
        };
        let written = |key: &String| format!("{table}{key}");
        options.extend(keys.iter().map(written).filter(|option| !CONTAINERS.contains(&option.as_str())));
    }
    options
}

/// Default, values and test of each row.
fn rows() -> BTreeMap<String, [String; 3]> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [option, default, values, test] = cells[..] else { panic!("{line}") };
        let row = [default, values, test].map(ToOwned::to_owned);
        let before = rows.insert(option.trim_matches('`').to_owned(), row);
        assert!(before.is_none(), "twice: {line}");
    }
    rows
}

#[test]
fn every_option_has_a_row_and_every_row_an_option() {
    let (options, rows) = (options(), rows());
    let listed: BTreeSet<String> = rows.keys().cloned().collect();
    let missing: Vec<_> = options.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&options).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:#?}\nno option: {unknown:#?}");
    let all = [
        ("limits", &BOUNDS[..]),
        ("ledger", &LEDGER_BOUNDS[..]),
        ("keys", &KEYS_BOUNDS[..]),
        ("authenticator.NAME", &REMOTE_BOUNDS[..]),
    ];
    for (section, bounds) in all {
        for bound in bounds {
            let [default, values, _] = &rows[&format!("[{section}] {}", bound.key)];
            let [from, to] = [bound.minimum, bound.maximum].map(|number| bound.show(number));
            assert_eq!(
                (default, values),
                (&bound.show(bound.default), &format!("{from} to {to}")),
                "{}",
                bound.key
            );
        }
    }
}

#[test]
fn every_row_names_a_test_that_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (option, [.., tests]) in rows() {
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{option} names no test");
        for name in names {
            let mut parts: Vec<&str> = name.split("::").collect();
            let function = parts.pop().unwrap_or_default();
            // `it::` and `node::` are the test programs, the rest of this crate's own modules.
            let place = match parts.first() {
                Some(&"it" | &"node") => root.join("tests"),
                _ => root.join("src"),
            };
            let file = place.join(parts.join("/")).with_extension("rs");
            let beside = place
                .join(parts.split_last().map_or(String::new(), |(_, rest)| rest.join("/")))
                .with_extension("rs");
            let text = fs::read_to_string(&file).or_else(|_| fs::read_to_string(&beside)).unwrap_or_default();
            assert!(text.contains(&format!("fn {function}(")), "{option}: there is no test {name}");
        }
    }
}
