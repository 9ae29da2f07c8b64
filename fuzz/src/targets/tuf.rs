//! Metadata of TUF: the changed content is signed again, by a key of a root that is pinned here.

use std::sync::LazyLock;

use pullgate_core::digest::hex;
use pullgate_core::tuf::{Trusted, TufError};
use serde_json::{Value, json};

use super::signatures::{KEY, NOW};
use crate::Target;
use crate::seeds::files;

/// The identifier of the key.
const KEY_ID: &str = "fuzz";

static ROOT: LazyLock<Vec<u8>> = LazyLock::new(|| sign(root(1).to_string().as_bytes()));

fn root(version: u64) -> Value {
    let role = json!({ "keyids": [KEY_ID], "threshold": 1 });
    json!({
        "_type": "root",
        "spec_version": "1.0.31",
        "version": version,
        "expires": "2030-01-01T00:00:00Z",
        "consistent_snapshot": true,
        "keys": { KEY_ID: { "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": KEY.public_pem() } } },
        "roles": { "root": role, "timestamp": role, "snapshot": role, "targets": role },
    })
}

/// Metadata with this content, whatever it is.
fn sign(content: &[u8]) -> Vec<u8> {
    // OLPC's canonical JSON: serde_json sorts, and of what it escapes only line breaks are in the seeds.
    let canonical = serde_json::from_slice::<Value>(content).unwrap_or_default();
    let canonical = canonical.to_string().replace("\\n", "\n");
    let signature = hex(&KEY.sign(canonical.as_bytes()).unwrap());
    let head = format!(r#"{{"signatures":[{{"keyid":"{KEY_ID}","sig":"{signature}"}}],"signed":"#);
    [head.as_bytes(), content, b"}"].concat()
}

/// The signed part of a fixture.
fn content(path: &str) -> Vec<u8> {
    let metadata: Value = serde_json::from_slice(&files(&[path]).concat()).unwrap();
    metadata["signed"].to_string().into_bytes()
}

static TRUSTED: LazyLock<Trusted> = LazyLock::new(|| Trusted::pinned(&ROOT).unwrap());

fn is_trusted(outcome: Result<(), TufError>) -> bool {
    if let Err(error) = &outcome {
        let message = error.to_string();
        // Every message becomes part of one line.
        assert!(!message.contains(char::is_control), "{message:?}");
    }
    outcome.is_ok()
}

static WITH_TIMESTAMP: LazyLock<Trusted> = LazyLock::new(|| {
    let mut trusted = TRUSTED.clone();
    let timestamp = json!({
        "_type": "timestamp",
        "spec_version": "1.0.31",
        "version": 1,
        "expires": "2030-01-01T00:00:00Z",
        "meta": { "snapshot.json": { "version": 1 } },
    });
    trusted.timestamp(&sign(timestamp.to_string().as_bytes()), *NOW).unwrap();
    trusted
});

static WITH_SNAPSHOT: LazyLock<Trusted> = LazyLock::new(|| {
    let mut trusted = WITH_TIMESTAMP.clone();
    trusted.snapshot(&sign(&content("tests/fixtures/tuf/reference/snapshot.json")), *NOW).unwrap();
    trusted
});

pub(super) const PINNED_ROOT: Target = Target {
    name: "root of TUF",
    seeds: || {
        let mut seeds =
            files(&["tests/fixtures/tuf/public-good.root.json", "tests/fixtures/tuf/github.root.json"]);
        seeds.push(ROOT.clone());
        seeds
    },
    parse: |input| is_trusted(Trusted::pinned(input).map(drop)),
};

pub(super) const NEXT_ROOT: Target = Target {
    name: "next root of TUF",
    seeds: || vec![root(2).to_string().into_bytes()],
    parse: |input| is_trusted(TRUSTED.clone().next_root(&sign(input))),
};

pub(super) const TIMESTAMP: Target = Target {
    name: "timestamp of TUF",
    seeds: || vec![content("tests/fixtures/tuf/reference/timestamp.json")],
    parse: |input| {
        let mut trusted = TRUSTED.clone();
        is_trusted(trusted.timestamp(&sign(input), *NOW).and_then(|()| trusted.wanted_snapshot().map(drop)))
    },
};

pub(super) const SNAPSHOT: Target = Target {
    name: "snapshot of TUF",
    seeds: || vec![content("tests/fixtures/tuf/reference/snapshot.json")],
    parse: |input| {
        let mut trusted = WITH_TIMESTAMP.clone();
        is_trusted(trusted.snapshot(&sign(input), *NOW).and_then(|()| trusted.wanted_targets().map(drop)))
    },
};

pub(super) const TARGETS: Target = Target {
    name: "targets of TUF",
    seeds: || vec![content("tests/fixtures/tuf/reference/targets.json")],
    parse: |input| {
        let mut trusted = WITH_SNAPSHOT.clone();
        is_trusted(trusted.targets(&sign(input), *NOW).and_then(|()| trusted.target("file1.txt").map(drop)))
    },
};
