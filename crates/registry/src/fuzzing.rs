//! The parsers of this crate, for `pullgate-fuzz`: whether each accepts its input.

use std::path::Path;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use crate::manifest::ParsedManifest;
use crate::{challenge, hosts, keychain, listing};

/// A manifest or index, with its own media type.
#[must_use]
pub fn manifest(body: &[u8]) -> bool {
    ParsedManifest::parse(body, None, "fuzz").is_ok()
}

/// The value of a `WWW-Authenticate` header.
#[must_use]
pub fn challenge(value: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(value) else { return false };
    let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]);
    challenge::challenge(&headers).is_some()
}

/// One page of a list of tags.
#[must_use]
pub fn tag_list(body: &[u8]) -> bool {
    listing::tags(body).is_ok()
}

/// docker's `config.json`.
#[must_use]
pub fn docker_config(text: &str) -> bool {
    keychain::docker::parse(text).is_some()
}

/// What a credential provider prints.
#[must_use]
pub fn credential_provider(output: &[u8]) -> bool {
    keychain::answer::Answer::of_provider(output, "v1", keychain::ImageName::default()).is_ok()
}

/// What a credential helper prints.
#[must_use]
pub fn credential_helper(output: &[u8]) -> bool {
    let image = keychain::ImageName { registry: "registry.example.com".to_owned(), ..Default::default() };
    keychain::answer::Answer::of_helper(output, image).is_ok()
}

/// containerd's `hosts.toml`.
#[must_use]
pub fn hosts_toml(text: &str) -> bool {
    hosts::file::parse(Path::new("/nonexistent"), text, &mut Vec::new()).is_ok()
}
