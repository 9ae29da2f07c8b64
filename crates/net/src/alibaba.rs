//! Alibaba Cloud's OpenAPI: who asks, and how a request is signed and made.
//!
//! Registry passwords and KMS keys are asked for through this one room.
//!
//! Sources: Alibaba Cloud SDK documentation, "V3 request structure and signature"; STS 2015-04-01; ECS instance metadata in
//! its token mode, the only one that is used.

mod access_key;
mod api;
mod call;
mod environment;
mod error;
mod identity;
mod profile;
mod request;

pub use api::Api;
pub use error::AlibabaError;
pub use identity::{Assume, Credentials, Identity, METADATA};
