//! System interfaces that both daemons use: signals, systemd, sockets, HTTP, metrics and logging.
#![forbid(unsafe_code)]

pub mod accept;
pub mod connections;
pub mod counter;
pub mod http;
pub mod log;
pub mod metrics;
pub mod signals;
pub mod systemd;
pub mod unix_socket;
