//! Sigstore bundles: with the referrers API, and with its fallback tag.

use pullgate::registry::Credentials;
use pullgate::trust::Algorithm;
use pullgate_sign::{Layout, SignError};
use serde_json::Value;

use super::{client, collect, key, new_key, sign_in, verified};
use pullgate_test::registry::{INDEX, Options, Registry, descriptor};
use pullgate_test::signer::{self, Signer};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

#[tokio::test]
async fn each_kind_of_key_signs_once_with_and_without_the_api() {
    for referrers in [true, false] {
        let registry = Registry::with(Options { referrers, ..Options::default() }).await;
        let digest = registry.image("team/app", "1", "one");
        let repository = registry.repository("team/app");
        let keys = [
            key("throw-away-p256.key.pem", Algorithm::EcdsaSha256),
            key("throw-away-p384.key.pem", Algorithm::EcdsaSha384),
            key("throw-away-rsa-3072.key.pem", Algorithm::RsaPkcs1Sha256),
            key("throw-away-rsa-3072.key.pem", Algorithm::RsaPssSha256),
            key("throw-away-ed25519.key.pem", Algorithm::Ed25519),
        ];
        let tag = format!("sha256-{}", digest.hex());
        for (number, key) in keys.iter().enumerate() {
            let sign = async || sign_in(Layout::Bundle, &client(), (&repository, &digest), key, &[]).await;
            let first = sign().await.unwrap();
            assert!(first.is_new());
            assert_eq!(first.attached[0].tag, (!referrers).then(|| tag.clone()));
            registry.forget_requests();
            let again = sign().await.unwrap();
            assert!(!again.is_new());
            assert_eq!(again.attached[0].manifest, first.attached[0].manifest);
            assert!(
                registry.requests().iter().all(|request| request.method == "GET"),
                "{:?}",
                registry.lines()
            );
            let collected = collect(&registry, &digest).await;
            assert!(collected.problems.is_empty(), "{:?}", collected.problems);
            assert_eq!(collected.attachments.len(), number + 1);
            assert_eq!(verified(&registry, &collected, &digest, key), 1);
        }
        assert_eq!(registry.tagged("team/app", &tag).is_some(), !referrers, "the API needs no tag");
    }
}

#[tokio::test]
async fn the_layout_is_the_one_of_cosign() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    let key = key("throw-away-p256.key.pem", Algorithm::EcdsaSha256);
    let signed = sign_in(Layout::Bundle, &client(), (&repository, &digest), &key, &[]).await.unwrap();
    let tag = format!("sha256-{}", digest.hex());
    let index: Value = serde_json::from_slice(&registry.tagged("team/app", &tag).unwrap()).unwrap();
    assert_eq!(index["mediaType"], INDEX);
    let [entry] = &index["manifests"].as_array().unwrap()[..] else { panic!("{index}") };
    assert_eq!(entry["artifactType"], BUNDLE);
    assert_eq!(entry["digest"], signed.attached[0].manifest.as_str());
    let manifest = client()
        .writer(&repository, &Credentials::anonymous())
        .get_manifest_optional(pullgate::registry::Target::Digest(&signed.attached[0].manifest))
        .await
        .unwrap()
        .unwrap();
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let cosigns = include_bytes!("../../fixtures/cosign/bundle-p256/signature-manifest.json");
    let cosigns: Value = serde_json::from_slice(cosigns).unwrap();
    for field in ["schemaVersion", "mediaType", "artifactType"] {
        assert_eq!(manifest[field], cosigns[field], "{field}");
    }
    for field in ["mediaType", "digest", "size"] {
        assert_eq!(manifest["config"][field], cosigns["config"][field], "{field} of the config");
    }
    assert_eq!(manifest["layers"][0]["mediaType"], cosigns["layers"][0]["mediaType"]);
    assert_eq!(manifest["subject"]["digest"], digest.as_str());
    let image = registry.tagged("team/app", "1").unwrap();
    assert_eq!(manifest["subject"]["size"], image.len());
    let mut annotations = cosigns["annotations"].clone();
    annotations.as_object_mut().unwrap().remove("org.opencontainers.image.created");
    assert_eq!(manifest["annotations"], annotations);
}

