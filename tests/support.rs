//! What several test programs share.
#![allow(dead_code, reason = "each program uses a part of it")]
#![allow(unreachable_pub, missing_debug_implementations, reason = "nobody else reads it")]
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test environment that does not work ends the test"
)]

pub mod node;
