//! Names, and JSON in general.

use pullgate_core::digest::Digest;
use pullgate_core::json::{self, Bounds, Keys};
use pullgate_core::policy::Scope;
use pullgate_core::reference::Reference;

use super::text;
use crate::Target;
use crate::seeds::texts;

const HEX: &str = "8f43f8b9d4e5a1c5ff0f1b7b8a1b1d4a4b7a4b0c3e5d6f708192a3b4c5d6e7f8";

pub(super) const REFERENCE: Target = Target {
    name: "image reference",
    seeds: || {
        let digest = format!("registry.example.com:5000/team/app:1.2.3@sha256:{HEX}");
        let mut seeds = texts(&[
            "nginx",
            "docker.io/library/nginx:1",
            "[::1]:5000/a/b:tag",
            "registry.k8s.io/pause:3.10",
        ]);
        seeds.push(digest.into_bytes());
        seeds
    },
    parse: |input| {
        let parsed = Reference::parse(&text(input));
        // What is read is written as what is read again.
        if let Ok(parsed) = &parsed {
            let again = Reference::parse(&parsed.to_string());
            assert_eq!(again.as_ref().ok(), Some(parsed));
        }
        parsed.is_ok()
    },
};

pub(super) const DIGEST: Target = Target {
    name: "digest",
    seeds: || vec![format!("sha256:{HEX}").into_bytes(), format!("sha512:{HEX}{HEX}").into_bytes()],
    parse: |input| Digest::parse(&text(input)).is_ok(),
};

pub(super) const SCOPE: Target = Target {
    name: "scope of a rule",
    seeds: || {
        texts(&["docker.io/library/*", "registry.example.com/team/app", "*.example.com/**", "registry:5000"])
    },
    parse: |input| Scope::parse(&text(input)).is_ok(),
};

pub(super) const JSON: Target = Target {
    name: "JSON",
    seeds: || texts(&[r#"{"a":[1,2.5,-3e2,true,null,{"b":"\u00e9\ud83d\ude00"}],"c":{}}"#]),
    parse: |input| {
        let bounds = Bounds { depth: 16, values: 256, keys: Keys::Exact };
        let ours = json::parse(input, bounds);
        // What is accepted is JSON for others, too.
        if ours.is_ok() {
            assert!(serde_json::from_slice::<serde_json::Value>(input).is_ok());
        }
        ours.is_ok()
    },
};
