//! The runtime's side: the connection to its socket, and what only containerd's own API does.

pub mod body;
pub mod content;
mod gather;
pub mod images;
pub mod presence;
mod quiet;
pub mod sandbox;
pub mod upstream;

pub use body::Body;
pub(crate) use quiet::Quiet;
pub use upstream::{Upstream, UpstreamError};
