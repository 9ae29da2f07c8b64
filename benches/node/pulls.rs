//! Pulls of a small image from a registry on this machine.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::report::{FIGURE, RATIO, figure, mebibytes, ratio, table, time};
use crate::samples::{Pair, Samples};
use crate::{Callers, event_loop, say, start, turns};
use pullgate_test::node::images::Image;
use pullgate_test::node::{Node, Release};

/// How many repositories have the image: in each, pullgate sees it for the first time once.
const REPOSITORIES: usize = 30;

/// How often a present image is pulled.
const PRESENT: usize = 150;

/// How many pulls run concurrently when they are not measured.
const AT_ONCE: usize = 4;

/// How many pulls the daemon has handled when its memory is measured again.
const TOTAL: usize = 1_000;

/// The steps of a pull, as a decision record names them.
const STEPS: [&str; 6] =
    ["resolve_ms", "collect_ms", "judge_ms", "forward_ms", "tag_record_ms", "confirm_ms"];

struct Pulled {
    times: Pair,
    /// The median of each of [`STEPS`], in milliseconds; `None` for one that did not happen.
    steps: [Option<f64>; STEPS.len()],
}

/// Measures pulls, and on the same node startup and memory.
pub(crate) fn run(release: Release) {
    let events = event_loop();
    let node = Node::start(release);
    let idle = idle(&node);
    say("starting pullgate repeatedly");
    let start = start::measure(&node);
    say("pulling");
    let callers = Callers::new(&node);
    let names = push(&node);
    // First neither the image nor its signature is known; then the image was removed, and its verdict is cached;
    // then the image is present as well.
    let first = cold(&events, &node, &callers, &names);
    let again = cold(&events, &node, &callers, &names);
    let present = present(&events, &node, &callers, &names[0]);
    fill_up(&events, &node, &callers, &names);
    let after = node.pullgate.resident_memory();
    table(
        RATIO,
        &[
            ratio("cold pull of an image that pullgate has never seen", &first.times, 1.15),
            ratio("cold pull of an image with known signatures", &again.times, 1.08),
            ratio("pull of a present image", &present.times, 1.16),
        ],
    );
    figures(&idle, after, &start);
    steps_table(&[
        ("cold pull of an image that pullgate has never seen", first),
        ("cold pull of an image with known signatures", again),
        ("pull of a present image", present),
    ]);
}

/// The daemon's memory once kubelet has connected, before any pull.
fn idle(node: &Node) -> Idle {
    node.kubelet().image_fs_info().expect("kubelet starts with ImageFsInfo");
    thread::sleep(Duration::from_secs(1));
    Idle { resident: node.pullgate.resident_memory(), anonymous: node.pullgate.anonymous_memory() }
}

/// In bytes. The rest of the resident memory is the program file and the C library, which the kernel can drop.
struct Idle {
    resident: u64,
    anonymous: u64,
}

fn figures(idle: &Idle, after: u64, start: &Samples) {
    let ready = start.median();
    table(
        FIGURE,
        &[
            figure(
                "resident memory of the idle daemon",
                mebibytes(idle.resident),
                Some(("≤ 12 MiB", idle.resident <= 12 << 20)),
            ),
            figure("heap and stacks of the idle daemon", mebibytes(idle.anonymous), None),
            figure(format!("resident memory of the daemon after {TOTAL} pulls"), mebibytes(after), None),
            figure(
                format!("time from start to ready, p50 of {} starts", start.count()),
                time(ready),
                Some(("≤ 50 ms", ready <= Duration::from_millis(50))),
            ),
            figure("time from start to ready, p99", time(start.quantile(99)), None),
        ],
    );
}

fn steps_table(pulls: &[(&str, Pulled)]) {
    println!("Where a pull through pullgate spends its time (p50, ms):\n");
    println!("| pull | {} |", STEPS.map(|step| step.trim_end_matches("_ms").replace('_', " ")).join(" | "));
    println!("|---|{}", "---:|".repeat(STEPS.len()));
    for (pull, Pulled { steps, .. }) in pulls {
        let steps = steps.map(|step| step.map_or_else(|| "–".to_owned(), |spent| format!("{spent:.2}")));
        println!("| {pull} | {} |", steps.join(" | "));
    }
    println!();
}

/// Pulls until there were [`TOTAL`] pulls.
fn fill_up(events: &Runtime, node: &Node, callers: &Callers, names: &[String]) {
    let rest = TOTAL.saturating_sub(node.pullgate.decisions().len());
    events.block_on(async {
        let one = async |lane: usize| {
            for number in (lane..rest).step_by(AT_ONCE) {
                callers.proxied.pull_image(&names[number % names.len()]).await;
            }
        };
        tokio::join!(one(0), one(1), one(2), one(3));
    });
    assert_eq!(node.pullgate.decisions().len(), TOTAL, "pullgate decided about each pull");
}

fn push(node: &Node) -> Vec<String> {
    let image = node.push_signed("bench/service-0:1");
    let others = (1..REPOSITORIES).map(|number| {
        let image = image.push_as(&node.registry, &format!("bench/service-{number}:1"));
        node.sign(&image);
        image
    });
    std::iter::once(image.clone()).chain(others).map(|image: Image| image.by_tag()).collect()
}

fn cold(events: &Runtime, node: &Node, callers: &Callers, names: &[String]) -> Pulled {
    let before = node.pullgate.decisions().len();
    let mut times = Pair::default();
    for (round, name) in names.iter().enumerate() {
        for (caller, samples) in turns(callers, &mut times, round) {
            let before = node.containerd.content();
            events.block_on(async {
                let id = samples.time(caller.pull_image(name)).await;
                callers.direct.remove_image(&id).await;
            });
            let left = node.containerd.content_since(&before);
            assert!(left.is_empty(), "containerd has removed the image: {left:?}");
        }
    }
    Pulled { times, steps: steps(node, before..before + names.len()) }
}

fn present(events: &Runtime, node: &Node, callers: &Callers, name: &str) -> Pulled {
    let mut times = Pair::default();
    events.block_on(callers.proxied.pull_image(name));
    let before = node.pullgate.decisions().len();
    for round in 0..PRESENT {
        for (caller, samples) in turns(callers, &mut times, round) {
            events.block_on(samples.time(caller.pull_image(name)));
        }
    }
    Pulled { times, steps: steps(node, before..before + PRESENT) }
}

fn steps(node: &Node, range: Range<usize>) -> [Option<f64>; STEPS.len()] {
    let decisions = node.pullgate.decisions();
    let decisions = &decisions[range];
    assert!(decisions.iter().all(|decision| decision["verdict"] == "admitted"), "all pulls are admitted");
    STEPS.map(|step| {
        let mut spent: Vec<f64> =
            decisions.iter().filter_map(|decision: &Value| decision[step].as_f64()).collect();
        spent.sort_unstable_by(f64::total_cmp);
        spent.get(spent.len() / 2).copied()
    })
}
