//! Client of Alibaba Cloud's OpenAPI: credentials, signatures and retries.
//!
//! Used for registry passwords (ACR) and for keys (KMS).
//!
//! Sources: Alibaba Cloud SDK documentation, "V3 request structure and signature"; STS 2015-04-01; ECS instance
//! metadata, only in token mode.

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
