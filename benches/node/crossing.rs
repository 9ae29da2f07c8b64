//! kubelet's most frequent calls, on a node with many images: directly, through a relay that parses nothing, and through
//! pullgate with the gate of ImageStatus off and on.

use std::time::Duration;

use crate::relay::Relay;
use crate::report::{FIGURE, figure, met, table, time};
use crate::samples::{Samples, added, ratio};
use crate::tools::cpu_of;
use crate::{Caller, event_loop, farm, inventory, say};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::pullgate::Pullgate;
use pullgate_test::node::{Node, Release, require_release};

/// How many images are on the node, as on a busy one.
const IMAGES: usize = 500;

/// How many of the requested images are signed.
const SIGNED: usize = 20;

/// How often the ways alternate.
const ROUNDS: usize = 100;

/// How many times the added time of the relay pullgate may add.
const TIMES_RELAY: f64 = 2.5;

/// How many times as long ImageStatus may take with its gate on as with it off.
const TIMES_OFF: f64 = 1.15;

/// The columns of the table.
const CROSSING: [&str; 10] = [
    "call, and what it goes through",
    "n",
    "p50 of the direct call",
    "p99",
    "p50 through relay or pullgate",
    "p99",
    "ratio of the two p50",
    "added p50",
    "CPU time per call",
    "added p50 ÷ relay's added p50",
];

/// A way to containerd.
struct Way {
    caller: Caller,
    /// The process in between.
    process: Option<u32>,
}

/// What calls took on one way.
#[derive(Default)]
struct Measured {
    times: Samples,
    /// Of the process in between.
    cpu: Duration,
}

/// All ways to containerd.
type Each<T> = [T; 4];

/// Measures all ways in one run.
pub(crate) fn run(release: Release) {
    // The ImageStatus gate would hide images that are not admitted.
    let policy = |policy: Policy, key: &_| {
        require_release(policy.allow_unsigned(&format!("{}/**", inventory::HOST)), key)
    };
    let node = Node::start_in_memory(release, policy);
    inventory::import(&node, IMAGES);
    let relay = Relay::start(node.directory(), &node.containerd.socket());
    let mut open = Pullgate::start(
        node.directory().join("open"),
        &node.containerd,
        &policy(Policy::deny(), &node.release),
    );
    open.restart_configured("[gate]\nimage-status = \"off\"");
    let unsigned: Vec<_> = (0..IMAGES).map(inventory::name).collect();
    let signed = farm::grow(&node, node.registry.host(), "bench", SIGNED);
    let ways = [
        Way { caller: Caller::new(node.containerd.socket()), process: None },
        Way { caller: Caller::new(relay.socket()), process: Some(relay.id()) },
        Way { caller: Caller::new(open.socket()), process: Some(open.id()) },
        Way { caller: Caller::new(node.pullgate.socket()), process: Some(node.pullgate.id()) },
    ];
    let [.., gated] = &ways;
    let events = event_loop();
    for name in &signed {
        events.block_on(gated.caller.pull_image(name));
    }
    say("calling ImageStatus and ListImages");
    let status = |names: &[String]| {
        events.block_on(measure(&ways, 20, async |caller, number| {
            let name = &names[number % names.len()];
            assert!(caller.image_status(name).await, "{name} is present");
        }))
    };
    let (unsigned, signed) = (status(&unsigned), status(&signed));
    let list = events.block_on(measure(&ways, 3, async |caller, _| {
        assert!(caller.list_images().await >= IMAGES, "all images are listed");
    }));
    println!("On a node with {IMAGES} images:\n");
    let mut all = Vec::new();
    all.extend(rows("ImageStatus of images that a rule allows unsigned", &unsigned));
    all.extend(rows("ImageStatus of signed images", &signed));
    all.extend(rows("ListImages", &list));
    table(CROSSING, &all);
    table(
        FIGURE,
        &[on_to_off("images that a rule allows unsigned", &unsigned), on_to_off("signed images", &signed)],
    );
}

/// Makes the same calls on all ways in turn, `calls` of them on each; each way is the first in some rounds.
async fn measure(ways: &Each<Way>, calls: usize, call: impl AsyncFn(&Caller, usize)) -> Each<Measured> {
    let mut measured = Each::<Measured>::default();
    for round in 0..ROUNDS {
        for turn in 0..ways.len() {
            let turn = if round % 2 == 0 { turn } else { ways.len() - 1 - turn };
            let at = (turn + round / 2) % ways.len();
            let (way, measured) = (&ways[at], &mut measured[at]);
            let cpu = || way.process.map(cpu_of).unwrap_or_default();
            let before = cpu();
            for number in 0..calls {
                measured.times.time(call(&way.caller, round * calls + number)).await;
            }
            measured.cpu += cpu().saturating_sub(before);
        }
    }
    measured
}

fn rows(call: &str, [direct, relayed, open, gated]: &Each<Measured>) -> [[String; 10]; 3] {
    let relays = added(&relayed.times, &direct.times).as_secs_f64();
    let row = |way: &str, measured: &Measured, target| {
        let times_relay = added(&measured.times, &direct.times).as_secs_f64() / relays;
        let count = u32::try_from(measured.times.count()).unwrap_or(u32::MAX);
        [
            format!("{call}: {way}"),
            count.to_string(),
            time(direct.times.median()),
            time(direct.times.quantile(99)),
            time(measured.times.median()),
            time(measured.times.quantile(99)),
            format!("{:.2}", ratio(&measured.times, &direct.times)),
            time(added(&measured.times, &direct.times)),
            time(measured.cpu / count),
            match target {
                Some(most) => format!("{times_relay:.1}; ≤ {most}: {}", met(times_relay <= most)),
                None => format!("{times_relay:.1}"),
            },
        ]
    };
    [
        row("through the byte relay", relayed, None),
        row("through pullgate with the gate of ImageStatus off", open, Some(TIMES_RELAY)),
        row("through pullgate with the gate of ImageStatus on", gated, Some(TIMES_RELAY)),
    ]
}

fn on_to_off(images: &str, [.., open, gated]: &Each<Measured>) -> [String; 3] {
    let ratio = ratio(&gated.times, &open.times);
    let target = format!("≤ {TIMES_OFF}");
    figure(
        format!("ImageStatus of {images}: p50 with the gate on ÷ p50 with the gate off"),
        format!("{ratio:.2}"),
        Some((&target, ratio <= TIMES_OFF)),
    )
}
