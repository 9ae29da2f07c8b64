//! The speed of the signer: an RSA-2048 key in a file alone, the whole service, and the time from a push to its
//! signature. Prints Markdown. Uses a real registry on this machine; run `tests/environment/install` first.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pullgate::digest::Digest;
use pullgate::keys::{self, Location};
use pullgate::trust::Algorithm;
use serde_json::{Value, json};

use pullgate_test::node::directory::Directory;
use pullgate_test::node::http;
use pullgate_test::node::keys::{Kind, PrivateKey};
use pullgate_test::node::registry::Registry;
use pullgate_test::node::signer::Signer;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Signatures of the key alone.
const ALONE: usize = 1000;

/// Images that are notified at once.
const AT_ONCE: usize = 1000;

/// Images that are pushed in sequence, and how many per second.
const PACED: u32 = 400;
const PER_SECOND: u32 = 20;

fn main() {
    let directory = Directory::new();
    let key = PrivateKey::make(directory.path(), "release", Kind::RsaPss);
    println!("| measurement | figure | target |\n|---|---:|---|");
    let rate = alone(&key.file);
    println!(
        "| signatures by an RSA-2048 key in a file, 2 threads | {rate:.0}/s | ≥ 200/s: {} |",
        met(rate >= 200.0)
    );
    let mut registry = Registry::start(directory.path().join("registry"));
    let signer = Signer::start_with(directory.path().join("signer"), registry.host(), "team", &key);
    let rate = at_once(&registry, &signer);
    println!(
        "| images signed and stored, after {AT_ONCE} push notifications at the same time | {rate:.0}/s | |"
    );
    registry.restart_with_notifications(
        &format!("http://{}/notify", signer.address()),
        Signer::authorization().trim_start_matches("Bearer "),
    );
    let [median, slow, slowest] = paced(&registry, &signer);
    println!(
        "| time from push to stored signature, p50 of {PACED} pushes at {PER_SECOND}/s | {median} ms | |"
    );
    println!("| time from push to stored signature, p99 | {slow} ms | < 100 ms: {} |", met(slow < 100));
    println!("| time from push to stored signature, slowest push | {slowest} ms | |");
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

fn alone(file: &Path) -> f64 {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(2).max_blocking_threads(2);
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(async {
        let location = Location::File(file.to_owned());
        let key = keys::open(&location, Some(Algorithm::RsaPssSha256), &keys::KeySettings::default())
            .await
            .unwrap();
        let begin = Instant::now();
        let mut under_way = tokio::task::JoinSet::new();
        for number in 0..ALONE {
            let key = std::sync::Arc::clone(&key);
            under_way.spawn(async move { key.sign(number.to_string().as_bytes()).await.unwrap() });
        }
        while let Some(signed) = under_way.join_next().await {
            signed.unwrap();
        }
        ALONE as f64 / begin.elapsed().as_secs_f64()
    })
}

/// Notifies of images that are all in the registry already.
fn at_once(registry: &Registry, signer: &Signer) -> f64 {
    let images: Vec<(String, Digest)> = (0..AT_ONCE).map(|n| push(registry, &format!("burst{n}"))).collect();
    let begin = Instant::now();
    for some in images.chunks(100) {
        let events = some.iter().map(|(tag, digest)| {
            json!({
                "action": "push", "timestamp": Timestamp::now().to_string(),
                "target": { "mediaType": MANIFEST, "repository": "team/app", "tag": tag, "digest": digest.as_str() },
            })
        });
        let body = json!({ "events": events.collect::<Vec<_>>() }).to_string();
        let authorization = Signer::authorization();
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        let answer = http::send("POST", &signer.address(), "/notify", &headers, body.as_bytes());
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    while signer.audit().len() < AT_ONCE {
        thread::sleep(Duration::from_millis(20));
    }
    AT_ONCE as f64 / begin.elapsed().as_secs_f64()
}

/// Milliseconds from the time of the registry's event to the signature: median, 99th percentile, slowest.
fn paced(registry: &Registry, signer: &Signer) -> [i64; 3] {
    let before = signer.audit().len();
    let begin = Instant::now();
    for number in 0..PACED {
        thread::sleep((Duration::from_secs(1) / PER_SECOND * number).saturating_sub(begin.elapsed()));
        push(registry, &format!("paced{number}"));
    }
    let end = Instant::now() + Duration::from_secs(120);
    while signer.audit().len() < before + PACED as usize {
        assert!(Instant::now() < end, "not all images were signed:\n{}", signer.log());
        thread::sleep(Duration::from_millis(100));
    }
    let at = |line: &Value, field: &str| {
        line[field].as_str().unwrap().parse::<Timestamp>().unwrap().as_millisecond()
    };
    let mut times: Vec<i64> =
        signer.audit()[before..].iter().map(|line| at(line, "time") - at(line, "pushed_at")).collect();
    times.sort_unstable();
    [times[times.len() / 2], times[times.len() * 99 / 100], times[times.len() - 1]]
}

fn push(registry: &Registry, tag: &str) -> (String, Digest) {
    let config = format!("{{\"comment\":\"{tag}\"}}");
    let digest = registry.put_blob("team/app", config.as_bytes());
    let kind = "application/vnd.oci.image.config.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": { "mediaType": kind, "digest": digest, "size": config.len() },
    });
    let manifest = manifest.to_string();
    registry.put_manifest("team/app", tag, manifest.as_bytes());
    (tag.to_owned(), Digest::of(manifest.as_bytes()))
}
