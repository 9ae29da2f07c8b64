//! `make demo`: pullgate on a real node of its own, and one table of what it lets run and what it refuses.
//!
//! Nothing of the host is changed: all parts run in one temporary directory, which goes away at the end, also after
//! Ctrl-C.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "somebody watches")]
#![allow(clippy::expect_used, reason = "a demo that cannot run ends")]

mod support {
    pub(crate) mod node;
}

use std::any::Any;
use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use support::node::images::Image;
use support::node::keys::Kind;
use support::node::kubelet::{Pod, Ran, Waiting};
use support::node::signing::{self, Layout};
use support::node::{Node, Release, directory, environment};
use tokio::signal::unix::{SignalKind, signal};

const RELEASE: Release = Release::V2_1;

/// How long the demo may take to notice that its node is gone.
const GRACE: Duration = Duration::from_secs(10);

/// One image, how it comes about, and what has to become of it.
struct Row {
    image: &'static str,
    expected: Expected<'static>,
    prepare: fn(&Node) -> Image,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected<'a> {
    /// It runs as the user that the image names.
    Runs,
    /// kubelet reports SignatureValidationFailed with this reason code of pullgate, and containerd has nothing of it.
    Refused(&'a str),
}

const ROWS: &[Row] = &[
    Row { image: "signed", expected: Expected::Runs, prepare: |node| node.push_signed("demo/signed:1") },
    Row {
        image: "signed by cosign, classic",
        expected: Expected::Runs,
        prepare: |node| signed_by_cosign(node, "demo/cosign:classic", Layout::Classic),
    },
    Row {
        image: "signed by cosign, bundle",
        expected: Expected::Runs,
        prepare: |node| signed_by_cosign(node, "demo/cosign:bundle", Layout::Bundle),
    },
    Row {
        image: "unsigned",
        expected: Expected::Refused("no-signature"),
        prepare: |node| node.push("demo/unsigned:1"),
    },
    Row {
        image: "wrong key",
        expected: Expected::Refused("no-valid-signature"),
        prepare: |node| {
            let image = node.push("demo/wrong-key:1");
            signing::sign(&image.by_digest(), &node.key("mallory", Kind::P256));
            image
        },
    },
    Row {
        image: "tampered signature",
        expected: Expected::Refused("no-valid-signature"),
        prepare: |node| {
            let image = node.push_signed("demo/tampered:1");
            signing::tamper_with_signature(&node.registry, &image);
            image
        },
    },
    Row {
        image: "signature of another repository",
        expected: Expected::Refused("no-valid-signature"),
        prepare: |node| {
            let signed = node.push_signed("demo/original:1");
            let image = signed.push_as(&node.registry, "demo/copy:1");
            signing::copy_signatures(&signed, &image);
            image
        },
    },
    Row {
        image: "tag, while it is the signed image",
        expected: Expected::Runs,
        prepare: |node| node.push_signed("demo/moved:1"),
    },
    Row {
        image: "tag, moved to an unsigned image",
        expected: Expected::Refused("no-signature"),
        prepare: |node| node.push("demo/moved:1"),
    },
];

fn signed_by_cosign(node: &Node, name: &str, layout: Layout) -> Image {
    let image = node.push(name);
    node.cosign().sign(&image.by_digest(), &node.release, layout, None);
    image
}

enum Event {
    Ended(Result<bool, ()>),
    Interrupted,
}

fn main() -> ExitCode {
    panic::set_hook(Box::new(|broken| {
        eprintln!("demo: {}", message_of(broken.payload()));
    }));
    let (tell, events) = mpsc::channel();
    watch_signals(tell.clone());
    thread::spawn(move || {
        let ended = panic::catch_unwind(demo).map_err(drop);
        let _ = tell.send(Event::Ended(ended));
    });
    match events.recv() {
        Ok(Event::Ended(Ok(true))) => ExitCode::SUCCESS,
        Ok(Event::Interrupted) => {
            eprintln!("demo: interrupted, clearing away");
            panic::set_hook(Box::new(|_| ()));
            // Without its node, the demo fails at its next step, and clears away by itself.
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

fn watch_signals(tell: Sender<Event>) {
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
            let _ = tell.send(Event::Interrupted);
        });
    });
}

/// Shows the table. Gives whether every row is as expected.
fn demo() -> bool {
    println!(
        "containerd {}, docker-registry {}, cosign {}; starting a node of its own",
        environment::version_of("containerd", &format!("containerd-{RELEASE}/versions")),
        environment::version_of("docker-registry", "tools/versions"),
        environment::version_of("cosign", "tools/versions"),
    );
    let node = Node::start(RELEASE);
    let table = Table::new();
    table.line("IMAGE", "EXPECTED", "GOT", "TIME");
    let mut different = 0;
    let mut example = None;
    for row in ROWS {
        let outcome = Outcome::of(row, &node);
        table.line(
            row.image,
            &row.expected.to_string(),
            &outcome.got,
            &format!("{:.2} s", outcome.time.as_secs_f64()),
        );
        if !outcome.is_expected {
            different += 1;
            println!("    DIFFERENT: {}", outcome.told);
        } else if matches!(row.expected, Expected::Refused(_)) {
            example.get_or_insert(outcome.told);
        }
    }
    if let Some(example) = example {
        println!("\nWhat `kubectl describe pod` says of the unsigned image:\n  {example}");
    }
    println!("\n{} of {} as expected", ROWS.len() - different, ROWS.len());
    different == 0
}

struct Outcome {
    got: String,
    told: String,
    is_expected: bool,
    time: Duration,
}

impl Outcome {
    fn of(row: &Row, node: &Node) -> Self {
        let image = (row.prepare)(node);
        let before = node.containerd.content();
        let begin = Instant::now();
        let ran = node.kubelet().run(&Pod::of(image.by_tag()));
        let time = begin.elapsed();
        let untouched = node.containerd.content_since(&before).is_empty();
        let (got, told, is_expected) = match ran {
            Ok(Ran { user, .. }) => {
                let got = format!("runs as user {user}");
                let is_expected = row.expected == Expected::Runs && user == 1000;
                (got.clone(), got, is_expected)
            }
            Err(waiting) => {
                let got = refusal(&waiting);
                let is_expected = got == row.expected.to_string() && untouched;
                let told = if untouched { waiting.message } else { "containerd fetched it".to_owned() };
                (got, told, is_expected)
            }
        };
        Self { got, told, is_expected, time }
    }
}

fn refusal(waiting: &Waiting) -> String {
    match waiting.reason {
        "SignatureValidationFailed" => Expected::Refused(waiting.code()).to_string(),
        other => other.to_owned(),
    }
}

impl std::fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runs => f.write_str("runs as user 1000"),
            Self::Refused(code) => write!(f, "refused: {code}"),
        }
    }
}

/// Columns as wide as what is expected needs.
struct Table {
    image: usize,
    outcome: usize,
}

impl Table {
    fn new() -> Self {
        let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or_default();
        Self {
            image: widest(&mut ROWS.iter().map(|row| row.image.len())),
            outcome: widest(&mut ROWS.iter().map(|row| row.expected.to_string().len())),
        }
    }

    fn line(&self, image: &str, expected: &str, got: &str, time: &str) {
        let (image_width, width) = (self.image, self.outcome);
        println!("{image:image_width$}  {expected:width$}  {got:width$}  {time:>7}");
    }
}
