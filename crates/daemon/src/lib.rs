//! What both services need of the system: signals, systemd, sockets, and where log records go.
#![forbid(unsafe_code)]

pub mod accept;
pub mod counter;
pub mod log;
pub mod signals;
pub mod systemd;
pub mod unix_socket;
