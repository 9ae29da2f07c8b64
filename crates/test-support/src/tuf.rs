//! A repository of The Update Framework: its metadata is computed here, and nothing of it is shared with the code that verifies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use pullgate::digest::hex;
use rcgen::KeyPair;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::registry::{Registry, Scripted};
use crate::secrets;

/// The file that clients want.
pub const TARGET: &str = "trusted_root.json";

/// The keys of a role, and how many of them sign and must sign.
pub struct Role {
    pub keys: Vec<KeyPair>,
    pub threshold: usize,
    /// How many of the keys sign.
    pub signing: usize,
    pub version: u64,
    pub expires: Timestamp,
}

impl Role {
    fn new(keys: usize, threshold: usize) -> Self {
        Self {
            keys: (0..keys).map(|_| secrets::new_key()).collect(),
            threshold,
            signing: keys,
            version: 1,
            expires: Timestamp::now() + SignedDuration::from_hours(24),
        }
    }

    /// Replaces its keys.
    pub fn rotate(&mut self) {
        self.keys = self.keys.iter().map(|_| secrets::new_key()).collect();
    }
}

/// Its files by their paths, and what is answered instead.
type Files = Arc<Mutex<BTreeMap<String, Scripted>>>;

/// A repository with consistent snapshots. Its server runs until it is dropped.
pub struct Repository {
    pub server: Registry,
    pub root: Role,
    pub timestamp: Role,
    pub snapshot: Role,
    pub targets: Role,
    /// Whether the snapshot lists delegated targets, too.
    pub delegates: bool,
    files: Files,
}

impl Repository {
    /// With this target, everything in version 1.
    pub async fn start(target: &str) -> Self {
        Self::on(Registry::start().await, target)
    }

    /// The same on a server with other features.
    pub fn on(server: Registry, target: &str) -> Self {
        let files = Files::default();
        let shared = Arc::clone(&files);
        server.hook(move |request| {
            let found = shared.lock().unwrap().get(request.uri.path()).cloned();
            Some(found.unwrap_or_else(|| Scripted::status(404)))
        });
        let mut repository = Self {
            server,
            root: Role::new(3, 2),
            timestamp: Role::new(1, 1),
            snapshot: Role::new(1, 1),
            targets: Role::new(3, 2),
            delegates: true,
            files,
        };
        repository.publish_root(None);
        repository.publish(target);
        repository
    }

