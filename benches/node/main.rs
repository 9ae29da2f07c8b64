//! `make bench`: the cost of pullgate, on temporary real nodes.
//!
//! Every call alternates between containerd and pullgate, in one run, so that other load on the machine slows down
//! both. Prints Markdown for `docs/performance.md`, for each benchmark as soon as it is done.
//!
//! `cargo bench --bench node -- delay tools` runs only these two, and `-- 1.7` runs all on another release of
//! containerd than 2.1.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "somebody watches")]
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run ends"
)]

mod caller;
mod client;
mod connections;
mod crossing;
mod delay;
mod farm;
mod inventory;
mod pulls;
mod relay;
mod report;
mod row;
mod samples;
mod slow;
mod start;
mod together;
mod tools;

use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use caller::Caller;
use pullgate_test::node::{Node, Release, directory};
use samples::{Pair, Samples};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// A benchmark that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(900);

/// A benchmark by its name. It prints its tables.
type Benchmark = (&'static str, fn(Release));

const BENCHMARKS: [Benchmark; 7] = [
    ("pulls", pulls::run),
    ("crossing", crossing::run),
    ("delay", delay::run),
    ("connections", connections::run),
    ("together", together::run),
    ("tools", tools::run),
    ("row", row::run),
];

enum Event {
    Ended(thread::Result<()>),
    Interrupted,
}

fn main() -> ExitCode {
    if let Some(code) = relay::run_if_asked() {
        return code;
    }
    let (release, chosen) = arguments();
    let (sender, events) = mpsc::channel();
    watch_signals(sender.clone());
    thread::spawn(move || {
        let _ = sender.send(Event::Ended(panic::catch_unwind(|| bench(release, &chosen))));
    });
    let limit = LIMIT + row::allowance();
    let event = events.recv_timeout(limit);
    if matches!(event, Ok(Event::Ended(Ok(())))) {
        return ExitCode::SUCCESS;
    }
    match event {
        Ok(Event::Interrupted) => eprintln!("bench: interrupted, clearing away"),
        Err(_) => eprintln!("bench: not done after {limit:?}, clearing away"),
        Ok(Event::Ended(_)) => {}
    }
    directory::clear_away_ours();
    ExitCode::FAILURE
}

fn watch_signals(sender: Sender<Event>) {
    thread::spawn(move || {
        event_loop().block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be received");
            let mut terminate = signal(SignalKind::terminate()).expect("signals can be received");
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let _ = sender.send(Event::Interrupted);
        });
    });
}

/// Runs the chosen benchmarks, and reports the failed ones at the end: a failure does not stop the others.
fn bench(release: Release, chosen: &[Benchmark]) {
    println!("{}\n", report::machine(release));
    let mut failed = Vec::new();
    for (name, run) in chosen {
        say(&format!("{name} begins"));
        let begin = Instant::now();
        if panic::catch_unwind(|| run(release)).is_err() {
            failed.push(*name);
        }
        say(&format!("{name} took {:.0} s", begin.elapsed().as_secs_f64()));
    }
    println!("{}", report::load());
    assert!(failed.is_empty(), "not measured: {}", failed.join(", "));
}

/// The callers that make the same calls at both sockets.
struct Callers {
    direct: Caller,
    proxied: Caller,
}

impl Callers {
    fn new(node: &Node) -> Self {
        Self { direct: Caller::new(node.containerd.socket()), proxied: Caller::new(node.pullgate.socket()) }
    }
}

/// Both sockets, each first in every other round.
fn turns<'a>(callers: &'a Callers, pair: &'a mut Pair, round: usize) -> [(&'a Caller, &'a mut Samples); 2] {
    let mut turns = [(&callers.direct, &mut pair.direct), (&callers.proxied, &mut pair.proxied)];
    if round % 2 == 1 {
        turns.reverse();
    }
    turns
}

/// cargo passes `--bench`; the other arguments are a release of containerd or names of benchmarks.
fn arguments() -> (Release, Vec<Benchmark>) {
    let (mut release, mut chosen) = (Release::V2_1, Vec::new());
    for argument in std::env::args().skip(1).filter(|argument| !argument.starts_with('-')) {
        let releases = [Release::V2_1, Release::V1_7, Release::V1_6];
        let known = releases.into_iter().find(|release| release.name() == argument);
        match (known, BENCHMARKS.into_iter().find(|(name, _)| *name == argument)) {
            (Some(known), _) => release = known,
            (None, Some(benchmark)) => chosen.push(benchmark),
            (None, None) => {
                let names = BENCHMARKS.map(|(name, _)| name).join(", ");
                panic!("{argument} is neither a release of containerd nor one of {names}")
            }
        }
    }
    if chosen.is_empty() {
        chosen = BENCHMARKS.to_vec();
    }
    (release, chosen)
}

fn event_loop() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("an event loop")
}

/// Progress goes to standard error, the result to standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
