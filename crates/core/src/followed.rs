//! A policy or a deny list that nodes follow in a registry: the document, its artifact, and what a node accepts.
//!
//! The registry and the network are not trusted: [`verify`] is the only maker of a [`Verified`] document, and only
//! [`Highest::accept`] says that it is not older than one that was seen. Nothing here depends on the time, but the validity of
//! a certificate that signed.

mod artifact;
mod document;
mod error;
mod file_path;
mod highest;
mod label;
mod limits;
mod verified;
mod version;

#[cfg(test)]
mod tests;

pub use artifact::{EMPTY_CONFIG, Kind, manifest};
pub use document::{Content, Document};
pub use error::{DocumentError, FollowError};
pub use file_path::{FilePath, MAX_PATH_BYTES};
pub use highest::{Accepted, Highest};
pub use label::{Label, MAX_LABEL_BYTES};
pub use limits::{MAX_DOCUMENT_BYTES, MAX_FILES, MAX_LABELS, MAX_REFERENCES};
pub use verified::{Expected, Offer, Verified, verify};
pub use version::Version;
