//! pullgate: a Kubernetes node runs only images that were signed.
//!
//! `ARCHITECTURE.md` shows the path of a pull and the modules.
#![forbid(unsafe_code)]

pub use pullgate_core::{digest, json, policy, reference, signature, trust};
pub use pullgate_net::{alibaba, secret, service, tls};
pub use {pullgate_keys as keys, pullgate_registry as registry};

pub mod api;
pub mod command;
pub mod config;
pub mod containerd;
pub mod cri;
pub mod doctor;
pub mod follow;
pub mod gate;
pub mod ledger;
pub mod node;
pub mod node_install;
pub mod telemetry;
pub mod tuf_client;
