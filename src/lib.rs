//! pullgate: a Kubernetes node runs only images that were signed.
//!
//! The way of a pull, the rooms and what each of them may use are drawn in `ARCHITECTURE.md`.
#![forbid(unsafe_code)]

pub mod alibaba;
pub mod api;
pub mod command;
pub mod config;
pub mod containerd;
pub mod cri;
pub mod digest;
mod flight;
pub mod gate;
pub mod import;
pub mod json;
pub mod keys;
pub mod ledger;
pub mod node;
pub mod policy;
pub mod reference;
pub mod registry;
pub mod secret;
pub mod service;
pub mod sign;
pub mod signature;
pub mod signer;
pub mod telemetry;
mod tls;
pub mod trust;
