//! What test binaries share. Each takes what it needs, so some of it is unused in some of them.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "shared by binaries that use parts of it"
)]

// A file that is included by its path looks for its modules beside itself; this sends it to `support/`.
#[path = "support"]
mod parts {
    pub mod acs;
    pub mod authority;
    pub mod kms;
    pub mod proxy;
    pub mod registry;
    pub mod runtime;
    pub mod secrets;
    pub mod signer;
    pub mod tap;
    pub mod tunnel;
    pub mod vault;
}

pub use parts::{acs, kms, proxy, registry, runtime, secrets, signer, tap, tunnel, vault};