#[tokio::test]
async fn other_annotations_make_another_signature() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    let key = new_key();
    for layout in [Layout::Classic, Layout::Bundle] {
        let sign = async |annotations: &[&str]| {
            sign_in(layout, &client(), (&repository, &digest), &key, annotations).await
        };
        for (annotations, new) in [
            (&[][..], true),
            (&["build=42", "commit=<abc>"], true),
            (&["commit=<abc>", "build=42"], false),
            (&["build=43", "commit=<abc>"], true),
            (&["build=42"], true),
            (&[], false),
        ] {
            let signed = sign(annotations).await.unwrap();
            assert_eq!(signed.is_new(), new, "{layout} {annotations:?}");
        }
    }
    let collected = collect(&registry, &digest).await;
    assert!(collected.problems.is_empty(), "{:?}", collected.problems);
    assert_eq!(verified(&registry, &collected, &digest, &key), 8);
}

#[tokio::test]
async fn each_layout_is_added_once() {
    let registry = Registry::with(Options { referrers: true, ..Options::default() }).await;
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    let key = new_key();
    let sign = async |layout| {
        let signed = sign_in(layout, &client(), (&repository, &digest), &key, &[]).await.unwrap();
        signed.attached.iter().map(|attached| (attached.layout, attached.added)).collect::<Vec<_>>()
    };
    assert_eq!(sign(Layout::Bundle).await, [(Layout::Bundle, true)]);
    assert_eq!(sign(Layout::Both).await, [(Layout::Classic, true), (Layout::Bundle, false)]);
    assert_eq!(sign(Layout::Both).await, [(Layout::Classic, false), (Layout::Bundle, false)]);
    assert_eq!(collect(&registry, &digest).await.attachments.len(), 2);
}

/// Attachments of other tools and signers stay, and a look-alike of our signature does not count.
#[tokio::test]
async fn existing_bundles_are_kept_and_not_trusted() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    let signer = Signer::of("p256", Algorithm::EcdsaSha256);
    let own = key("throw-away-p256.key.pem", Algorithm::EcdsaSha256);
    // Of another digest, and an attestation: both by this key.
    let other = registry.image("team/app", "2", "two");
    signer::sign_bundle(&registry, "team/app", &other, &signer);
    signer::attach_bundle(
        &registry,
        "team/app",
        &digest,
        &signer::bundle(&digest, "https://example.com/not-a-signature", &signer),
    );
    let tag = format!("sha256-{}", digest.hex());
    let index: Value = serde_json::from_slice(&registry.tagged("team/app", &tag).unwrap()).unwrap();
    let attestation = index["manifests"][0].clone();
    let foreign = registry.manifest("team/app", INDEX, "{}");
    let foreign = descriptor((&foreign, 2, "application/x", &[("a", "b")]));
    let mut index = index;
    index["manifests"].as_array_mut().unwrap().push(foreign.clone());
    index["annotations"] = serde_json::json!({ "kept": "yes" });
    let stored = registry.manifest("team/app", INDEX, index.to_string());
    registry.tag("team/app", &tag, &stored);
    assert!(sign_in(Layout::Bundle, &client(), (&repository, &digest), &own, &[]).await.unwrap().is_new());
    assert!(!sign_in(Layout::Bundle, &client(), (&repository, &digest), &own, &[]).await.unwrap().is_new());
    let after: Value = serde_json::from_slice(&registry.tagged("team/app", &tag).unwrap()).unwrap();
    assert_eq!(after["manifests"][0], attestation);
    assert_eq!(after["manifests"][1], foreign);
    assert_eq!(after["manifests"].as_array().unwrap().len(), 3);
    assert_eq!(after["annotations"]["kept"], "yes");
    // A signature by the same key is recognised in the form of another program.
    assert!(!sign_in(Layout::Bundle, &client(), (&repository, &other), &own, &[]).await.unwrap().is_new());
}

#[tokio::test]
async fn a_tag_of_an_image_is_not_overwritten() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let image = registry.image("team/app", "2", "two");
    let repository = registry.repository("team/app");
    let tag = format!("sha256-{}", digest.hex());
    registry.tag("team/app", &tag, &image);
    let before = registry.tagged("team/app", &tag);
    let error =
        sign_in(Layout::Bundle, &client(), (&repository, &digest), &new_key(), &[]).await.unwrap_err();
    assert!(matches!(error, SignError::NotOurs { .. }), "{error}");
    assert_eq!(registry.tagged("team/app", &tag), before);
}

#[tokio::test]
async fn a_missing_image_is_not_signed() {
    let registry = Registry::start().await;
    let repository = registry.repository("team/app");
    let digest = pullgate::digest::Digest::of(b"nothing");
    for layout in Layout::ALL {
        let error = sign_in(layout, &client(), (&repository, &digest), &new_key(), &[]).await.unwrap_err();
        assert!(matches!(error, SignError::NoImage { .. }), "{layout}: {error}");
    }
    assert!(registry.requests().iter().all(|request| request.method == "GET"), "{:?}", registry.lines());
}
