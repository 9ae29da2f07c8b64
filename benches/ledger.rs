//! The cost of decisions without the network: rules, reloads, and evidence.
//!
//! Prints a table of medians. `PULLGATE_BENCH_ENTRIES` sets the size of the larger ledger, by default a million. The
//! entries that are looked up are separate files. The others only make the directories large: they are hard links to
//! some thousand files, so that a million of them take a minute and little disk space.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking, and prints"
)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::digest::Digest;
use pullgate::gate::{Gate, GateSettings, Pod, Present};
use pullgate::ledger::{self, Ledger};
use pullgate::policy::Policy;
use pullgate::reference::Repository;
use pullgate::registry::{self, Registry};
use pullgate::trust::{Algorithm, PrivateKey, PssSalt};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How many entries have a valid signature; these are looked up.
const SIGNED: usize = 1000;

/// How many further entries are separate files.
const OWN: usize = 4000;

fn main() {
    // `cargo test --benches` runs it too, with another argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    println!("| operation | figure | target |\n|---|---:|---|");
    for rules in [10, 1000, 10_000] {
        decision(directory.path(), rules);
    }
    let large = std::env::var("PULLGATE_BENCH_ENTRIES").ok().and_then(|text| text.parse().ok());
    for entries in [1000, large.unwrap_or(1_000_000)] {
        evidence(directory.path(), entries);
    }
}

/// Loads this many rules, and finds the one that applies.
fn decision(directory: &Path, rules: usize) {
    let root = directory.join(format!("rules-{rules}"));
    write_policy(&root, rules);
    let loads = measure(9, |_| {
        black_box(load(&root));
    });
    row(&format!("loading a policy with {rules} rules"), loads, 150_000.0);
    let policy = load(&root);
    let names: Vec<Repository> = (0..rules)
        .map(|rule| Repository::parse(&format!("registry.example/team-{rule}/group/app")).unwrap())
        .collect();
    let batch = 1000;
    let decided = measure(200, |round| {
        for at in 0..batch {
            let name = &names[(round * batch + at * 7919) % names.len()];
            black_box(policy.applicable_rules(black_box(name), Some("payments")));
        }
    });
    row(&format!("finding the rule for an image among {rules} rules"), decided / batch as u32, 2.0);
}

/// Decides about a present image, with this many entries.
fn evidence(directory: &Path, entries: usize) {
    let root = directory.join(format!("ledger-{entries}"));
    let settings = ledger::LedgerSettings {
        max_entries: 4_000_000,
        max_bytes: 64 << 30,
        ..ledger::LedgerSettings::of(&root)
    };
    let opened = measure(1, |_| {
        black_box(Ledger::open(&settings).unwrap());
    });
    let key = fs::read_to_string(key_file("key")).unwrap();
    let key = PrivateKey::from_pem(&key, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let begin = Instant::now();
    for number in 0..entries.min(SIGNED + OWN) {
        write_entry(&root, number, (number < SIGNED).then_some(&key));
    }
    fill_up(&root, entries);
    println!("| (making {entries} entries) | {:.1} s | |", begin.elapsed().as_secs_f64());
    row(&format!("open a ledger of {entries}"), opened, f64::INFINITY);
    let policy = directory.join("rules-10");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let registry = Arc::new(Registry::new(registry::RegistrySettings::default()).unwrap());
    let bounds = GateSettings { timeout: Duration::from_secs(30), concurrent: 16 };
    let gate = Gate::new(registry, bounds).with_ledger(Ledger::open(&settings).unwrap());
    gate.set_policy(load(&policy));
    let before = resident_memory();
    let images: Vec<_> = (0..SIGNED.min(entries)).map(|number| (requested(number), image(number))).collect();
    let ask = |number: usize, pod: Option<&Pod>| {
        let (name, present) = &images[number % images.len()];
        runtime.block_on(gate.check_present(name, present, pod)).unwrap();
    };
    let first = measure(SIGNED.min(entries), |number| ask(number, None));
    let remembered = measure(20 * SIGNED, |number| ask(number, None));
    // With another pod namespace each time, the cache has no verdict, but the same rule applies.
    let pods: Vec<_> =
        (0..20 * SIGNED).map(|number| Pod { namespace: number.to_string(), ..Pod::default() }).collect();
    let again = measure(pods.len(), |number| ask(number, Some(&pods[number])));
    let verdict = format!("verdict with a ledger of {entries} entries");
    row(&format!("{verdict}: cached"), remembered, 50.0);
    row(&format!("{verdict}: evidence read again, signature verified before"), again, f64::INFINITY);
    row(&format!("{verdict}: evidence read again, signature verified (P-256)"), first, f64::INFINITY);
    let grown = resident_memory().saturating_sub(before) as f64 / f64::from(1 << 20);
    println!("| memory for a ledger of {entries} entries | {grown:.1} MiB | |");
    fs::remove_dir_all(&root).unwrap();
}

/// The median time of one of `count` calls.
fn measure(count: usize, mut work: impl FnMut(usize)) -> Duration {
    let mut times: Vec<Duration> = (0..count)
        .map(|round| {
            let begin = Instant::now();
            work(round);
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn row(what: &str, time: Duration, target: f64) {
    let microseconds = time.as_secs_f64() * 1e6;
    let verdict = match target {
        target if target.is_infinite() => String::new(),
        target => format!("≤ {target} µs: {}", if microseconds <= target { "met" } else { "**missed**" }),
    };
    println!("| {what} | {microseconds:.2} µs | {verdict} |");
}

fn write_policy(root: &Path, rules: usize) {
    fs::create_dir_all(root).unwrap();
    let mut text = format!(
        "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ file = {:?} }}]\n",
        key_file("pub")
    );
    text += "[[namespace]]\nscope = \"bench.example\"\nrequire = { all = [\"release\"] }\n";
    let mut texts = vec![text];
    for rule in 1..rules {
        // A file is bounded in its bytes, so there are several.
        if rule % 2000 == 0 {
            texts.push(String::new());
        }
        let scope = match rule % 4 {
            0 => format!("registry.example/team-{rule}/*/app"),
            _ => format!("registry.example/team-{rule}"),
        };
        let text = texts.last_mut().unwrap();
        *text += &format!("[[namespace]]\nscope = \"{scope}\"\nrequire = {{ all = [\"release\"] }}\n");
    }
    fs::create_dir_all(root.join("policy.d")).unwrap();
    for (number, text) in texts.iter().enumerate() {
        let name = if number == 0 { "policy.toml".to_owned() } else { format!("policy.d/{number}.toml") };
        fs::write(root.join(name), text).unwrap();
    }
}

fn load(root: &Path) -> Policy {
    pullgate::config::load_policy(root, jiff::Timestamp::now())
        .unwrap_or_else(|problems| panic!("{problems}"))
        .policy
}

fn key_file(half: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/keys/throw-away-p256.{half}.pem"))
}

fn requested(number: usize) -> String {
    format!("bench.example/app-{number}:1")
}

fn config(number: usize) -> Digest {
    Digest::of(format!("configuration {number}").as_bytes())
}

fn image(number: usize) -> Present {
    Present { id: config(number).to_string(), repo_tags: vec![requested(number)], ..Present::default() }
}

fn manifest(number: usize) -> String {
    let layer = |at: usize| {
        let digest = Digest::of(&at.to_le_bytes());
        serde_json::json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest.as_str(), "size": 1 })
    };
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config(number).as_str(), "size": 2 },
        "layers": (0..6).map(layer).collect::<Vec<_>>(),
    })
    .to_string()
}

