//! Registries that hide what does not exist, or show something else in its place.

use pullgate_sign::{Layout, SignError};

use super::{client, collect, new_key, sign_in, verified};
use pullgate_test::registry::{Absent, INDEX, Options, Registry, Scripted, descriptor, index};

async fn that_shows(absent: Absent) -> Registry {
    Registry::with(Options { absent, ..Options::default() }).await
}

fn writes(registry: &Registry) -> usize {
    let is_tag = |path: &str| path.contains("/manifests/sha256-");
    registry.requests().iter().filter(|it| it.method == "PUT" && is_tag(it.uri.path())).count()
}

#[tokio::test]
async fn b16_a_registry_that_answers_403_for_absent_tags_gets_its_signatures() {
    let registry = that_shows(Absent::Forbidden).await;
    let (digest, repository) = (registry.image("team/app", "1", "one"), registry.repository("team/app"));
    let keys = [new_key(), new_key()];
    for key in &keys {
        for new in [true, false] {
            let signed = sign_in(Layout::Both, &client(), (&repository, &digest), key, &[]).await.unwrap();
            assert_eq!(signed.is_new(), new);
        }
    }
    assert_eq!(writes(&registry), 4, "one for each key and layout: {:?}", registry.lines());
    let collected = collect(&registry, &digest).await;
    for key in &keys {
        assert_eq!(verified(&registry, &collected, &digest, key), 2);
    }
}

#[tokio::test]
async fn b16_a_tag_that_is_refused_although_it_exists_is_not_written() {
    for layout in [Layout::Classic, Layout::Bundle] {
        let registry = Registry::start().await;
        let (digest, repository) = (registry.image("team/app", "1", "one"), registry.repository("team/app"));
        let tags = [format!("sha256-{}", digest.hex()), format!("sha256-{}.sig", digest.hex())];
        registry.hook(move |request| {
            let read = request.method == "GET" && tags.iter().any(|tag| request.uri.path().ends_with(tag));
            read.then(|| Scripted::status(403))
        });
        let error = sign_in(layout, &client(), (&repository, &digest), &new_key(), &[]).await.unwrap_err();
        assert!(matches!(error, SignError::Registry(_)), "{layout}: {error}");
        assert_eq!(writes(&registry), 0, "{layout}");
    }
}

#[tokio::test]
async fn b16_a_refused_write_is_reported_as_the_registry_says_it() {
    let registry = that_shows(Absent::Forbidden).await;
    let (digest, repository) = (registry.image("team/app", "1", "one"), registry.repository("team/app"));
    registry.hook(|request| {
        let body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no permission to deploy\"}]}";
        let answer = Scripted { status: 403, ..Scripted::ok("application/json", body) };
        (request.method == "PUT" && request.uri.path().contains("/manifests/")).then_some(answer)
    });
    let error =
        sign_in(Layout::Classic, &client(), (&repository, &digest), &new_key(), &[]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("denied the request for upload of manifest"), "{text}");
    assert!(text.ends_with("(DENIED: no permission to deploy)"), "{text}");
    assert!(error.advice().is_some());
}

#[tokio::test]
async fn b16_a_registry_that_shows_the_image_under_the_fallback_tag_gets_one_index() {
    let registry = that_shows(Absent::Subject).await;
    let repository = registry.repository("team/app");
    let child = registry.image("team/app", "child", "one");
    let size = registry.tagged("team/app", "child").unwrap().len();
    let list =
        registry.manifest("team/app", INDEX, index(&[descriptor((&child, size, super::MANIFEST, &[]))]));
    for digest in [&child, &list] {
        registry.forget_requests();
        let key = new_key();
        let error = sign_in(Layout::Bundle, &client(), (&repository, digest), &key, &[]).await.unwrap_err();
        let expected = format!(
            "the registry accepted a write of tag sha256-{}, but then returned the signed image itself for this tag",
            digest.hex()
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.advice().is_some() && !error.is_transient());
        assert_eq!(writes(&registry), 1, "{:?}", registry.lines());
        // What was written is an index of the bundle only, not of the images of the list.
        let index = registry.tagged("team/app", &format!("sha256-{}", digest.hex())).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{index}");
        // The other layout works there.
        sign_in(Layout::Classic, &client(), (&repository, digest), &key, &[]).await.unwrap();
        assert_eq!(verified(&registry, &collect(&registry, digest).await, digest, &key), 1);
    }
}
