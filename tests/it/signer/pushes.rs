//! What is signed, and what is not.

use pullgate_signer::RegistryLogin;
use pullgate_signer::Status;

use super::*;
use pullgate_test::registry::{INDEX, Scripted, index, manifest};

#[tokio::test]
async fn an_image_pushed_within_a_rule_is_signed_once() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let service =
        Service::started(settings(&registry, directory.path(), vec![rule(&registry, "team")])).await;
    let inside = registry.image("team/app", "1", "one");
    let outside = registry.image("other/app", "1", "one");
    let near = registry.image("team-evil/app", "1", "one");
    let all =
        pushes(&[("team/app", "1", &inside), ("other/app", "1", &outside), ("team-evil/app", "1", &near)]);
    for _ in 0..3 {
        assert_eq!(service.notify(&all).await, 202);
        service.idle().await;
    }
    assert_eq!(signatures(&registry, "team/app", &inside), 1);
    assert_eq!(signatures(&registry, "other/app", &outside), 0);
    assert_eq!(signatures(&registry, "team-evil/app", &near), 0);
    let [line] = audit(directory.path()).try_into().unwrap();
    for (field, expected) in [
        ("outcome", "signed"),
        ("rule", "team"),
        ("pushed_by", "ci"),
        ("trigger", "push"),
        ("layout", "classic"),
        ("algorithm", "ECDSA_SHA_256"),
        ("digest", inside.as_str()),
    ] {
        assert_eq!(line[field], expected, "{line}");
    }
    assert_eq!(line["tags"], json!(["1"]));
    let tag = registry.tagged("team/app", &format!("sha256-{}.sig", inside.hex())).unwrap();
    assert_eq!(line["manifests"], json!([Digest::of(&tag).as_str()]));
    assert_eq!(service.metric("images_total{outcome=\"signed\"}").await, 1);
    assert_eq!(service.metric("pushes_total{outcome=\"no_rule\"}").await, 6);
    // The push of the signature itself is notified too, and has no effect.
    let signature = Digest::of(&tag);
    let own = format!("sha256-{}.sig", inside.hex());
    service.notify(&pushes(&[("team/app", &own, &signature)])).await;
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &signature), 0);
    service.stop().await;
}

#[tokio::test]
async fn c_tags_that_do_not_refer_to_the_image_do_not_displace_the_one_that_does() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let service =
        Service::started(settings(&registry, directory.path(), vec![rule(&registry, "team")])).await;
    let tagged = registry.image("team/app", "true", "tagged");
    let untagged = registry.image("team/app", "moved", "without a tag since the tag has moved");
    registry.image("team/app", "moved", "the image that the tag resolves to now");
    let wrong: Vec<String> = (0..40).map(|number| format!("wrong-{number}")).collect();
    for (first, digest, signed) in [("true", &tagged, 1), ("moved", &untagged, 0)] {
        let wrong = wrong.iter().map(|tag| ("team/app", tag.as_str(), digest));
        let events: Vec<_> = std::iter::once(("team/app", first, digest)).chain(wrong).collect();
        assert_eq!(service.notify(&pushes(&events)).await, 202, "{first}");
        service.idle().await;
        assert_eq!(signatures(&registry, "team/app", digest), signed, "{first}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_notification_is_a_hint() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let old = registry.image("team/app", "old", "old");
    let left_behind = registry.image("team/app", "moved", "left behind");
    registry.image("team/app", "moved", "the image that the tag resolves to now");
    let service =
        Service::started(settings(&registry, directory.path(), vec![rule(&registry, "team")])).await;
    let elsewhere = registry.image("other/app", "1", "elsewhere");
    let config = registry.blob("team/app", "{}");
    let about = manifest(&[], &config, Some(&old));
    let referrer = registry.manifest("team/app", MANIFEST, about);
    registry.tag("team/app", "referrer", &referrer);
    let signature_like =
        manifest(&[(&config, 2, "application/vnd.dev.cosign.simplesigning.v1+json", &[])], &config, None);
    let signature_like = registry.manifest("team/app", MANIFEST, signature_like);
    registry.tag("team/app", "copied", &signature_like);
    let new = registry.image("team/app", "new", "new");
    let list = registry.manifest(
        "team/app",
        INDEX,
        index(&[json!({ "mediaType": MANIFEST, "digest": new.as_str(), "size": 1 })]),
    );
    registry.tag("team/app", "list", &list);
    let none = Digest::of(b"never pushed");
    for (what, tag, digest, signed) in [
        ("it is older than the rule", "old", &old, false),
        ("it was left behind before the rule", "moved", &left_behind, false),
        ("it is in another repository", "1", &elsewhere, false),
        ("it does not exist", "1", &none, false),
        ("it refers to another image", "referrer", &referrer, false),
        ("it is a signature under another name", "copied", &signature_like, false),
        ("it has no tag", "", &new, false),
        ("the tag resolves to another image", "old", &new, false),
        ("it is new", "new", &new, true),
        ("it is an index", "list", &list, true),
    ] {
        assert_eq!(service.notify(&pushes(&[("team/app", tag, digest)])).await, 202, "{what}");
        service.until(what, |status| status.waiting + status.busy == 0).await;
        assert_eq!(signatures(&registry, "team/app", digest), usize::from(signed), "{what}");
    }
    assert_eq!(service.metric("pushes_total{outcome=\"older\"}").await, 1);
    // An event from before the rule, for any image.
    let image = registry.image("team/app", "fresh", "fresh");
    let mut early = pushes(&[("team/app", "fresh", &image)]);
    early["events"][0]["timestamp"] = "2020-01-01T00:00:00Z".into();
    service.notify(&early).await;
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &image), 0);
    // The operator may request older images.
    let wanted =
        json!({ "rule": "team", "images": [format!("{}/team/app:old", registry.host())], "existing": false });
    let (status, text) = service.ask("POST", "/requests", wanted).await;
    assert_eq!(status, 202, "{text}");
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &old), 1);
    for (wanted, reason) in [
        (json!({ "rule": "none", "images": [], "existing": true }), "signer.toml has no rule with this name"),
        (
            json!({ "rule": null, "images": [format!("{}/other/app:1", registry.host())], "existing": false }),
            "no rule applies to",
        ),
        (
            json!({ "rule": null, "images": [format!("{}/team/app:none", registry.host())], "existing": false }),
            "does not have",
        ),
    ] {
        let (status, text) = service.ask("POST", "/requests", wanted).await;
        assert!(status == 409 && text.contains(reason), "{status} {text}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_manual_rule_signs_only_on_request() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let by_hand = Rule { trigger: Trigger::Manual, ..rule(&registry, "team") };
    let service = Service::start(settings(&registry, directory.path(), vec![by_hand])).await;
    let one = registry.image("team/app", "1", "one");
    let two = registry.image("team/other", "2", "two");
    let outside = registry.image("other/app", "1", "one");
    service.notify(&pushes(&[("team/app", "1", &one)])).await;
    assert_eq!(service.idle().await.waiting, 0);
    assert_eq!(signatures(&registry, "team/app", &one), 0);
    let wanted = json!({ "rule": "team", "images": [], "existing": true });
    let (status, text) = service.ask("POST", "/requests", wanted).await;
    assert_eq!(status, 202, "{text}");
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &one), 1);
    assert_eq!(signatures(&registry, "team/other", &two), 1);
    assert_eq!(signatures(&registry, "other/app", &outside), 0);
    service.stop().await;
}

