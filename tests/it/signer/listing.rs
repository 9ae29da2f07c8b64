//! Registries without notifications, or without listings.

use super::*;
use pullgate_signer::Status;
use pullgate_test::registry::Scripted;

#[tokio::test]
pub(crate) async fn an_image_without_a_notification_is_found() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let old: Vec<Digest> =
        (0..5).map(|n| registry.image("team/app", &format!("old{n}"), &format!("old {n}"))).collect();
    let mut settings = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    settings.reconcile.interval = Some(Duration::from_millis(50));
    let service = Service::started(settings).await;
    let new: Vec<Digest> =
        (0..5).map(|n| registry.image("team/new", &format!("v{n}"), &format!("new {n}"))).collect();
    let outside = registry.image("other/app", "1", "outside");
    let end = tokio::time::Instant::now() + PATIENCE;
    while audit(directory.path()).len() < new.len() {
        assert!(tokio::time::Instant::now() < end, "{:?}", Status::of(&service.signer));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lists = service.metric("lists_total{outcome=\"done\"}").await;
    service.until("it is listed again", |_| true).await;
    while service.metric("lists_total{outcome=\"done\"}").await < lists + 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.idle().await;
    assert!(new.iter().all(|digest| signatures(&registry, "team/new", digest) == 1));
    assert!(old.iter().all(|digest| signatures(&registry, "team/app", digest) == 0));
    assert_eq!(signatures(&registry, "other/app", &outside), 0);
    assert_eq!(audit(directory.path()).len(), new.len(), "no image is checked twice");
    service.stop().await;
}

#[tokio::test]
pub(crate) async fn a_rule_starts_after_its_initial_listing() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    registry.hook(|request| (request.uri.path() == "/v2/_catalog").then(|| Scripted::status(404)));
    let listless = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    let service = Service::start(listless.clone()).await;
    let status = service.until("an error is reported", |status| !status.errors.is_empty()).await;
    assert!(!status.rules[0].started, "{status:?}");
    let new = registry.image("team/app", "1", "new");
    assert_eq!(service.notify(&pushes(&[("team/app", "1", &new)])).await, 202);
    let status = service.until("it waits", |status| status.waiting + status.busy == 1).await;
    assert_eq!(status.parked, 0);
    assert_eq!(signatures(&registry, "team/app", &new), 0, "no image is signed before");
    // The notified repositories suffice, and a push during the listing counts as new.
    let mut configured = listless;
    configured.reconcile.repositories = Some(vec![registry.repository("team/app")]);
    service.signer.reload(configured).await.unwrap();
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &new), 1);
    service.stop().await;
}

#[tokio::test]
pub(crate) async fn without_a_baseline_the_stated_time_counts() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let old = registry.image("team/app", "old", "old");
    let mut settings = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    settings.reconcile.baseline = false;
    let service = Service::start(settings).await;
    assert!(Status::of(&service.signer).rules[0].started);
    let mut body = pushes(&[("team/app", "old", &old)]);
    body["events"][0]["timestamp"] = "2020-01-01T00:00:00Z".into();
    service.notify(&body).await;
    assert_eq!(service.idle().await.waiting, 0);
    assert_eq!(signatures(&registry, "team/app", &old), 0);
    service.notify(&pushes(&[("team/app", "old", &old)])).await;
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &old), 1, "as the documentation says");
    service.stop().await;
}
