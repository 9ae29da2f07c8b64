//! Evidence: what is decided without the registry, and what is not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate::gate::{Content, Gate, Pinned, Present, PresentVerdict, Refusal, Target};
use pullgate::ledger::{self, Ledger};
use pullgate::trust::Algorithm;

use pullgate_test::gate;
use pullgate_test::policy::{self, Authenticator, RELEASE};
use pullgate_test::registry::{INDEX, MANIFEST, descriptor, index, manifest};
use pullgate_test::signer::{Signer, key_file, sign_bundle, sign_classic};
use pullgate_test::world::World as Node;

mod attested;
mod break_glass;
mod cached;
mod damage;
mod decided;
pub(crate) mod disk;
mod kills;
mod looking;
mod rules;

/// A node, and the content of its runtime.
struct World {
    node: Node,
    held: Held,
}

pullgate_test::extends_world!(World, node);

/// The records and manifests of a runtime.
#[derive(Clone, Default)]
struct Held {
    records: Vec<Target>,
    manifests: BTreeMap<String, Bytes>,
}

impl Content for Held {
    async fn targets(&self, _names: &[&str]) -> Result<Vec<Target>, String> {
        Ok(self.records.clone())
    }

    async fn read(&self, digest: &Digest, _size: u64) -> Result<Option<Bytes>, String> {
        Ok(self.manifests.get(digest.as_str()).cloned())
    }
}

impl World {
    async fn new() -> Self {
        Self { node: Node::builder().without_policy().start().await, held: Held::default() }
    }

    fn ledger_directory(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger")
    }

    fn settings(&self) -> ledger::LedgerSettings {
        ledger::LedgerSettings::of(&self.ledger_directory())
    }

    /// A gate as after a restart, with only the directory of an earlier one. Its policy requires `release`
    /// (P-256) for `team` and `other`, and allows `free` unsigned.
    fn gate(&self) -> Gate {
        self.gate_with(Ledger::open(&self.settings()).unwrap())
    }

    fn gate_with(&self, ledger: Ledger) -> Gate {
        let gate = gate::restarted(ledger);
        self.set_policy(&gate, &[RELEASE], r#"all = ["release"]"#, "");
        gate
    }

    fn set_policy(&self, gate: &Gate, keys: &[Authenticator<'_>], required: &str, more: &str) {
        let host = self.registry.host();
        let mut text = "default = \"deny\"\n".to_owned();
        text.extend(keys.iter().map(Authenticator::to_string));
        for scope in ["team", "other"] {
            text += &format!("[[namespace]]\nscope = \"{host}/{scope}\"\nrequire = {{ {required} }}\n");
        }
        text += &format!(
            "[[namespace]]\nscope = \"{host}/free\"\nallow = \"unsigned\"\nreason = \"a test\"\n{}\n",
            more.replace("%HOST", &host)
        );
        gate.set_policy(policy::load(self.directory.path(), &text));
    }

    async fn admit(&self, gate: &Gate, rest: &str) -> Result<Pinned, Refusal> {
        gate::admit(gate, &self.image(rest)).await
    }

    /// Admits and pulls: the runtime reports the image `id`.
    async fn pull(&self, gate: &Gate, rest: &str, id: &Digest) -> Result<Pinned, Refusal> {
        gate::pull(gate, &self.image(rest), id, &self.held).await
    }

    /// Pushes a signed image: its digest and its id in a runtime.
    fn signed(&self, path: &str, content: &str) -> (Digest, Digest) {
        let digest = self.registry.image(path, "1", content);
        sign_classic(&self.registry, path, &digest, &p256());
        (digest, config_of(content))
    }

    /// An index of one image for this platform and one for another, signed as a whole.
    fn signed_index(&mut self, path: &str, content: &str) -> (Digest, Digest) {
        let children = [content.to_owned(), format!("{content} for another platform")].map(|content| {
            let config = self.registry.blob(path, format!("{{\"comment\":\"{content}\"}}"));
            let bytes = manifest(&[], &config, None);
            (self.registry.manifest(path, MANIFEST, bytes.clone()), bytes)
        });
        let listed: Vec<_> =
            children.iter().map(|(digest, bytes)| descriptor((digest, bytes.len(), MANIFEST, &[]))).collect();
        let whole = index(&listed);
        let digest = self.registry.manifest(path, INDEX, whole.clone());
        let size = u64::try_from(whole.len()).unwrap();
        self.held.records.push(Target { digest: digest.clone(), size, media_type: INDEX.to_owned() });
        self.held.manifests.insert(digest.to_string(), whole);
        self.registry.tag(path, "1", &digest);
        sign_bundle(&self.registry, path, &digest, &p256());
        let (child, bytes) = &children[0];
        self.held.manifests.insert(child.to_string(), bytes.clone());
        (digest, config_of(content))
    }

    async fn check_present(
        &self,
        gate: &Gate,
        requested: &str,
        id: &Digest,
    ) -> Result<PresentVerdict, Refusal> {
        let present = gate.read_content(present(id, &[]), &self.held).await;
        gate.check_present(requested, &present, None).await
    }
}

fn p256() -> Signer {
    Signer::of("p256", Algorithm::EcdsaSha256)
}

/// The id of an image of [`Registry::image`].
fn config_of(content: &str) -> Digest {
    Digest::of(format!("{{\"comment\":\"{content}\"}}").as_bytes())
}

/// An image as a runtime reports it, under these names.
fn present(id: &Digest, names: &[&str]) -> Present {
    let (repo_digests, repo_tags) =
        names.iter().map(|name| (*name).to_owned()).partition(|name: &String| name.contains('@'));
    Present { id: id.to_string(), repo_tags, repo_digests, ..Present::default() }
}

fn reason(decided: &Result<PresentVerdict, Refusal>) -> &'static str {
    match decided {
        Ok(decision) => decision.reason().code(),
        Err(refusal) => refusal.reason().code(),
    }
}

/// The files below a directory, sorted.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// The evidence files.
fn entries(world: &World) -> Vec<std::path::PathBuf> {
    files(&world.ledger_directory().join("entries"))
}
