//! Tests of whole rooms in one process, against peers that the tests control.

mod forward;
mod pull;
mod registry;
mod sign;
#[path = "../support.rs"]
mod support;
