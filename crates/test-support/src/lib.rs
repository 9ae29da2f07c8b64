//! Support for tests, benchmarks and the demo: nodes, registries and services.
//!
//! Use [`world`] for a test in one process, and [`node`] for real programs on a node. Private keys and passwords come from
//! [`secrets`] only.

use std::path::Path;

pub mod acs;
pub mod authority;
pub mod gate;
pub mod kms;
pub mod node;
pub mod notary;
pub mod policy;
pub mod proc;
pub mod programs;
pub mod proxy;
pub mod registry;
pub mod runtime;
pub mod schema;
pub mod secrets;
pub mod signer;
pub mod sigstore;
pub mod tap;
pub mod terminal;
pub mod tuf;
pub mod tunnel;
pub mod vault;
pub mod world;

/// The root of the repository.
///
/// # Panics
///
/// If this crate was moved.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate is in crates/")
}
