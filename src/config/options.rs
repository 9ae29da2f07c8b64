//! `docs/options.md` lists every option that is read, with its default, its bounds, and a test that there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::document::seen;
use super::ledger::LEDGER_BOUNDS;
use super::limits::Limits;
use super::{BreakGlassFile, KEYS_BOUNDS, REMOTE_BOUNDS, load_daemon, load_expectations, load_policy};
use pullgate_config::bound::Bound;
use pullgate_signer::{KEY_RATE, SIGNER_BOUNDS, key_service_bounds, load_signer};

const TABLE: &str = include_str!("../../docs/options.md");

/// What contains options, and is none itself.
const CONTAINERS: [&str; 30] = [
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
    "metrics",
    "state",
    "reconcile",
    "rule",
    "[keys] pkcs11",
    "[[rule]] tags",
    "[registry] credential",
    "[registry] acr",
    "[registry] signatures",
    "[authenticator.NAME] keys",
    "[[namespace]] require",
    "[deny] digests",
    "[deny] keys",
];

/// Where the rows of a file are, what it is called, and every table once, so that what is read of it is seen. The values
/// need not be usable.
const FILES: [(&str, &str, &str); 5] = [
    (
        "pullgate.toml",
        "pullgate.toml",
        "[listen]\n[control]\n[runtime]\n[registry]\nacr = {}\ncredential = [{}]\nsignatures = [{}]\n[gate]\n[scan]\n[ledger]\n[keys]\nkms = {}\nvault = {}\n[log]\n[limits]\n",
    ),
    (
        "policy.toml and policy.d/*.toml",
        "policy.toml",
        "[authenticator.NAME]\nkeys = [{}]\n[[namespace]]\nscope = \"a.io\"\nrequire = {}\n[deny]\ndigests = [{}]\nkeys = [{}]\n",
    ),
    ("break-glass.toml", "break-glass.toml", "[[open]]\n"),
    ("Expectations, for `pullgate policy test`", "expectations.toml", "[[case]]\n"),
    (
        "signer.toml",
        "signer.toml",
        "[registry]\n[listen]\n[control]\n[metrics]\n[state]\n[reconcile]\n[limits]\n[keys]\npkcs11 = {}\nkms = {}\nvault = {}\n[authenticator.NAME]\n[[rule]]\ntags = {}\n",
    ),
];

/// What is said of an option of a file.
type Rows<T> = BTreeMap<(&'static str, String), T>;

fn options() -> BTreeSet<(&'static str, String)> {
    let mut options = BTreeSet::new();
    for (heading, name, text) in FILES {
        let written = options_of(name, text).into_iter().map(|option| (heading, option));
        options.extend(written);
    }
    options
}

fn options_of(name: &str, text: &str) -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(name);
    fs::write(&file, text).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    seen::forget();
    match name {
        "pullgate.toml" => drop(load_daemon(&file)),
        "policy.toml" => drop(load_policy(directory.path(), now)),
        "break-glass.toml" => drop(BreakGlassFile::of(directory.path()).read(now)),
        "expectations.toml" => drop(load_expectations(&file)),
        _ => drop(load_signer(&file)),
    }
    let mut options = BTreeSet::new();
    for (table, keys) in seen::tables() {
        let table = match table.as_str() {
            "the file" => String::new(),
            "a key" => "[authenticator.NAME] keys.".to_owned(),
            "`require`" => "[[namespace]] require.".to_owned(),
            "an entry of `digests`" => "[deny] digests.".to_owned(),
            "an entry of `keys`" => "[deny] keys.".to_owned(),
            "[[registry.credential]]" => "[registry] credential.".to_owned(),
            "`tags`" => "[[rule]] tags.".to_owned(),
            "[keys.pkcs11]" => "[keys] pkcs11.".to_owned(),
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
fn rows() -> Rows<[String; 3]> {
    let mut rows = BTreeMap::new();
    let mut file = "";
    for line in TABLE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            file = heading;
        }
        if !line.starts_with("| `") {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [option, default, values, test] = cells[..] else { panic!("{line}") };
        let row = [default, values, test].map(ToOwned::to_owned);
        let before = rows.insert((file, option.trim_matches('`').to_owned()), row);
        assert!(before.is_none(), "twice: {line}");
    }
    rows
}

/// The bounds of each table: its file, what is before the keys, and the bounds.
fn bounds() -> Vec<(&'static str, String, Vec<Bound>)> {
    let (daemon, policy, signer) = ("pullgate.toml", "policy.toml and policy.d/*.toml", "signer.toml");
    let mut all = vec![
        (daemon, "[limits] ".to_owned(), Limits::bounds().copied().collect()),
        (daemon, "[ledger] ".to_owned(), LEDGER_BOUNDS.to_vec()),
        (daemon, "[keys] ".to_owned(), KEYS_BOUNDS.to_vec()),
        (policy, "[authenticator.NAME] ".to_owned(), REMOTE_BOUNDS.to_vec()),
        (signer, "[limits] ".to_owned(), SIGNER_BOUNDS.to_vec()),
        (signer, "[authenticator.NAME] ".to_owned(), vec![KEY_RATE]),
    ];
    let keys =
        key_service_bounds().into_iter().map(|(table, bounds)| (signer, format!("[keys] {table}."), bounds));
    all.extend(keys);
    all
}

#[test]
fn every_option_has_a_row_and_every_row_an_option() {
    let (options, rows) = (options(), rows());
    let listed: BTreeSet<_> = rows.keys().cloned().collect();
    let missing: Vec<_> = options.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&options).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:#?}\nno option: {unknown:#?}");
    for (file, before, bounds) in bounds() {
        for bound in bounds {
            let option = format!("{before}{}", bound.key);
            let [from, to] = [bound.minimum, bound.maximum].map(|number| bound.show(number));
            let [default, values, _] = &rows[&(file, option.clone())];
            let expected = (&bound.show(bound.default), &format!("{from} to {to}"));
            assert_eq!((default, values), expected, "{file}: {option}");
        }
    }
}

#[test]
fn every_row_names_a_test_that_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for ((file, option), [.., tests]) in rows() {
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{file}: {option} names no test");
        for name in names {
            let mut parts: Vec<&str> = name.split("::").collect();
            let function = parts.pop().unwrap_or_default();
            // `it::` and `node::` are the test programs, the rest of this crate's own modules.
            let place = match parts.first() {
                Some(&"it" | &"node") => root.join("tests"),
                Some(&name @ ("keys" | "signer" | "net")) => {
                    parts.remove(0);
                    root.join("crates").join(name).join("src")
                }
                _ => root.join("src"),
            };
            let own = place.join(parts.join("/")).with_extension("rs");
            let beside = place
                .join(parts.split_last().map_or(String::new(), |(_, rest)| rest.join("/")))
                .with_extension("rs");
            let text = fs::read_to_string(&own).or_else(|_| fs::read_to_string(&beside)).unwrap_or_default();
            assert!(text.contains(&format!("fn {function}(")), "{file}: {option}: there is no test {name}");
        }
    }
}
