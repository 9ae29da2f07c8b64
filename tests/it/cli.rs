//! What the commands write, word for word: each test is a transcript that is compared with a file in `cli/snapshots`.
//!
//! To accept a change of words: run with `INSTA_UPDATE=always`, read the difference, commit it.

mod errors;
mod help;
mod import;
mod keys;
mod policy;
mod transcript;
