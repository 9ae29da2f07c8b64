//! Tests of the whole daemon in one process, against fake peers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod attacks;
mod check;
mod cli;
mod connections;
mod deadlines;
mod doctor;
mod elsewhere;
mod follow;
mod forward;
mod gates;
mod import;
mod keys;
mod ledger;
mod marks;
mod memory;
mod metrics;
mod node_install;
mod options;
mod output;
mod pull;
mod readme;
mod registry;
mod report;
mod serving;
mod sign;
mod signer;
mod terminal;
mod trust;
mod unchecked;
