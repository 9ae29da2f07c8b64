//! Calls that only cross.

use tokio::runtime::Runtime;

use crate::samples::{Pair, Samples};
use crate::{Callers, inventory};

/// How often the ends change.
const ROUNDS: usize = 100;

/// What the two questions that kubelet asks most cost.
pub(crate) struct Crossing {
    pub(crate) image_status: Pair,
    pub(crate) list_images: Pair,
}

/// Asks both ends in turns, some calls each.
pub(crate) fn measure(events: &Runtime, callers: &Callers, images: usize) -> Crossing {
    events.block_on(async {
        Crossing {
            image_status: status(callers, 20, images).await,
            list_images: list(callers, 3, images).await,
        }
    })
}

async fn status(callers: &Callers, calls: usize, images: usize) -> Pair {
    let mut pair = Pair::default();
    for round in 0..ROUNDS {
        for (caller, samples) in turns(callers, &mut pair, round) {
            for call in 0..calls {
                let name = inventory::name((round * calls + call) % images);
                assert!(samples.time(caller.image_status(&name)).await, "{name} is there");
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

/// Both ends, each first in every other round.
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
