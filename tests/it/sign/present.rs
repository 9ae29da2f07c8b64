//! What counts as a signature that exists already: one that verifiers accept, judged by its bytes.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use pullgate::signature::{Attachment, EnvelopeType};
use pullgate::trust::x509::Store;
use pullgate_net::service::ServiceSettings;
use pullgate_sign::{Cooldown, TimestampAuthority};
use pullgate_signer::TimestampSettings;

use pullgate_test::registry::Scripted;
use pullgate_test::signer;
use pullgate_test::sigstore::TimestampService;

use super::notation::{Author, attached, authority};
use super::*;

/// Signs with a bundle that has a timestamp, and returns whether one was added.
async fn adds_bundle(
    registry: &Registry,
    digest: &Digest,
    key: &SigningKey,
    timestamps: &TimestampAuthority,
) -> bool {
    let order = SignRequest {
        repository: &registry.repository("team/app"),
        digest,
        layout: Layout::Bundle,
        annotations: &Annotations::default(),
        credentials: &Credentials::anonymous(),
        recheck_delay: Duration::ZERO,
        notation: None,
        timestamps: Some(timestamps),
    };
    pullgate_sign::sign(&client(), &order, key).await.unwrap().is_new()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_whose_timestamp_is_not_valid_is_signed_again() {
    let (tsa, other) = (TimestampService::start().await, TimestampService::start().await);
    let (own, stranger) = (authority(&tsa, &tsa.root()), authority(&other, &other.root()));
    let (registry, key) = (Registry::start().await, new_key());
    let digest = registry.image("team/app", "1", "one");
    assert!(adds_bundle(&registry, &digest, &key, &stranger).await);
    assert!(adds_bundle(&registry, &digest, &key, &own).await, "a timestamp of another authority");
    assert!(!adds_bundle(&registry, &digest, &key, &own).await);
    // The timestamp of one signature beside another signature.
    let bundles: Vec<Value> = attached(&registry, &digest)
        .await
        .into_iter()
        .map(|attachment| match attachment {
            Attachment::Bundle { document, .. } => serde_json::from_slice(&document).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    let second = registry.image("team/app", "2", "two");
    let stamps = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
    let stamp_of = |bundle: &Value| bundle.pointer(stamps).unwrap().clone();
    assert!(adds_bundle(&registry, &second, &key, &own).await);
    let [Attachment::Bundle { document, .. }] = &attached(&registry, &second).await[..] else { panic!() };
    let mut moved: Value = serde_json::from_slice(document).unwrap();
    let good = stamp_of(&moved);
    for (what, wanted, adds) in [
        ("of another signature", stamp_of(&bundles[0]), true),
        ("of another signature of this image", stamp_of(&bundles[1]), true),
        ("none", json!([]), true),
        ("no timestamp", json!([{ "signedTimestamp": "AAAA" }]), true),
        ("its own", good, false),
    ] {
        *moved.pointer_mut(stamps).unwrap() = wanted;
        signer::attach_bundle(&registry, "team/app", &second, &moved.to_string());
        assert_eq!(adds_bundle(&registry, &second, &key, &own).await, adds, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_counts_as_what_its_bytes_are() {
    let (directory, registry) = (tempfile::tempdir().unwrap(), Registry::start().await);
    let digest = registry.image("team/app", "1", "one");
    let mut author = Author::of(directory.path(), EnvelopeType::Jws);
    assert!(author.sign(&registry, &digest, None).await.unwrap().added);
    let [Attachment::Notation { document, .. }] = &attached(&registry, &digest).await[..] else { panic!() };
    let manifest = signer::notation_manifest(&registry, "team/app", &digest, document);
    let manifest = String::from_utf8(manifest.to_vec()).unwrap();
    // notation decides by the media type, which is not signed.
    let relabelled = manifest.replace("application/jose+json", "application/cose");
    assert_ne!(relabelled, manifest);
    for (envelope, what, referrer, adds) in [
        (EnvelopeType::Jws, "well labelled", &manifest, false),
        (EnvelopeType::Jws, "relabelled", &relabelled, true),
        (EnvelopeType::Cose, "relabelled", &relabelled, true),
        (EnvelopeType::Cose, "of the other encoding", &manifest, true),
    ] {
        author.options.envelope = envelope;
        signer::refer(&registry, "team/app", &digest, referrer.clone().into());
        assert_eq!(author.sign(&registry, &digest, None).await.unwrap().added, adds, "{envelope:?} {what}");
        let again = author.sign(&registry, &digest, None).await.unwrap();
        assert!(!again.added, "{envelope:?} {what}: once is enough");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_that_expires_soon_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut author = Author::new(directory.path());
    let minutes = |minutes| Some(SignedDuration::from_mins(minutes));
    for (first, second, adds) in [
        (minutes(40), minutes(90), false),
        // Less than a third is left.
        (minutes(20), minutes(90), true),
        (None, minutes(90), false),
        (minutes(90), None, true),
    ] {
        let registry = Registry::start().await;
        let digest = registry.image("team/app", "1", "one");
        author.options.expires_in = first;
        assert!(author.sign(&registry, &digest, None).await.unwrap().added);
        author.options.expires_in = second;
        assert_eq!(author.sign(&registry, &digest, None).await.unwrap().added, adds, "{first:?} {second:?}");
        assert!(!author.sign(&registry, &digest, None).await.unwrap().added, "{first:?} {second:?}");
    }
}

/// Anybody who may push can attach it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_for_a_signature_does_not_prevent_one() {
    let directory = tempfile::tempdir().unwrap();
    let author = Author::new(directory.path());
    let megabyte = 1 << 20;
    for (what, sizes) in
        [("one above the limit", vec![megabyte + 1]), ("more than the total", vec![megabyte; 9])]
    {
        let (registry, key) = (Registry::start().await, new_key());
        let digest = registry.image("team/app", "1", "one");
        let bundles = sizes.iter().enumerate().map(|(number, size)| {
            let bundle = format!("{number}").repeat(*size);
            signer::bundle_manifest(&registry, "team/app", &digest, &bundle)
        });
        signer::refer_all(&registry, "team/app", &digest, bundles.collect::<Vec<_>>());
        let repository = registry.repository("team/app");
        for adds in [true, false] {
            let signed = sign_in(Layout::Bundle, &client(), (&repository, &digest), &key, &[]).await;
            assert_eq!(signed.unwrap().is_new(), adds, "{what}");
            assert_eq!(author.sign(&registry, &digest, None).await.unwrap().added, adds, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_address_of_a_timestamp_authority_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, author) = (Registry::start().await, Author::new(directory.path()));
    let digest = registry.image("team/app", "1", "one");
    let tsa = TimestampService::start().await;
    let mut roots = Store::default();
    roots.add(tsa.root().as_bytes()).unwrap();
    let url = format!("{}?token={}", tsa.url(), "pg5ECRET-query");
    let cooldown = Arc::new(Cooldown::default());
    let timestamps = TimestampAuthority::new(&url, roots, ServiceSettings::default()).unwrap();
    let timestamps = timestamps.with_cooldown(cooldown);
    let mut shown = format!("{timestamps:?}");
    for answer in
        [Scripted::ok("application/timestamp-reply", "<html>"), Scripted::status(503), Scripted::status(503)]
    {
        tsa.server.hook(move |_| Some(answer.clone()));
        let error = author.sign(&registry, &digest, Some(&timestamps)).await.unwrap_err();
        shown.push_str(&format!("\n{}\n{error:?}", pullgate_core::untrusted::error_chain(&error)));
    }
    assert!(shown.contains("so no new request is sent for a short time"), "{shown}");
    assert_eq!(tsa.server.requests().len(), 2, "not during the cooldown");
    assert!(tsa.server.requests().iter().all(|request| request.line().contains("pg5ECRET-query")));
    let settings = TimestampSettings { url, roots: Vec::new() };
    shown.push_str(&format!("{settings:?}"));
    assert!(
        shown.contains(&tsa.url()) && !shown.contains("pg5ECRET") && !shown.contains("token="),
        "{shown}"
    );
}
