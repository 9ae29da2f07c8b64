//! HTTP clients for services that the operator configures, and building blocks that all clients share.
#![forbid(unsafe_code)]

pub mod alibaba;
pub mod backoff;
pub mod memory;
pub mod offload;
pub mod rate_limiter;
pub mod secret;
pub mod service;
pub mod single_flight;
pub mod tls;
pub mod ttl_cache;
