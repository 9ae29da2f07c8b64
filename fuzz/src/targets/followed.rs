//! Documents that nodes follow.

use pullgate_core::followed::{Document, Kind};

use crate::Target;
use crate::seeds::texts;

const TEXT: &str = r#""files":[{"path":"deny.toml","text":"[deny]\n"}]"#;

pub(super) const POLICY: Target = Target {
    name: "followed policy",
    seeds: || {
        texts(&[
            r#"{"kind":"policy","version":7,"for":["r.example/p:stable","r.example/p:canary"],"labels":["pool=edge"],"expires":"2030-01-01T00:00:00Z","files":[{"path":"policy.toml","text":"default = \"deny\"\n"},{"path":"policy.d/a.toml","text":""},{"path":"keys/a.der","base64":"/w=="}]}"#,
        ])
    },
    parse: |input| parse(Kind::Policy, input),
};

pub(super) const DENY_LIST: Target = Target {
    name: "followed deny list",
    seeds: || {
        vec![format!(r#"{{"kind":"deny-list","version":1,"for":["r.example/p:d"],{TEXT}}}"#).into_bytes()]
    },
    parse: |input| parse(Kind::DenyList, input),
};

fn parse(kind: Kind, input: &[u8]) -> bool {
    match Document::parse(kind, input) {
        Ok(document) => {
            for path in document.files().keys() {
                assert!(path.as_str().split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
            true
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(char::is_control), "{message:?}");
            false
        }
    }
}
