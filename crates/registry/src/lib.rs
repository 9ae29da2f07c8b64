//! A client of OCI registries that verifies what it reads.
//!
//! It contacts the hosts that containerd would contact (see `hosts`), with the credentials of the pull, within limits on
//! time and bytes, and trusts only what it has hashed itself. The class of an error says whether the registry answered "not
//! found" or did not answer.
//!
//! Sources: the OCI distribution specification 1.1 and containerd's `core/remotes/docker`.

mod address_scope;
mod artifact;
mod attachments;
mod challenge;
mod client_pool;
mod concurrency_limit;
mod cooldowns;
mod credentials;
mod error;
mod failure;
mod file_stamp;
#[doc(hidden)]
pub mod fuzzing;
mod grafeas;
mod host_client;
mod host_request;
mod hosts;
mod keychain;
pub mod limits;
mod listing;
mod lookaside;
mod manifest;
mod mirrors;
mod negative_cache;
mod platform;
mod realm;
mod redirect;
mod registry;
mod request_context;
mod request_counts;
mod resolve;
mod resolved;
mod settings;
mod sources;
mod state;
mod token;
mod upload;

pub use artifact::Artifact;
pub use attachments::{
    AttachmentProblem, Collected, PAYLOAD as PAYLOAD_MEDIA_TYPE, SIGNATURE as SIGNATURE_ANNOTATION,
    Unfetched, Wanted, fallback_tag, is_attachment_tag, signature_tag,
};
pub use concurrency_limit::Permit;
pub use credentials::{AuthConfig, Credentials};
pub use error::{Bound, Class, RegistryError};
pub use grafeas::Grafeas;
pub use hosts::sandbox_image;
pub use keychain::{
    AcrSettings, CredentialProgram, CredentialProtocol, Environment, HostCredential, ImageGlob, Keyring,
};
pub use limits::Limits;
pub use listing::Pages;
pub use lookaside::Lookaside;
pub use manifest::{ImageRefs, IndexEntry, OCI_INDEX, OCI_MANIFEST, parse_refs, read_refs};
pub use platform::Platform;
pub use registry::Registry;
pub use request_context::retry_delay;
pub use request_counts::RequestCounts;
pub use resolved::Resolved;
pub use settings::{RegistrySettings, default_hosts};
pub use sources::{EVERYTHING, SignatureSource};
pub use upload::{Condition, ManifestUpload, PutResult, Stored, Target, Writer};
