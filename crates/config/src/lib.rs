//! Reads the TOML files an operator writes, whole: everything wrong is reported at once, with file, line and hint.
//!
//! Nothing unknown is overlooked and nothing is corrected in silence. Files that a user other than root and the running
//! user could change are refused.
#![forbid(unsafe_code)]

pub mod bound;
pub mod document;
pub mod duration;
pub mod file;
pub mod problem;
pub mod renamed;
pub mod suggest;
pub mod values;
