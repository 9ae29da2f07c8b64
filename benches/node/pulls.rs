//! Pulls of a small image from a registry on this machine.

use std::ops::Range;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::Callers;
use crate::crossing::turns;
use crate::samples::Pair;
use crate::support::node::Node;
use crate::support::node::images::Image;

/// How many repositories the image is in: in each, pullgate meets it for the first time once.
const REPOSITORIES: usize = 30;

/// How often an image that is present is pulled.
const PRESENT: usize = 150;

/// How many pulls that nobody measures run at the same time.
const AT_ONCE: usize = 4;

/// The steps of a pull, as a decision record names them.
pub(crate) const STEPS: [&str; 6] =
    ["resolve_ms", "collect_ms", "judge_ms", "forward_ms", "tag_record_ms", "confirm_ms"];

pub(crate) struct Pulls {
    /// Neither the image nor its signature was ever seen.
    pub(crate) first: Pulled,
    /// The image was removed; its signature is remembered.
    pub(crate) again: Pulled,
    /// The image is there, and its signature is remembered.
    pub(crate) present: Pulled,
}

pub(crate) struct Pulled {
    pub(crate) times: Pair,
    /// The median of each of [`STEPS`], in milliseconds; `None` for one that did not happen.
    pub(crate) steps: [Option<f64>; STEPS.len()],
}

/// Makes `total` pulls through pullgate, and measures some of them beside direct ones.
pub(crate) fn measure(events: &Runtime, node: &Node, callers: &Callers, total: usize) -> Pulls {
    let names = push(node);
    let first = cold(events, node, callers, &names);
    let again = cold(events, node, callers, &names);
    let present = present(events, node, callers, &names[0]);
    let rest = total.saturating_sub(node.pullgate.decisions().len());
    events.block_on(async {
        let one = async |lane: usize| {
            for number in (lane..rest).step_by(AT_ONCE) {
                callers.proxied.pull_image(&names[number % names.len()]).await;
            }
        };
        tokio::join!(one(0), one(1), one(2), one(3));
    });
    assert_eq!(node.pullgate.decisions().len(), total, "pullgate decided about each pull");
    Pulls { first, again, present }
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
            assert!(left.is_empty(), "containerd collects what was removed: {left:?}");
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
