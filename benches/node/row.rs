//! Very many pulls in a row, and the daemon's memory meanwhile.
//!
//! The tag is looked up at a real registry each time, and containerd pulls an image that it has. So nothing is
//! downloaded, and the rest is pullgate's own work for a pull.

use std::time::{Duration, Instant};

use crate::report::{FIGURE, figure, mebibytes, table};
use crate::{Caller, event_loop, farm, say};
use pullgate_test::node::{Node, Release};

/// How many pulls by default; `PULLGATE_BENCH_PULLS` sets another number.
const PULLS: usize = 5_000;

/// How many images are pulled, in turn.
const IMAGES: usize = 50;

/// How many pulls run concurrently.
const AT_ONCE: usize = 4;

/// How often the memory is measured after the first tenth, when everything has been used once.
const LOOKS: usize = 9;

/// How much the memory may grow after that.
const FLAT: u64 = 2 << 20;

fn pulls() -> usize {
    let chosen = std::env::var("PULLGATE_BENCH_PULLS").ok().and_then(|text| text.parse().ok());
    chosen.unwrap_or(PULLS).max(LOOKS + 1)
}

/// The additional time that all benchmarks may take with the chosen number.
pub(crate) fn allowance() -> Duration {
    Duration::from_millis(20) * u32::try_from(pulls()).unwrap_or(u32::MAX)
}

pub(crate) fn run(release: Release) {
    let node = Node::start(release);
    let names = farm::grow(&node, node.registry.host(), "bench", IMAGES);
    let caller = Caller::new(node.pullgate.socket());
    let (total, begin) = (pulls(), Instant::now());
    let part = total / (LOOKS + 1);
    say(&format!("pulling {total} times"));
    let events = event_loop();
    let mut memory = Vec::new();
    for part_number in 0..=LOOKS {
        events.block_on(async {
            let one = async |lane: usize| {
                for number in (lane..part).step_by(AT_ONCE) {
                    caller.pull_image(&names[(part_number * part + number) % names.len()]).await;
                }
            };
            tokio::join!(one(0), one(1), one(2), one(3));
        });
        memory.push(node.pullgate.resident_memory());
        say(&format!("{} after {}", mebibytes(memory[part_number]), (part_number + 1) * part));
    }
    let spent = begin.elapsed();
    let (warm, rest) = memory.split_first().expect("it was measured");
    let most = rest.iter().max().copied().unwrap_or_default();
    let grown = most.saturating_sub(*warm);
    let made = part * (LOOKS + 1);
    let each = spent / u32::try_from(made).unwrap_or(u32::MAX);
    table(
        FIGURE,
        &[
            figure(
                format!("{made} pulls in a row, {AT_ONCE} concurrently"),
                format!("{:.0} s", spent.as_secs_f64()),
                None,
            ),
            figure("… each", crate::report::time(each), None),
            figure(format!("… resident memory after {part}"), mebibytes(*warm), None),
            figure("… maximum growth after that", mebibytes(grown), Some(("≤ 2 MiB", grown <= FLAT))),
        ],
    );
}
