//! Signatures that are written, found again and verified.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pullgate::digest::Digest;
use pullgate::keys::SigningKey;
use pullgate::reference::Repository;
use pullgate::registry::{Collected, Credentials, Registry as Client, RegistrySettings};
use pullgate::signature::{RepositoryIdentity, Subject, verify};
use pullgate::trust::{Algorithm, Authenticator, Key, PrivateKey, PssSalt};
use pullgate_sign::{Annotations, Attached, Layout, RECHECK_DELAY, SignError, SignRequest, Signed};
use serde_json::{Value, json};

use pullgate_test::registry::{Auth, INDEX, MANIFEST, Options, Registry, index};

mod bundle;
mod command;
mod contended;
mod hidden;
mod notation;
mod present;

fn key(name: &str, algorithm: Algorithm) -> SigningKey {
    let path = format!("{}/tests/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    SigningKey::in_memory(PrivateKey::from_pem(&text, algorithm, PssSalt::Length(32)).unwrap(), path)
}

fn authenticator(key: &SigningKey) -> Authenticator {
    let key = Key {
        public: key.public().clone(),
        not_before: None,
        not_after: None,
        origin: "test".to_owned(),
        remote: None,
    };
    Authenticator::new("test".to_owned(), vec![key]).unwrap()
}

fn client() -> Client {
    Client::new(RegistrySettings::default()).unwrap()
}

/// A new key.
fn new_key() -> SigningKey {
    let text = pullgate_test::secrets::new_key().serialize_pem();
    SigningKey::in_memory(
        PrivateKey::from_pem(&text, Algorithm::EcdsaSha256, PssSalt::default()).unwrap(),
        "new",
    )
}

async fn sign_in(
    layout: Layout,
    client: &Client,
    (repository, digest): (&Repository, &Digest),
    key: &SigningKey,
    annotations: &[&str],
) -> Result<Signed, SignError> {
    let annotations = Annotations::parse(annotations).unwrap();
    let credentials = &Credentials::anonymous();
    let order = SignRequest {
        repository,
        digest,
        layout,
        annotations: &annotations,
        credentials,
        recheck_delay: RECHECK_DELAY,
        notation: None,
        timestamps: None,
    };
    pullgate_sign::sign(client, &order, key).await
}

/// Signs in the classic layout.
async fn sign(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
    key: &SigningKey,
) -> Result<Attached, SignError> {
    let signed = sign_in(Layout::Classic, client, (repository, digest), key, &[]).await?;
    let [attached] = &signed.attached[..] else { panic!("{signed:?}") };
    Ok(attached.clone())
}

async fn collect(registry: &Registry, digest: &Digest) -> Collected {
    client().attachments(&registry.repository("team/app"), digest, &Credentials::anonymous()).await
}

/// How many of the signatures verify with the key.
fn verified(registry: &Registry, collected: &Collected, digest: &Digest, key: &SigningKey) -> usize {
    let repositories = [registry.repository("team/app").to_string()];
    let subject = Subject {
        digest,
        repositories: &repositories,
        content: ("", 0),
        annotations: &BTreeMap::new(),
        identity: RepositoryIdentity::default(),
    };
    let authenticator = authenticator(key);
    let count = |attachment| verify(attachment, &authenticator, &subject, Timestamp::UNIX_EPOCH).is_ok();
    collected.attachments.iter().filter(|attachment| count(attachment)).count()
}

#[tokio::test]
async fn each_kind_of_key_signs_once() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    let client = client();
    let keys = [
        key("throw-away-p256.key.pem", Algorithm::EcdsaSha256),
        key("throw-away-p384.key.pem", Algorithm::EcdsaSha384),
        key("throw-away-rsa-3072.key.pem", Algorithm::RsaPkcs1Sha256),
        key("throw-away-rsa-3072.key.pem", Algorithm::RsaPssSha256),
    ];
    for (number, key) in keys.iter().enumerate() {
        let first = sign(&client, &repository, &digest, key).await.unwrap();
        assert!(first.added);
        registry.forget_requests();
        let again = sign(&client, &repository, &digest, key).await.unwrap();
        assert_eq!((again.added, &again.manifest), (false, &first.manifest));
        assert!(registry.requests().iter().all(|request| request.method == "GET"), "{:?}", registry.lines());
        let collected = collect(&registry, &digest).await;
        assert!(collected.problems.is_empty(), "{:?}", collected.problems);
        assert_eq!(collected.attachments.len(), number + 1);
        assert_eq!(verified(&registry, &collected, &digest, key), 1);
    }
    // Laid out as cosign does.
    let tag = format!("sha256-{}.sig", digest.hex());
    let manifest: Value = serde_json::from_slice(&registry.tagged("team/app", &tag).unwrap()).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 4);
    let config = Digest::parse(manifest["config"]["digest"].as_str().unwrap()).unwrap();
    let config = registry.stored_blob("team/app", &config).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let layers: Vec<&Value> =
        manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["digest"]).collect();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().iter().collect::<Vec<_>>(), layers);
}

