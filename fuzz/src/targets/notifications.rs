//! Notifications of registries to the signer.

use pullgate_signer::{Envelope, read_notification};

use crate::Target;
use crate::seeds::texts;

fn is_read(input: &[u8], content_type: &str) -> bool {
    let envelope = Envelope { content_type, attributes: None, registry: "registry.example.com", events: 64 };
    read_notification(input, envelope).is_ok()
}

pub(super) const DISTRIBUTION: Target = Target {
    name: "notification of distribution",
    seeds: || {
        texts(&[
            r#"{"events":[{"id":"1","timestamp":"2026-01-01T00:00:00Z","action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:8f43f8b9d4e5a1c5ff0f1b7b8a1b1d4a4b7a4b0c3e5d6f708192a3b4c5d6e7f8","size":527,"repository":"team/app","tag":"1"},"request":{"host":"registry.example.com"},"actor":{"name":"ci"}}]}"#,
        ])
    },
    parse: |input| is_read(input, "application/vnd.docker.distribution.events.v2+json"),
};

pub(super) const HARBOR: Target = Target {
    name: "notification of Harbor",
    seeds: || {
        texts(&[
            r#"{"type":"PUSH_ARTIFACT","occur_at":1767225600,"operator":"ci","event_data":{"resources":[{"digest":"sha256:8f43f8b9d4e5a1c5ff0f1b7b8a1b1d4a4b7a4b0c3e5d6f708192a3b4c5d6e7f8","tag":"1","resource_url":"registry.example.com/team/app:1"}],"repository":{"name":"app","namespace":"team","repo_full_name":"team/app","repo_type":"private"}}}"#,
        ])
    },
    parse: |input| is_read(input, "application/json"),
};

pub(super) const CLOUD_EVENTS: Target = Target {
    name: "notification as CloudEvent",
    seeds: || {
        texts(&[
            r#"{"specversion":"1.0","id":"1","source":"urn:registry","type":"org.example.push","data":{"target":{"digest":"sha256:8f43f8b9d4e5a1c5ff0f1b7b8a1b1d4a4b7a4b0c3e5d6f708192a3b4c5d6e7f8","repository":"team/app","tag":"1"}}}"#,
        ])
    },
    parse: |input| is_read(input, "application/cloudevents+json"),
};