    /// The address of its metadata.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.host())
    }

    /// Root metadata as it is now.
    pub fn root_json(&self) -> String {
        self.files.lock().unwrap()[&format!("/{}.root.json", self.root.version)].text()
    }

    /// Answers a path with something else from now on.
    pub fn script(&self, path: &str, answer: Scripted) {
        self.files.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// The answer for a path.
    pub fn answer(&self, path: &str) -> Scripted {
        self.files.lock().unwrap()[path].clone()
    }

    pub fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    /// Everything that it has now.
    pub fn copy(&self) -> BTreeMap<String, Scripted> {
        self.files.lock().unwrap().clone()
    }

    /// Goes back to what it had.
    pub fn restore(&self, files: BTreeMap<String, Scripted>) {
        *self.files.lock().unwrap() = files;
    }

    /// Signs the roles' keys as the next version of the root, with those before too.
    pub fn next_root(&mut self, change: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.root, Role::new(0, 0));
        let copy = |key: &KeyPair| KeyPair::from_pem(&key.serialize_pem()).unwrap();
        self.root = Role {
            keys: before.keys.iter().map(copy).collect(),
            threshold: before.threshold,
            signing: before.signing,
            version: before.version + 1,
            expires: before.expires,
        };
        change(self);
        self.publish_root(Some(&before));
    }

    /// The next versions of everything but the root, with this target.
    pub fn publish_next(&mut self, target: &str) {
        for role in [&mut self.targets, &mut self.snapshot, &mut self.timestamp] {
            role.version += 1;
        }
        self.publish(target);
    }

    /// Targets, snapshot and timestamp, with the versions that the roles have.
    pub fn publish(&mut self, target: &str) {
        let digest = hex(&Sha256::digest(target.as_bytes()));
        self.put(&format!("/targets/{digest}.{TARGET}"), target);
        let entry = json!({ "length": target.len(), "hashes": { "sha256": digest } });
        let targets = self.sign("targets", &self.targets, json!({ "targets": { TARGET: entry } }));
        self.put(&format!("/{}.targets.json", self.targets.version), &targets);
        self.publish_snapshot(&pin(self.targets.version, &targets));
    }

    /// A snapshot with this entry for the targets, and its timestamp.
    pub fn publish_snapshot(&mut self, targets: &Value) {
        let mut meta = json!({ "meta": { "targets.json": targets } });
        if self.delegates {
            meta["meta"]["delegated.json"] = json!({ "version": 1 });
        }
        let snapshot = self.sign("snapshot", &self.snapshot, meta);
        self.put(&format!("/{}.snapshot.json", self.snapshot.version), &snapshot);
        self.publish_timestamp(&pin(self.snapshot.version, &snapshot));
    }

    /// A timestamp with this entry for the snapshot.
    pub fn publish_timestamp(&mut self, snapshot: &Value) {
        let meta = json!({ "meta": { "snapshot.json": snapshot } });
        let timestamp = self.sign("timestamp", &self.timestamp, meta);
        self.put("/timestamp.json", &timestamp);
    }

    fn put(&self, path: &str, text: &str) {
        self.script(path, Scripted::ok("application/json", text.to_owned()));
    }

    fn publish_root(&mut self, before: Option<&Role>) {
        let named = [
            ("root", &self.root),
            ("timestamp", &self.timestamp),
            ("snapshot", &self.snapshot),
            ("targets", &self.targets),
        ];
        let (mut keys, mut roles) = (Map::new(), Map::new());
        for (name, role) in named {
            let ids: Vec<String> = role.keys.iter().map(key_id).collect();
            for key in &role.keys {
                keys.insert(key_id(key), key_json(key));
            }
            roles.insert(name.to_owned(), json!({ "keyids": ids, "threshold": role.threshold }));
        }
        let content = json!({ "consistent_snapshot": true, "keys": keys, "roles": roles });
        let signed = signed("root", &self.root, content);
        let signers =
            before.into_iter().chain([&self.root]).flat_map(|role| role.keys.iter().take(role.signing));
        let root = envelope(&signed, signers);
        self.put(&format!("/{}.root.json", self.root.version), &root);
    }

    fn sign(&self, name: &str, role: &Role, content: Value) -> String {
        envelope(&signed(name, role, content), role.keys.iter().take(role.signing))
    }
}

/// The entry of metadata in other metadata.
pub fn pin(version: u64, text: &str) -> Value {
    json!({
        "version": version,
        "length": text.len(),
        "hashes": { "sha256": hex(&Sha256::digest(text.as_bytes())) },
    })
}

fn signed(name: &str, role: &Role, content: Value) -> Value {
    let mut signed = content;
    signed["_type"] = name.into();
    signed["spec_version"] = "1.0.31".into();
    signed["version"] = role.version.into();
    signed["expires"] = role.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    signed
}

fn envelope<'a>(signed: &Value, keys: impl Iterator<Item = &'a KeyPair>) -> String {
    let mut signatures = BTreeMap::new();
    for key in keys {
        let signing = SigningKey::from_pkcs8_der(key.serialized_der()).unwrap();
        let signature: Signature = signing.sign(canonical(signed).as_bytes());
        signatures.insert(key_id(key), hex(signature.to_der().as_bytes()));
    }
    let signatures: Vec<Value> =
        signatures.into_iter().map(|(keyid, sig)| json!({ "keyid": keyid, "sig": sig })).collect();
    json!({ "signatures": signatures, "signed": signed }).to_string()
}

/// OLPC's canonical JSON: serde_json sorts, and of what it escapes only line breaks occur here.
fn canonical(value: &Value) -> String {
    value.to_string().replace("\\n", "\n")
}

fn key_json(key: &KeyPair) -> Value {
    json!({ "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": key.public_key_pem() } })
}

fn key_id(key: &KeyPair) -> String {
    hex(&Sha256::digest(canonical(&key_json(key)).as_bytes()))
}
