//! The output of the commands: each test compares a transcript with a file in `cli/snapshots`.
//!
//! To accept a change: `make generate`, read the difference, commit it.

mod errors;
mod help;
mod import;
mod keys;
mod policy;
mod transcript;