/// Writes an entry as `ledger` lays it out, but does not wait for the disk.
fn write_entry(root: &Path, number: usize, key: Option<&PrivateKey>) {
    let repository = format!("bench.example/app-{number}");
    let document = manifest(number);
    let digest = Digest::of(document.as_bytes());
    let payload = serde_json::json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": digest.as_str() },
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string();
    let signature = key.map_or(vec![0; 71], |key| key.sign(payload.as_bytes()).unwrap());
    let head = serde_json::json!({
        "repository": repository,
        "digest": digest.as_str(),
        "media_type": MANIFEST,
        "document": document.len(),
        "images": [{ "id": config(number).as_str(), "manifest": null }],
        "attachments": [{
            "format": "simple-signing",
            "place": "layer 0",
            "signature": STANDARD.encode(signature),
            "payload": payload.len(),
        }],
        "names": [requested(number)],
        "rule": "a rule",
        "keys": [],
        "recorded": "2026-01-01T00:00:00Z",
    });
    let content = format!("{head}\n{document}{payload}");
    let file = format!("pullgate evidence 1 {}\n{content}", Digest::of(content.as_bytes()));
    let place = format!("{repository}@{digest}");
    put(&root.join("entries"), Digest::of(place.as_bytes()).hex(), &file);
    put(&root.join("images"), config(number).hex(), &format!("{place}\n"));
}

/// Adds hard links to existing files, until there are this many entries and links.
fn fill_up(root: &Path, entries: usize) {
    for part in ["entries", "images"] {
        let root = root.join(part);
        let present: Vec<PathBuf> = fs::read_dir(&root)
            .unwrap()
            .flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap())
            .map(|entry| entry.unwrap().path())
            .take(OWN)
            .collect();
        for number in SIGNED + OWN..entries {
            let name = Digest::of(format!("{part} {number}").as_bytes());
            let (shard, rest) = name.hex().split_at(2);
            fs::hard_link(&present[number % present.len()], root.join(shard).join(rest)).unwrap();
        }
    }
}

fn put(root: &Path, name: &str, text: &str) {
    let (shard, rest) = name.split_at(2);
    let path = root.join(shard).join(rest);
    if fs::write(&path, text).is_err() {
        fs::create_dir_all(root.join(shard)).unwrap();
        fs::write(&path, text).unwrap();
    }
}

/// In bytes.
fn resident_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kibibytes: Option<u64> = line.trim().trim_end_matches(" kB").parse().ok();
    kibibytes.map_or(0, |kibibytes| kibibytes << 10)
}
