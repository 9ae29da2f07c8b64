//! Keys in a key service: pinned, fetched, stored, and confirmed by the service if the policy requires it.

use std::path::PathBuf;
use std::time::Duration;

use pullgate::alibaba::Identity;
use pullgate::config::{self, KnownKeys, Survey};
use pullgate::digest::Digest;
use pullgate::gate::{Gate, NoContent, Pinned, Present, PresentVerdict, Refusal};
use pullgate::keys::{
    self, Bounds, KeyCache, KeySettings, KmsSettings, RemoteVerifier, TransitSettings, VaultAuth,
};
use pullgate::ledger::{Ledger, LedgerSettings};
use pullgate::service;
use pullgate::trust::{Algorithm, PssSalt, PublicKey};

use pullgate_test::gate;
use pullgate_test::kms::Kms;
use pullgate_test::registry::{Recorded, Registry, Scripted};
use pullgate_test::secrets::{self, Secret};
use pullgate_test::signer::{Signer, key_file, sign_classic};
use pullgate_test::world::World as Node;

pub(crate) mod confirmed;
pub(crate) mod daemon;
pub(crate) mod pinned;
mod vault;

/// A node, and KMS with the key `p256`.
struct World {
    node: Node,
    kms: Kms,
}

pullgate_test::extends_world!(World, node);

impl World {
    async fn new() -> Self {
        Self { node: Node::builder().without_policy().start().await, kms: Kms::start("p256").await }
    }

    fn cache(&self) -> KeyCache {
        KeyCache::new(self.directory.path().join("keys"))
    }

    /// Settings with KMS's access key, and limits that a test reaches quickly.
    fn settings(&self) -> KeySettings {
        let identity =
            Identity::Key { id: "LTAI".to_owned(), secret_file: self.secret("secret", "pg5ECRET-key") };
        let bounds = Bounds { deadline: Duration::from_secs(20), rate: 1000, concurrency: 8 };
        let service = service::ServiceSettings { answer: 8 << 10, ..service::ServiceSettings::default() };
        let kms = KmsSettings {
            identity,
            service: service.clone(),
            bounds: bounds.clone(),
            ..KmsSettings::default()
        };
        let login = VaultAuth::TokenFile(self.secret("token", "hvs.pg5ECRET-token"));
        let transit = TransitSettings { login, service, bounds, ..TransitSettings::default() };
        KeySettings { kms, transit, ..KeySettings::default() }
    }

    fn secret(&self, name: &str, text: impl Into<Secret>) -> PathBuf {
        secrets::file(&self.directory, name, text)
    }

    fn write_policy(&self, text: &str) -> PathBuf {
        let root = self.directory.path().join("etc");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("policy.toml"), text).unwrap();
        root
    }

    /// A policy that requires `release`, whose key is in KMS, with these additional lines.
    fn policy(&self, more: &str) -> String {
        policy_of(&self.registry, &self.kms.location(), &fingerprint("p256", Algorithm::EcdsaSha256), more)
    }

    fn survey(&self, text: &str) -> Survey {
        let root = self.write_policy(text);
        let known = KnownKeys { cache: self.cache(), ..KnownKeys::default() };
        config::survey_policy(&root, &known, jiff::Timestamp::now(), pullgate::trust::ROOT_NOTICE)
    }

    /// Fetches the keys of a policy, and returns the report about each.
    async fn fetch(&self, text: &str) -> Vec<Result<(), String>> {
        self.fetch_within(text, Duration::from_secs(20)).await
    }

    async fn fetch_within(&self, text: &str, limit: Duration) -> Vec<Result<(), String>> {
        let missing = self.survey(text).missing();
        let results = keys::fetch(&missing, &self.cache(), &self.settings(), limit, false).await;
        results
            .into_iter()
            .map(|result| result.map_err(|error| pullgate_core::untrusted::error_chain(&error)))
            .collect()
    }

    /// A gate as after a start, with a policy whose keys are stored.
    async fn gate(&self, more: &str) -> Gate {
        self.gate_with(&self.policy(more)).await
    }

    async fn gate_with(&self, text: &str) -> Gate {
        for result in self.fetch(text).await {
            result.unwrap();
        }
        let settings = LedgerSettings::of(&self.directory.path().join("ledger"));
        let gate = gate::restarted(Ledger::open(&settings).unwrap())
            .with_remote_verifier(RemoteVerifier::new(self.settings()));
        self.set_policy(&gate, text);
        gate
    }

    fn set_policy(&self, gate: &Gate, text: &str) {
        gate.set_policy(
            self.survey(text).loaded.unwrap_or_else(|problems| panic!("{text}\n{problems}")).policy,
        );
    }

    /// An image that the key in KMS has signed: its digest and its id.
    fn signed(&self, name: &str) -> (Digest, Digest) {
        let digest = self.registry.image(&format!("team/{name}"), "1", name);
        sign_classic(
            &self.registry,
            &format!("team/{name}"),
            &digest,
            &Signer::of("p256", Algorithm::EcdsaSha256),
        );
        (digest, Digest::of(format!("{{\"comment\":\"{name}\"}}").as_bytes()))
    }

    fn name(&self, name: &str) -> String {
        self.image(&format!("team/{name}:1"))
    }

    async fn admit(&self, gate: &Gate, name: &str) -> Result<Pinned, Refusal> {
        gate::admit(gate, &self.name(name)).await
    }

    /// Admits and pulls: the runtime reports the image `id`.
    async fn pull(&self, gate: &Gate, name: &str, id: &Digest) -> Result<(), Refusal> {
        gate::pull(gate, &self.name(name), id, &NoContent).await.map(drop)
    }

    async fn check_present(&self, gate: &Gate, name: &str, id: &Digest) -> Result<PresentVerdict, Refusal> {
        let present = Present { id: id.to_string(), repo_tags: vec![self.name(name)], ..Present::default() };
        gate.check_present(&self.name(name), &present, None).await
    }

    /// Sets KMS's answer to AsymmetricVerify.
    fn answers(&self, answer: impl Fn() -> Option<Scripted> + Send + Sync + 'static) {
        self.kms.answers(move |request, _| is_verify(request).then(&answer).flatten());
    }

    /// The number of AsymmetricVerify requests.
    fn confirmations(&self) -> usize {
        self.kms.server.requests().iter().filter(|request| is_verify(request)).count()
    }
}

fn is_verify(request: &Recorded) -> bool {
    request.header("x-acs-action") == Some("AsymmetricVerify")
}

fn policy_of(registry: &Registry, place: &str, fingerprint: &str, more: &str) -> String {
    format!(
        "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\n{more}\n\
         keys = [{{ source = \"{place}\", fingerprint = \"{fingerprint}\" }}]\n\
         [[namespace]]\nscope = \"{}/team\"\nrequire = {{ all = [\"release\"] }}\n",
        registry.host(),
    )
}

fn public(name: &str) -> String {
    std::fs::read_to_string(key_file(name, "pub")).unwrap()
}

fn fingerprint(name: &str, algorithm: Algorithm) -> String {
    let key = PublicKey::from_pem(&public(name), algorithm, PssSalt::default()).unwrap();
    key.fingerprint().to_owned()
}

fn code<T>(decided: &Result<T, Refusal>) -> &'static str {
    decided.as_ref().err().map_or("admitted", |refusal| refusal.reason().code())
}
