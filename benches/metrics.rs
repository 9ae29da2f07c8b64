//! What metrics and the record of decisions cost: a scrape with many pulls behind it, counting one pull, and recording it.
//!
//! Prints a table of medians. A pull is counted by the same functions as in the daemon; a scrape is one HTTP request over
//! loopback, on a connection of its own.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking, and prints"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use pullgate::config::{self, DaemonConfig};
use pullgate::containerd::Upstream;
use pullgate::cri::Proxy;
use pullgate::node::metrics::MetricsSource;
use pullgate::node::state::State;
use pullgate::telemetry::counters::Pulls;
use pullgate::telemetry::decisions::{Call, Decision, Decisions, Verdict};
use pullgate::telemetry::{Reason, Step, Steps};
use pullgate_daemon::http::{Answer, HttpServer, Service, Socket};
use pullgate_daemon::metrics;

/// How many pulls there were before the scrapes.
const PULLS: u32 = 100_000;

/// The images of the recorded decisions, and how many of these are taken at a time.
const IMAGES: usize = 500;
const PULLS_A_SECOND: u32 = 1000;

/// How long a scrape may take.
const SCRAPE: Duration = Duration::from_millis(2);

/// How long counting a pull may take, and how long recording it may: 1 % of what pullgate adds to the fastest pull in docs/performance.md.
const COUNT: Duration = Duration::from_micros(26);

struct Scrapes(MetricsSource);

impl Service for Scrapes {
    fn admit(&self, _: &Parts) -> Result<(), Box<Answer>> {
        Ok(())
    }

    async fn answer(&self, _: &Parts, _: &[u8]) -> Answer {
        metrics::answer(self.0.page().await)
    }
}

fn main() {
    // `cargo test --benches` runs it too, with another argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let daemon = DaemonConfig::default();
    let gate = Arc::new(pullgate::node::gate(&daemon).unwrap());
    let root = directory.path();
    std::fs::write(root.join("policy.toml"), "default = \"deny\"\n").unwrap();
    gate.set_policy(config::load_policy(root, jiff::Timestamp::now()).unwrap().policy);
    let upstream = Upstream::new(root.join("runtime.sock"));
    let proxy = Arc::new(Proxy::new(upstream, gate, daemon.gate.clone()));
    println!("| operation | figure | target |\n|---|---:|---|");

    let begin = Instant::now();
    for number in 0..PULLS {
        count(&proxy.counters().pulls, number);
    }
    row("counting one pull and its seven steps in the metrics", begin.elapsed() / PULLS, COUNT);

    let decisions = Decisions::default();
    decisions.record();
    let images: Vec<_> =
        (0..IMAGES).map(|number| format!("registry.example.com/shop/web:{number}")).collect();
    let begin = Instant::now();
    for (number, image) in (0..PULLS).zip(images.iter().cycle()) {
        record(&decisions, image);
        if number % PULLS_A_SECOND == 0 {
            decisions.take();
        }
    }
    row(
        &format!("recording one decision for `pullgate report`, with {IMAGES} different images"),
        begin.elapsed() / PULLS,
        COUNT,
    );

    let state = Arc::new(State::new(jiff::Timestamp::now()));
    let source = MetricsSource::new(Arc::clone(&proxy), state, daemon, root);
    let socket = Socket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.address();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = HttpServer { socket, tls: None, limits: metrics::LIMITS };
        runtime.block_on(server.serve(Arc::new(Scrapes(source)), stopped));
    });
    let mut bytes = 0;
    let mut times: Vec<_> = (0..500)
        .map(|_| {
            let begin = Instant::now();
            bytes = scrape(&address);
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    row(
        &format!("scrape of the metrics ({bytes} bytes) over loopback after {PULLS} pulls"),
        times[times.len() / 2],
        SCRAPE,
    );
}

/// What the record of a pull adds when it ends.
fn count(pulls: &Pulls, number: u32) {
    let mut steps = Steps::default();
    for step in Step::ALL {
        steps.add(step, Duration::from_micros(u64::from(number % 4096) * 100));
    }
    pulls.pulled.add(Reason::Verified);
    pulls.steps.observe(&steps);
}

/// What the record of a pull adds for the report.
fn record(decisions: &Decisions, image: &str) {
    decisions.add(&Decision {
        call: Call::Pull,
        verdict: Verdict::WouldRefuse,
        reason: Some(Reason::NoSignature),
        image,
        namespace: "shop",
        rule: "namespace \"registry.example.com/shop\" (policy.toml:12)",
        digest: Some("sha256:5b3c0c6e2f1a5b3c0c6e2f1a5b3c0c6e2f1a5b3c0c6e2f1a5b3c0c6e2f1a0000"),
    });
}

fn scrape(address: &str) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    answer.len()
}

fn row(what: &str, time: Duration, target: Duration) {
    let verdict = if time <= target { "met" } else { "MISSED" };
    let shown = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
    println!("| {what} | {} | ≤ {}: {verdict} |", shown(time), shown(target));
}
