//! Tests of whole rooms in one process, against peers that the tests control.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod registry;
mod sign;
#[path = "../support.rs"]
mod support;
