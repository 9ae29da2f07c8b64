//! Reads the TOML files an operator writes, whole: everything wrong is reported at once, with file, line and hint.
//!
//! Nothing unknown is overlooked and nothing is corrected in silence. Files that a user other than root and the running
//! user could change are refused.
//!
//! # How to add an option
//!
//! An option with bounds is one line in the [`bounded_options!`] of what it sets: for a registry client that is `Limits` of
//! `pullgate-registry`, for the node `NodeLimits` in `src/config/limits.rs`. The line gives the field, the key, the default,
//! the bounds, the parser and what it is for. Every other option is read in the file of its section (`src/config/daemon/`,
//! `src/config/policy/`, `crates/signer/src/config/`) with the readers of [`values`] and [`document`].
//!
//! Then add a row to `docs/options.md` with its default, its values and a test that sets it to something else, and a
//! commented line to the sample file in `config/`. A test compares the document with what is read. A new name for an option
//! gets a line in [`mod@renamed`].
#![forbid(unsafe_code)]

pub mod bound;
pub mod document;
pub mod duration;
pub mod file;
pub mod problem;
pub mod renamed;
pub mod suggest;
pub mod values;
