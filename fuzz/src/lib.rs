//! Feeds changed and random bytes to every parser of outside bytes, on the stable toolchain.
//!
//! A [`Target`] is one parser with its seeds: real inputs that it accepts. Each run takes a seed and changes it (see
//! `mutation.rs`), or takes random bytes. A panic is a finding; proptest reduces the input to a small one and prints it.
//! `make fuzz` runs each target ten million times; `cargo test --package pullgate-fuzz` runs each a few hundred times.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it fails by panicking"
)]

mod mutation;
mod seeds;
mod targets;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

pub use targets::TARGETS;

/// A parser, and inputs that it accepts.
#[derive(Debug)]
pub struct Target {
    /// The name on the command line and in the table.
    pub name: &'static str,
    /// The inputs from which others are made: at least one, and the parser accepts each of them.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Parses the input, and returns whether it was accepted.
    pub parse: fn(&[u8]) -> bool,
}

/// The result of the runs of a target.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many inputs were parsed.
    pub runs: u32,
    /// How many of them the parser accepted.
    pub accepted: u64,
    /// How long that took.
    pub time: Duration,
}

impl Target {
    /// Parses `runs` inputs that `number` determines: the same number makes the same inputs.
    ///
    /// # Errors
    /// The smallest input that was found to make the parser panic, as proptest describes it.
    pub fn run(&self, runs: u32, number: u64) -> Result<Report, String> {
        let begin = Instant::now();
        let config = Config { cases: runs, failure_persistence: None, ..Config::default() };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let accepted = AtomicU64::new(0);
        let inputs = mutation::inputs((self.seeds)());
        runner
            .run(&inputs, |input| {
                accepted.fetch_add((self.parse)(&input).into(), Ordering::Relaxed);
                Ok(())
            })
            .map_err(|error| error.to_string())?;
        Ok(Report { runs, accepted: accepted.into_inner(), time: begin.elapsed() })
    }
}
