//! The packages, made from the programs of this build, in a Debian root: installed, updated, removed, purged.
//!
//! Run `tests/environment/install` first. Needs root. A test that cannot run fails.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod contents;
mod deb;
mod made;
mod maintain;
mod release;
mod root_copy;
mod rpm;
mod tarball;
