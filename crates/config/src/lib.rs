//! Reads the TOML files of the operator: all errors are reported at once, with file, line and hint.
//!
//! Unknown keys are errors, and no value is corrected. Files that another user than root and that of the process could
//! change are refused.
//!
//! # How to add an option
//!
//! Add a field with its doc comment to the [`options!`] of its section: for pullgate.toml in `src/config/daemon*`, its
//! `[gate]` in `src/cri/settings.rs`, `[ledger]` in `src/ledger.rs` and `[limits]` in `src/config/limits.rs`,
//! `src/cri/settings.rs` or `crates/registry/src/limits.rs`, for signer.toml in `crates/signer/src/config*`, for key services
//! in `crates/keys/src/settings.rs`. The declaration gives the parser, the default, the bounds, the hint, and
//! the [`options::OptionDoc`] from which `docs/options.md` and the sample files in `config/` are generated. Tables with
//! rules of their own (`[[namespace]]`, `[[rule]]`) are read by hand; their keys are lists of [`options::ReadByHand`]. A new
//! name for an option gets a line in [`mod@renamed`].
#![forbid(unsafe_code)]

pub mod atomic;
pub mod bound;
pub mod description;
pub mod document;
pub mod duration;
pub mod file;
pub mod kind;
pub mod options;
pub mod problem;
pub mod renamed;
pub mod schema;
pub mod suggest;
pub mod values;
