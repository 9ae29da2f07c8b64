//! `make bench`: what pullgate costs, on a real node of its own.
//!
//! Every call is made in turn at containerd and through pullgate, in one run, so that whatever else the machine does
//! slows down both. What is printed is Markdown, for `docs/performance.md`.
//!
//! `cargo bench --bench node -- 1.7` measures on another release of containerd than 2.1.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "somebody watches")]
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run ends"
)]

#[path = "../../tests/support"]
mod support {
    pub(crate) mod node;
}

mod caller;
mod crossing;
mod inventory;
mod pulls;
mod report;
mod samples;
mod start;

use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use caller::Caller;
use report::{Report, Resident};
use support::node::policy::Policy;
use support::node::{Node, Release, directory};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// After this long, something hangs.
const LIMIT: Duration = Duration::from_secs(360);

/// How many images are on the node that is asked for its images, as on a busy one.
const IMAGES: usize = 500;

/// How many pulls the daemon has seen when its memory is looked at again.
const PULLS: usize = 1_000;

enum Event {
    Ended(thread::Result<()>),
    Interrupted,
}

fn main() -> ExitCode {
    let (tell, events) = mpsc::channel();
    watch_signals(tell.clone());
    thread::spawn(move || {
        let _ = tell.send(Event::Ended(panic::catch_unwind(bench)));
    });
    let event = events.recv_timeout(LIMIT);
    if matches!(event, Ok(Event::Ended(Ok(())))) {
        return ExitCode::SUCCESS;
    }
    match event {
        Ok(Event::Interrupted) => eprintln!("bench: interrupted, clearing away"),
        Err(_) => eprintln!("bench: not done after {LIMIT:?}, clearing away"),
        Ok(Event::Ended(_)) => {}
    }
    directory::clear_away_ours();
    ExitCode::FAILURE
}

fn watch_signals(tell: Sender<Event>) {
    thread::spawn(move || {
        event_loop().block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be received");
            let mut terminate = signal(SignalKind::terminate()).expect("signals can be received");
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let _ = tell.send(Event::Interrupted);
        });
    });
}

fn bench() {
    let release = release();
    let events = event_loop();
    say("starting a node");
    let node = Node::start(release);
    let idle = idle(&node);
    say("starting pullgate beside it, again and again");
    let start = start::measure(&node);
    say("pulling");
    let pulls = pulls::measure(&events, &node, &Callers::new(&node), PULLS);
    let resident = Resident { idle, after: node.pullgate.resident_memory() };
    drop(node);
    say(&format!("starting a node with {IMAGES} images"));
    // An image that the gate of ImageStatus would hide could not be asked for.
    let allowing = |policy: Policy, _: &_| policy.allow_unsigned(&format!("{}/**", inventory::HOST));
    let node = Node::start_in_memory(release, allowing);
    inventory::import(&node, IMAGES);
    say("asking for images");
    let crossing = crossing::measure(&events, &Callers::new(&node), IMAGES);
    println!("{}", Report { release, images: IMAGES, pulls_made: PULLS, crossing, pulls, resident, start });
}

/// Who makes the same calls at both ends.
struct Callers {
    direct: Caller,
    proxied: Caller,
}

impl Callers {
    fn new(node: &Node) -> Self {
        Self { direct: Caller::new(node.containerd.socket()), proxied: Caller::new(node.pullgate.socket()) }
    }
}

/// The daemon's memory once kubelet has connected, and nothing else has happened.
fn idle(node: &Node) -> u64 {
    node.kubelet().image_fs_info().expect("kubelet starts with ImageFsInfo");
    thread::sleep(Duration::from_secs(1));
    node.pullgate.resident_memory()
}

/// cargo passes `--bench`; anything else that is no option is a release of containerd.
fn release() -> Release {
    let chosen = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let releases = [Release::V2_1, Release::V1_7, Release::V1_6];
    match chosen {
        None => Release::V2_1,
        Some(name) => releases
            .into_iter()
            .find(|release| release.name() == name)
            .unwrap_or_else(|| panic!("no such release of containerd: {name}")),
    }
}

fn event_loop() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("an event loop")
}

/// Progress goes beside the result.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
