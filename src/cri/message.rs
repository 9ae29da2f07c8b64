//! Parts that several requests share: an image, and the pod it is for.
//!
//! Field numbers: `runtime.v1` `ImageSpec`, `PodSandboxConfig`, `PodSandboxMetadata`.

use super::wire::{self, Field, WireError};
use crate::gate::Pod;

/// `ImageSpec.image`
pub(super) const SPEC_IMAGE: u64 = 1;

/// `ImageSpec.annotations`
pub(super) const SPEC_ANNOTATIONS: u64 = 2;

/// `ImageSpec.user_specified_image`
pub(super) const SPEC_USER_SPECIFIED: u64 = 18;

/// The longest pod or namespace name that is accepted, in bytes (RFC 1123 subdomain, as Kubernetes limits names).
const MAX_POD_NAME_BYTES: usize = 253;

/// The pod of a `PodSandboxConfig`, if it names one.
///
/// # Errors
/// When it is malformed, repeats a field, or a name is longer than Kubernetes allows.
pub(super) fn pod(sandbox: &Field<'_>) -> Result<Option<Pod>, RequestError> {
    let [metadata] = wire::singles(sandbox.bytes()?, [1])?;
    let Some(metadata) = metadata else { return Ok(None) };
    let [name, namespace] = wire::singles(metadata.bytes()?, [1, 3])?;
    Ok(Some(Pod { name: pod_text(name.as_ref())?, namespace: pod_text(namespace.as_ref())? }))
}

/// The text of a field; empty where it is absent, as protobuf has it.
///
/// # Errors
/// When it is not UTF-8.
pub(super) fn text<'a>(field: Option<&Field<'a>>) -> Result<&'a str, WireError> {
    field.map_or(Ok(""), Field::text)
}

fn pod_text(field: Option<&Field<'_>>) -> Result<String, RequestError> {
    let text = text(field)?;
    if text.len() > MAX_POD_NAME_BYTES {
        return Err(RequestError::PodName);
    }
    Ok(text.to_owned())
}

/// Why a request is refused before it is evaluated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// It names no image.
    #[error("the request names no image")]
    NoImage,
    /// The pod's name or namespace is longer than Kubernetes allows.
    #[error("the pod's name or namespace is longer than {MAX_POD_NAME_BYTES} bytes")]
    PodName,
    /// It mounts too many images.
    #[error("the request mounts too many images")]
    TooManyImages,
    /// It does not follow the definition, or two parsers could read it in two ways.
    #[error("the request is ambiguous: other programs could parse it differently")]
    Wire(#[from] WireError),
}
