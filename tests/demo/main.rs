//! `make demo`: pullgate on a temporary real node, with a table of images that run or are refused, and another of the path
//! from push to pod.
//!
//! The host is not changed: everything runs in one temporary directory, which is removed at the end, also after Ctrl-C.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the output is the purpose")]
#![allow(clippy::expect_used, reason = "the demo fails by panicking")]

mod rows;
mod table;

use std::any::Any;
use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use pullgate_test::node::circle::{Circle, SOON, STEPS};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::screens::{Screen, screens};
use pullgate_test::node::seen::{RUNS, Seen};
use pullgate_test::node::{Release, directory, environment};
use rows::ROWS;
use table::Table;
use tokio::signal::unix::{SignalKind, signal};

const RELEASE: Release = Release::V2_1;

/// How long the demo may take to notice that its node is gone.
const GRACE: Duration = Duration::from_secs(10);

/// The timeout for a signature on a busy machine. A signature after its due time is shown as late.
const PATIENCE: Duration = Duration::from_secs(10);

enum Event {
    Ended(Result<bool, ()>),
    Interrupted,
}

fn main() -> ExitCode {
    panic::set_hook(Box::new(|broken| {
        eprintln!("demo: {}", message_of(broken.payload()));
    }));
    let (sender, events) = mpsc::channel();
    watch_signals(sender.clone());
    thread::spawn(move || {
        let ended = panic::catch_unwind(demo).map_err(drop);
        let _ = sender.send(Event::Ended(ended));
    });
    match events.recv() {
        Ok(Event::Ended(Ok(true))) => ExitCode::SUCCESS,
        Ok(Event::Interrupted) => {
            eprintln!("demo: interrupted, cleaning up");
            panic::set_hook(Box::new(|_| ()));
            // Without its node, the demo fails at its next step, and cleans up.
            directory::clear_away_ours();
            while !matches!(events.recv_timeout(GRACE), Ok(Event::Ended(_)) | Err(RecvTimeoutError::Timeout))
            {
            }
            directory::clear_away_ours();
            ExitCode::from(130)
        }
        _ => ExitCode::FAILURE,
    }
}

fn message_of(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("failed")
}

fn watch_signals(sender: Sender<Event>) {
    thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be received");
            let mut terminate = signal(SignalKind::terminate()).expect("signals can be received");
            let mut hangup = signal(SignalKind::hangup()).expect("signals can be received");
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            let _ = sender.send(Event::Interrupted);
        });
    });
}

/// Shows the table. Returns whether all rows are as expected.
fn demo() -> bool {
    let [containerd, registry, cosign, skopeo, notation] = [
        ("containerd", format!("containerd-{RELEASE}/versions")),
        ("docker-registry", "tools/versions".to_owned()),
        ("cosign", "tools/versions".to_owned()),
        ("skopeo", "tools/versions".to_owned()),
        ("notation", "tools/versions".to_owned()),
    ]
    .map(|(name, file)| format!("{name} {}", environment::version_of(name, &file)));
    println!("{containerd}, {registry}, {cosign}, {skopeo}, {notation}; starting a temporary node");
    let (mut node, _lookaside) = rows::node(RELEASE);
    let rows = ROWS.iter().map(|row| (row.image, row.expected));
    let mut table = Table::of(rows.chain(STEPS.iter().map(|step| (step.what, step.expected))));

    table.head("IMAGE");
    let mut example = None;
    for row in ROWS {
        let image = (row.prepare)(&node);
        let seen = Seen::of_pod(&node, &Pod::of(image.by_tag()));
        if table.show(row.image, row.expected, &seen) && row.expected != RUNS {
            example.get_or_insert(seen.message);
        }
    }
    if let Some(example) = example {
        println!("\nWhat `kubectl describe pod` shows for the unsigned image:\n  {example}");
    }

    println!("\nA signer with a rule for the namespace team; the registry notifies it.");
    println!("A signature is due {SOON:?} after its push began.");
    table.head("FROM PUSH TO POD");
    let mut circle = Circle::start(&mut node, PATIENCE);
    for step in STEPS {
        table.show(step.what, step.expected, &(step.take)(&mut circle));
    }
    let as_expected = table.end();

    println!("\nWhat the commands show on a node with the policy of README.md:");
    for Screen { command, text } in screens() {
        println!("\n$ {command}\n{text}");
    }
    as_expected
}
