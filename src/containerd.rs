//! The runtime's side: the connection to its socket, and what only containerd's own API does.

pub mod body;
pub mod content;
mod gather;
pub mod images;
pub mod presence;
pub mod sandbox;
pub mod upstream;

pub use body::Body;
pub use upstream::{Upstream, UpstreamError};
