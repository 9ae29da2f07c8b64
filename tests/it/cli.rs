//! The output of the commands: each test compares a transcript with a file in `cli/snapshots`.
//!
//! To accept a change: run with `INSTA_UPDATE=always`, read the difference, commit it.

mod errors;
mod help;
mod import;
mod keys;
mod policy;
mod transcript;
