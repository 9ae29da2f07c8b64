//! The types behind a decision, without I/O: names, digests, keys, signatures and the policy.
//!
//! Nothing here reads a file, opens a connection or reads a clock: bytes and the time are arguments. So everything can
//! be tested with tables and fuzzed.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod digest;
pub mod followed;
pub mod go_duration;
pub mod json;
pub mod policy;
#[cfg(test)]
mod public_suites;
pub mod reference;
pub mod signature;
pub mod trust;
pub mod tuf;
pub mod untrusted;
