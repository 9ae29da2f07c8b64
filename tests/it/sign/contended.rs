//! Many concurrent signers of one digest, each with its own client: no signature is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pullgate_sign::Layout;
use tokio::sync::Barrier;

use super::{client, collect, new_key, sign_in, verified};
use pullgate_test::registry::{Options, Registry, Scripted};

const SIGNERS: usize = 12;

/// Signs one image with a key for each signer, and looks up all signatures.
async fn all_at_once(registry: &Registry, layout: Layout) {
    let digest = registry.image("team/app", "1", layout.name());
    let barrier = Arc::new(Barrier::new(SIGNERS));
    let signers: Vec<_> = (0..SIGNERS)
        .map(|_| {
            let (repository, digest) = (registry.repository("team/app"), digest.clone());
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                let (client, key) = (client(), new_key());
                barrier.wait().await;
                let signed = sign_in(layout, &client, (&repository, &digest), &key, &[]).await;
                (key, signed)
            })
        })
        .collect();
    let mut keys = Vec::new();
    for signer in signers {
        let (key, signed) = signer.await.unwrap();
        assert!(signed.unwrap().is_new());
        keys.push(key);
    }
    let collected = collect(registry, &digest).await;
    assert!(collected.problems.is_empty(), "{:?}", collected.problems);
    assert_eq!(collected.attachments.len(), SIGNERS, "{layout}");
    for key in &keys {
        assert_eq!(verified(registry, &collected, &digest, key), 1, "{layout}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_conditional_writes_no_signature_is_lost() {
    let registry = Registry::with(Options { conditions: true, ..Options::default() }).await;
    all_at_once(&registry, Layout::Classic).await;
    all_at_once(&registry, Layout::Bundle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_conditional_writes_no_signature_is_lost() {
    let registry = Registry::start().await;
    all_at_once(&registry, Layout::Classic).await;
    all_at_once(&registry, Layout::Bundle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_the_referrers_api_no_signature_is_lost() {
    let registry = Registry::with(Options { referrers: true, ..Options::default() }).await;
    all_at_once(&registry, Layout::Bundle).await;
}

/// A registry that refuses conditions that are met.
#[tokio::test]
async fn with_every_condition_refused_no_signature_is_lost() {
    let registry = Registry::start().await;
    registry.hook(|request| {
        let conditional = request.header("if-match").is_some() || request.header("if-none-match").is_some();
        conditional.then(|| Scripted::status(412))
    });
    let digest = registry.image("team/app", "1", "one");
    let repository = registry.repository("team/app");
    for layout in [Layout::Classic, Layout::Bundle] {
        let signed = sign_in(layout, &client(), (&repository, &digest), &new_key(), &[]).await.unwrap();
        assert!(signed.is_new());
    }
    assert_eq!(collect(&registry, &digest).await.attachments.len(), 2);
}

/// Another signer, such as cosign, that read before us and writes after us.
#[tokio::test]
async fn a_signature_that_a_slow_signer_overwrites_is_added_again() {
    for layout in [Layout::Classic, Layout::Bundle] {
        let registry = Arc::new(Registry::start().await);
        let digest = registry.image("team/app", "1", "one");
        let repository = registry.repository("team/app");
        let (key, slow) = (new_key(), new_key());
        // The slow one signs first; its manifest is put in place again after our write.
        sign_in(layout, &client(), (&repository, &digest), &slow, &[]).await.unwrap();
        let suffix = if layout == Layout::Classic { ".sig" } else { "" };
        let tag = format!("sha256-{}{suffix}", digest.hex());
        let its = pullgate::digest::Digest::of(&registry.tagged("team/app", &tag).unwrap());
        let (writes, done) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
        let (path, seen) = (format!("/v2/team/app/manifests/{tag}"), Arc::clone(&done));
        registry.hook(move |request| {
            if request.method == "PUT" && request.uri.path() == path {
                seen.store(writes.fetch_add(1, Ordering::Relaxed) == 0, Ordering::Relaxed);
            }
            None
        });
        let (behind, shared) = (Arc::clone(&registry), Arc::clone(&done));
        let (image, again) = (tag.clone(), its.clone());
        let slow_write = tokio::spawn(async move {
            while !shared.load(Ordering::Relaxed) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            behind.tag("team/app", &image, &again);
        });
        assert!(sign_in(layout, &client(), (&repository, &digest), &key, &[]).await.unwrap().is_new());
        slow_write.await.unwrap();
        let collected = collect(&registry, &digest).await;
        for key in [&key, &slow] {
            assert_eq!(verified(&registry, &collected, &digest, key), 1, "{layout}");
        }
    }
}

/// distribution with file storage answers like this while another request writes the link of a blob.
#[tokio::test]
async fn a_refusal_of_a_half_written_blob_is_retried() {
    for layout in [Layout::Classic, Layout::Bundle] {
        let registry = Registry::start().await;
        let refused = AtomicUsize::new(0);
        registry.hook(move |request| {
            let first = request.method == "PUT"
                && request.uri.path().contains("/manifests/")
                && refused.fetch_add(1, Ordering::Relaxed) == 0;
            first.then(|| {
                let mut answer = Scripted::ok(
                    "application/json",
                    r#"{"errors":[{"code":"DIGEST_INVALID","message":"x"}]}"#,
                );
                answer.status = 400;
                answer
            })
        });
        let digest = registry.image("team/app", "1", "one");
        let repository = registry.repository("team/app");
        let signed = sign_in(layout, &client(), (&repository, &digest), &new_key(), &[]).await.unwrap();
        assert!(signed.is_new(), "{layout}");
        assert_eq!(collect(&registry, &digest).await.attachments.len(), 1, "{layout}");
    }
}
