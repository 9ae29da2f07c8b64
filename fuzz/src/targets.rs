//! All targets. A parser that is added to the product is added here.

mod attestations;
mod attestors;
mod calls;
mod followed;
mod keyless;
mod names;
mod notifications;
mod registry;
mod signatures;
mod trust;
mod tuf;

use crate::Target;

/// All targets, in the order of the table that `make fuzz` prints.
pub const TARGETS: &[Target] = &[
    names::REFERENCE,
    names::DIGEST,
    names::SCOPE,
    names::JSON,
    calls::PULL_IMAGE,
    calls::IMAGE_STATUS,
    calls::IMAGE_STATUS_ANSWER,
    calls::CREATE_CONTAINER,
    calls::DEADLINE,
    registry::MANIFEST,
    registry::CHALLENGE,
    registry::TAG_LIST,
    registry::DOCKER_CONFIG,
    registry::CREDENTIAL_PROVIDER,
    registry::CREDENTIAL_HELPER,
    registry::HOSTS_TOML,
    signatures::PAYLOAD,
    signatures::STATEMENT,
    signatures::SIMPLE_SIGNING,
    signatures::BUNDLE,
    keyless::BUNDLE,
    keyless::BUNDLE_TIMESTAMP,
    keyless::ANNOTATIONS,
    keyless::CERTIFICATE,
    signatures::JWS,
    signatures::COSE,
    signatures::GPG,
    signatures::TIMESTAMP,
    attestations::ENVELOPE,
    attestations::VULNERABILITIES,
    attestations::PROVENANCE,
    attestations::SBOM,
    attestations::SUMMARY,
    attestations::CUSTOM,
    attestors::PAYLOAD,
    attestors::OCCURRENCE,
    attestors::ARMOR,
    attestors::LISTING,
    trust::PUBLIC_KEY,
    trust::CERTIFICATE,
    trust::CRL,
    trust::TRUSTED_ROOT,
    trust::SUBJECT,
    trust::KEYRING,
    tuf::PINNED_ROOT,
    tuf::NEXT_ROOT,
    tuf::TIMESTAMP,
    tuf::SNAPSHOT,
    tuf::TARGETS,
    followed::POLICY,
    followed::DENY_LIST,
    notifications::DISTRIBUTION,
    notifications::HARBOR,
    notifications::CLOUD_EVENTS,
];

/// The input as text; bytes that are not UTF-8 are replaced, so that they reach the parser.
fn text(input: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(input)
}
