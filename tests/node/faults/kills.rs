//! The daemon is killed without notice, at each step of a pull and at any moment.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::held::{At, Held, STEPS};
use pullgate_test::node::Release;
use pullgate_test::node::kubelet::Pod;

on_every_release!(at_each_step_of_a_pull, while_evidence_waits_to_be_written, at_any_moment);

/// How often it is killed at each step, for each release.
const ROUNDS: usize = 2;

/// How often it is killed at any moment, for each release.
const KILLS: u32 = 60;

fn at_each_step_of_a_pull(release: Release) {
    let mut held = Held::start(release);
    for round in 0..ROUNDS {
        for (step, at) in STEPS {
            let case = format!("killed when {step}, round {round}");
            held.forget(true);
            held.hold(at);
            held.pull_with(&case, |held| held.held(&case, at), |node| node.pullgate.kill());
            held.assert_nothing_unverified(&case);
            held.node.pullgate.start_again();
            held.assert_in_order(&case);
        }
    }
    held.assert_evidence_is_whole();
}

/// The ledger's lock is held by another process, so that a pull ends before its evidence is written.
fn while_evidence_waits_to_be_written(release: Release) {
    let mut held = Held::start(release);
    for round in 0..ROUNDS {
        let case = format!("killed before the ledger is written, round {round}");
        held.forget(true);
        let file = File::options().write(true).open(held.node.pullgate.evidence().join("lock")).unwrap();
        let lock = Flock::lock(file, FlockArg::LockExclusive).unwrap();
        let at = At::Call("after /containerd.services.content.v1.Content/Read");
        held.hold(at);
        let moment = |held: &Held| {
            held.held(&case, at);
            held.between.hold().release();
            thread::sleep(Duration::from_millis(100));
        };
        held.pull_with(&case, moment, |node| node.pullgate.kill());
        held.node.pullgate.start_again();
        // The lock only delays: the evidence is in memory.
        held.assert_in_order(&case);
        drop(lock);
        held.assert_in_order(&case);
    }
    held.assert_evidence_is_whole();
}

/// Also during a verification and during a write to the ledger. Every other time the ledger has the image already.
fn at_any_moment(release: Release) {
    let mut held = Held::start(release);
    held.forget(true);
    let begin = Instant::now();
    held.kubelet.pull(&Pod::of(held.signed.by_tag())).unwrap();
    let whole = begin.elapsed();
    for kill in 0..KILLS {
        // The golden ratio spreads the moments evenly over the duration of a pull, and a little beyond.
        let moment = whole.mul_f64(1.2 * (f64::from(kill) * 0.618_034).fract());
        let case = format!("kill {kill}, after {moment:?}");
        held.forget(kill % 2 == 0);
        held.pull_with(&case, |_| thread::sleep(moment), |node| node.pullgate.kill());
        held.node.pullgate.start_again();
        held.assert_in_order(&case);
    }
    held.assert_evidence_is_whole();
}
