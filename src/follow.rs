//! A policy and a deny list that this node follows in a registry: what `[follow]` says, what is stored, and refreshes.
//!
//! docs/design/follow.md says why it is as it is. What is verified here is loaded by `config` and put in force by `node`.

mod follower;
mod following;
mod report;
mod settings;
mod signer;
mod store;

pub use follower::{Follower, RefreshError, Refreshed};
pub use following::Following;
pub use report::{FollowReport, Refresh};
pub use settings::FollowSettings;
pub use signer::SignerError;
pub use store::StoreError;