#[tokio::test]
async fn a_failing_registry_is_retried_and_a_refused_image_is_parked() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let service =
        Service::started(settings(&registry, directory.path(), vec![rule(&registry, "team")])).await;
    let busy = registry.image("team/busy", "1", "one");
    let refused = registry.image("team/refused", "1", "one");
    let failures = std::sync::atomic::AtomicUsize::new(0);
    registry.hook(move |request| {
        let path = request.uri.path();
        if path.starts_with("/v2/team/refused/") && request.method != "GET" {
            return Some(Scripted::status(403));
        }
        let write = path.starts_with("/v2/team/busy/") && request.method == "PUT";
        let fails = write && failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 5;
        fails.then(|| Scripted::status(503))
    });
    service.notify(&pushes(&[("team/busy", "1", &busy), ("team/refused", "1", &refused)])).await;
    let status = service.until("one is parked", |status| status.waiting + status.busy == 0).await;
    assert_eq!(signatures(&registry, "team/busy", &busy), 1);
    assert_eq!((status.parked, status.parked_images.len()), (1, 1));
    let parked = &status.parked_images[0];
    assert!(parked.image.contains("team/refused@") && parked.attempts == 3, "{parked:?}");
    assert!(parked.error.as_deref().unwrap_or_default().contains("denied the request"), "{parked:?}");
    // It is repaired, and pushed again.
    registry.hook(|_| None);
    service.notify(&pushes(&[("team/refused", "1", &refused)])).await;
    service.until("nothing is parked", |status| status.parked + status.waiting + status.busy == 0).await;
    assert_eq!(signatures(&registry, "team/refused", &refused), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_reload_is_all_or_nothing_and_begins_new_rules() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let old = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    let service = Service::started(old.clone()).await;
    let before = Status::of(&service.signer).rules;
    let mut broken = settings(&registry, directory.path(), vec![rule(&registry, "other")]);
    broken.registry.login =
        Some(RegistryLogin { username: "x".to_owned(), password_file: directory.path().join("none") });
    assert!(service.signer.reload(broken).await.is_err());
    assert_eq!(Status::of(&service.signer).rules, before);
    let image = registry.image("other/app", "1", "one");
    service
        .signer
        .reload(settings(&registry, directory.path(), vec![rule(&registry, "other")]))
        .await
        .unwrap();
    let status = service.until("it has started", |status| status.rules.iter().all(|rule| rule.started)).await;
    assert_ne!(status.rules[0].id, before[0].id);
    service.notify(&pushes(&[("other/app", "1", &image)])).await;
    service.idle().await;
    assert_eq!(signatures(&registry, "other/app", &image), 0, "it is older than the new rule");
    let image = registry.image("other/app", "2", "two");
    service.notify(&pushes(&[("other/app", "2", &image)])).await;
    service.idle().await;
    assert_eq!(signatures(&registry, "other/app", &image), 1);
    // After a restart the rule is the same.
    let ids = Status::of(&service.signer).rules;
    service.stop().await;
    let service = Service::start(settings(&registry, directory.path(), vec![rule(&registry, "other")])).await;
    assert_eq!(Status::of(&service.signer).rules, ids);
    service.stop().await;
}
