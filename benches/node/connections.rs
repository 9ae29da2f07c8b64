//! kubelet's call while other connections are open and idle, as critest leaves them.

use std::time::Duration;

use pullgate_test::node::{Node, Release};

use crate::caller::Caller;
use crate::report::{self, FIGURE, figure};
use crate::samples::Samples;

/// Of 300 connections, all but kubelet's.
const IDLE: usize = 299;

/// How often kubelet calls on the connection that it has, and on a new one.
const CALLS: usize = 200;

/// The longest time for an answer.
const MOST: Duration = Duration::from_millis(100);

pub(crate) fn run(release: Release) {
    let node = Node::start(release);
    let socket = node.pullgate.socket();
    let (kept, new) = crate::event_loop().block_on(async {
        let mut idle = Vec::new();
        for _ in 0..IDLE {
            let caller = Caller::new(socket.clone());
            caller.list_images().await;
            idle.push(caller);
        }
        let (mut kept, mut new) = (Samples::default(), Samples::default());
        // An earlier one would be closed, as the idlest of this process, and a client of gRPC connects again.
        let kubelet = Caller::new(socket.clone());
        kubelet.list_images().await;
        for _ in 0..CALLS {
            kept.time(kubelet.list_images()).await;
            new.time(Caller::new(socket.clone()).list_images()).await;
        }
        drop(idle);
        (kept, new)
    });
    println!("With {IDLE} other connections open and idle:\n");
    let row = |what: &str, samples: &Samples| {
        let (median, longest) = (samples.median(), samples.quantile(100));
        let text = format!("p50 {}, longest {}", report::time(median), report::time(longest));
        figure(what, text, Some(("longest ≤ 100 ms", longest <= MOST)))
    };
    let rows = [
        row(&format!("ListImages on one connection, {CALLS} times"), &kept),
        row(&format!("ListImages on a new connection, {CALLS} times"), &new),
    ];
    report::table(FIGURE, &rows);
}
