//! The requests to the registry for a signature.

use super::*;

/// The requests to the registry, with one name for each digest and upload.
fn requests(registry: &Registry, image: &Digest) -> Vec<String> {
    let plain = |line: String| {
        let line = line.split('?').next().unwrap_or_default().replace("/v2/team/app/", "");
        match line.find("blobs/uploads/") {
            Some(at) => line[..at + "blobs/uploads".len()].to_owned(),
            None => line.replace(image.as_str(), "IMAGE").replace(image.hex(), "HEX"),
        }
    };
    registry.requests().iter().map(|request| plain(request.line())).collect()
}

#[tokio::test]
async fn a_signature_takes_ten_requests_and_an_existing_one_two() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let service =
        Service::started(settings(&registry, directory.path(), vec![rule(&registry, "team")])).await;
    let digest = registry.image("team/app", "v1", "one");
    registry.forget_requests();
    assert_eq!(service.notify(&pushes(&[("team/app", "v1", &digest)])).await, 202);
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &digest), 1);
    // Another signer may have overwritten it.
    while registry.requests().len() < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut first = requests(&registry, &digest);
    // The image and its signatures are looked up concurrently; then payload and configuration are stored concurrently.
    first[..2].sort();
    first[2..6].sort();
    let expected = [
        "GET manifests/sha256-HEX.sig",
        "GET manifests/v1",
        "POST blobs/uploads",
        "POST blobs/uploads",
        "PUT blobs/uploads",
        "PUT blobs/uploads",
        "GET manifests/sha256-HEX.sig",
        "PUT manifests/sha256-HEX.sig",
        "GET manifests/sha256-HEX.sig",
        "GET manifests/sha256-HEX.sig",
    ];
    assert_eq!(first, expected);
    // A second request only looks it up.
    registry.forget_requests();
    let image = format!("{}/team/app@{digest}", registry.host());
    let (status, answer) =
        service.ask("POST", "/requests", json!({ "rule": null, "images": [image], "existing": false })).await;
    assert_eq!(status, 202, "{answer}");
    service.idle().await;
    let mut again = requests(&registry, &digest);
    again.sort();
    // The first lookup belongs to the request.
    assert_eq!(again, ["GET manifests/IMAGE", "GET manifests/IMAGE", "GET manifests/sha256-HEX.sig"]);
    assert_eq!(signatures(&registry, "team/app", &digest), 1);
    service.stop().await;
}

#[tokio::test]
async fn nothing_is_stored_for_a_referrer() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let service =
        Service::started(settings(&registry, directory.path(), vec![rule(&registry, "team")])).await;
    let subject = json!({ "digest": Digest::of(b"x").as_str(), "size": 1, "mediaType": MANIFEST });
    let config = json!({ "digest": Digest::of(b"{}").as_str(), "size": 2, "mediaType": "x" });
    let referrer = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [], "subject": subject,
    });
    let digest = registry.manifest("team/app", MANIFEST, referrer.to_string());
    registry.tag("team/app", "v1", &digest);
    registry.forget_requests();
    assert_eq!(service.notify(&pushes(&[("team/app", "v1", &digest)])).await, 202);
    service.idle().await;
    assert!(registry.requests().iter().all(|request| request.method == "GET"), "{:?}", registry.lines());
    assert!(audit(directory.path()).is_empty());
    service.stop().await;
}