#[tokio::test]
async fn existing_signatures_are_kept() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let tag = format!("sha256-{}.sig", digest.hex());
    let layer = json!({
        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
        "digest": Digest::of(b"x").as_str(), "size": 1,
        "annotations": { "dev.cosignproject.cosign/signature": "AAAA", "dev.sigstore.cosign/bundle": "{}" },
    });
    let config = json!({ "mediaType": "x", "digest": Digest::of(b"{}").as_str(), "size": 2 });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
        "annotations": { "kept": "yes" },
    });
    let stored = registry.manifest("team/app", MANIFEST, manifest.to_string());
    registry.tag("team/app", &tag, &stored);
    let key = key("throw-away-p256.key.pem", Algorithm::EcdsaSha256);
    let repository = registry.repository("team/app");
    sign(&client(), &repository, &digest, &key).await.unwrap();
    let after: Value = serde_json::from_slice(&registry.tagged("team/app", &tag).unwrap()).unwrap();
    assert_eq!(after["layers"][0], layer);
    assert_eq!(after["layers"].as_array().unwrap().len(), 2);
    assert_eq!(after["annotations"]["kept"], "yes");
}

#[tokio::test]
async fn a_payload_is_stored_only_if_it_is_missing() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    sign(&client(), &repository, &digest, &new_key()).await.unwrap();
    for (is_missing, uploads) in [(false, 1), (true, 2)] {
        registry.hook(move |request| {
            (is_missing && request.method == "HEAD").then(|| pullgate_test::registry::Scripted::status(404))
        });
        registry.forget_requests();
        sign(&client(), &repository, &digest, &new_key()).await.unwrap();
        let count = |method: &str| registry.requests().iter().filter(|it| it.method == method).count();
        // POST and PUT of the payload, and PUT of the manifest.
        let found = (count("HEAD"), count("POST"), count("PUT"));
        assert_eq!(found, (1, uploads, uploads + 1), "{:?}", registry.lines());
    }
    assert_eq!(collect(&registry, &digest).await.attachments.len(), 3);
}

#[tokio::test]
async fn other_manifests_under_the_signature_tag_are_not_overwritten() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let tag = format!("sha256-{}.sig", digest.hex());
    let image = registry.image("team/app", "2", "two");
    let index = registry.manifest("team/app", INDEX, index(&[]));
    let key = key("throw-away-p256.key.pem", Algorithm::EcdsaSha256);
    for other in [image, index] {
        registry.tag("team/app", &tag, &other);
        let before = registry.tagged("team/app", &tag);
        let repository = registry.repository("team/app");
        let error = sign(&client(), &repository, &digest, &key).await.unwrap_err();
        assert!(matches!(error, SignError::NotOurs { .. }), "{error}");
        assert_eq!(registry.tagged("team/app", &tag), before);
    }
}

#[tokio::test]
#[cfg_attr(not(feature = "all-tests"), ignore = "takes long: `make test` runs it")]
async fn a_signer_that_lost_the_race_writes_again() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let tag = format!("sha256-{}.sig", digest.hex());
    let key = key("throw-away-p256.key.pem", Algorithm::EcdsaSha256);
    let repository = registry.repository("team/app");
    // The registry accepts the first write and drops it, as if another signer had overwritten it.
    let lost = std::sync::atomic::AtomicBool::new(false);
    let path = format!("/v2/team/app/manifests/{tag}");
    let own = path.clone();
    registry.hook(move |request| {
        let first = request.method == "PUT"
            && request.uri.path() == own
            && !lost.swap(true, std::sync::atomic::Ordering::Relaxed);
        first.then(|| pullgate_test::registry::Scripted::status(201))
    });
    let attached = sign(&client(), &repository, &digest, &key).await.unwrap();
    assert!(attached.added);
    let collected = collect(&registry, &digest).await;
    assert_eq!(verified(&registry, &collected, &digest, &key), 1);
    // If the registry never keeps a write, signing fails, and says what it shows.
    let other = registry.image("team/app", "2", "two");
    let prefix = "/v2/team/app/manifests/sha256-";
    registry.hook(move |request| {
        (request.method == "PUT" && request.uri.path().starts_with(prefix))
            .then(|| pullgate_test::registry::Scripted::status(201))
    });
    let error = sign(&client(), &repository, &other, &key).await.unwrap_err();
    let expected = format!(
        "the registry accepted 4 writes of tag sha256-{}.sig, but then returned nothing for this tag",
        other.hex()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn pushes_with_a_push_token() {
    let auth = Auth::bearer(Some("user:pg5ECRET"));
    let registry = Registry::with(Options { auth, ..Options::default() }).await;
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    let key = key("throw-away-p256.key.pem", Algorithm::EcdsaSha256);
    let credentials = Credentials::password("user", "pg5ECRET");
    let annotations = Annotations::default();
    let order = SignRequest {
        repository: &repository,
        digest: &digest,
        layout: Layout::Both,
        annotations: &annotations,
        credentials: &credentials,
        recheck_delay: RECHECK_DELAY,
        notation: None,
        timestamps: None,
    };
    assert!(pullgate_sign::sign(&client(), &order, &key).await.unwrap().is_new());
    let tokens: Vec<String> = registry
        .requests()
        .iter()
        .filter(|request| request.uri.path() == "/token")
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert!(tokens[0].contains("%3Apull%2Cpush"), "{tokens:?}");
    let error = sign(&client(), &repository, &digest, &key).await.unwrap_err();
    assert!(matches!(error, SignError::Registry(_)), "{error}");
}
