//! kubelet's most frequent calls, on a node with many images.

use crate::report::{RATIO, ratio, table};
use crate::samples::{Pair, Samples};
use crate::{Callers, event_loop, farm, inventory, say};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, require_release};

/// How many images are on the node, as on a busy one.
const IMAGES: usize = 500;

/// How many of the requested images are signed.
const SIGNED: usize = 20;

/// How often the sockets alternate.
const ROUNDS: usize = 100;

/// Calls both sockets alternately, some calls each.
pub(crate) fn run(release: Release) {
    // The ImageStatus gate would hide images that are not admitted.
    let policy = |policy: Policy, key: &_| {
        require_release(policy.allow_unsigned(&format!("{}/**", inventory::HOST)), key)
    };
    let mut node = Node::start_in_memory(release, policy);
    inventory::import(&node, IMAGES);
    let unsigned: Vec<_> = (0..IMAGES).map(inventory::name).collect();
    let signed = farm::grow(&node, node.registry.host(), "bench", SIGNED);
    let events = event_loop();
    let callers = Callers::new(&node);
    for name in &signed {
        events.block_on(callers.proxied.pull_image(name));
    }
    say("calling ImageStatus and ListImages");
    let unsigned_on = events.block_on(status(&callers, 20, &unsigned));
    let signed_on = events.block_on(status(&callers, 20, &signed));
    let list_images = events.block_on(list(&callers, 3, IMAGES));
    say("calling ImageStatus with the gate off");
    node.pullgate.restart_configured("[gate]\nimage-status = \"off\"");
    let callers = Callers::new(&node);
    let off = events.block_on(status(&callers, 20, &unsigned));
    println!("On a node with {IMAGES} images:\n");
    table(
        RATIO,
        &[
            ratio("ImageStatus, gate off", &off, 1.5),
            ratio("ImageStatus, gate on, allowed unsigned", &unsigned_on, 1.6),
            ratio("ImageStatus, gate on, signed", &signed_on, 1.6),
            ratio("ListImages", &list_images, 1.5),
        ],
    );
}

async fn status(callers: &Callers, calls: usize, names: &[String]) -> Pair {
    let mut pair = Pair::default();
    for round in 0..ROUNDS {
        for (caller, samples) in turns(callers, &mut pair, round) {
            for call in 0..calls {
                let name = &names[(round * calls + call) % names.len()];
                assert!(samples.time(caller.image_status(name)).await, "{name} is present");
            }
        }
    }
    pair
}

async fn list(callers: &Callers, calls: usize, images: usize) -> Pair {
    let mut pair = Pair::default();
    for round in 0..ROUNDS {
        for (caller, samples) in turns(callers, &mut pair, round) {
            for _ in 0..calls {
                assert!(samples.time(caller.list_images()).await >= images, "all images are listed");
            }
        }
    }
    pair
}

/// Both sockets, each first in every other round.
pub(crate) fn turns<'a>(
    callers: &'a Callers,
    pair: &'a mut Pair,
    round: usize,
) -> [(&'a crate::Caller, &'a mut Samples); 2] {
    let mut turns = [(&callers.direct, &mut pair.direct), (&callers.proxied, &mut pair.proxied)];
    if round % 2 == 1 {
        turns.reverse();
    }
    turns
}
