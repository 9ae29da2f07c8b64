//! What test binaries share. Each takes what it needs, so some of it is unused in some of them.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

// A file that is included by its path looks for its modules beside itself; this sends it to `support/`.
#[path = "support"]
mod parts {
    pub mod registry;
}

pub use parts::registry;
