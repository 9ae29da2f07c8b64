//! Client side of the runtime: the connection to its socket, and containerd's own API.

pub mod body;
pub mod content;
pub mod images;
mod lazy_writable_stream;
pub mod presence;
pub mod sandbox;
pub mod upstream;
mod write_coalescer;

pub use body::Body;
pub(crate) use lazy_writable_stream::LazyWritableStream;
pub use upstream::{Endpoint, Upstream, UpstreamError};
