//! What pullgate decides by, without I/O: names, digests, keys, signatures and the policy.
//!
//! Nothing here reads a file, opens a connection or looks at a clock: bytes and the time are arguments. So all of it can
//! be tested by tables, fuzzed, and embedded elsewhere.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod digest;
pub mod json;
pub mod policy;
pub mod reference;
pub mod signature;
pub mod trust;
pub mod untrusted;
