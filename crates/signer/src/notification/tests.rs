use super::*;

const DIGEST: &str = "sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf";

fn envelope(content_type: &str) -> Envelope<'_> {
    Envelope { content_type, attributes: None, registry: "r.example:5000", events: 10 }
}

fn push(path: &str, tag: Option<&str>, at: Option<&str>, actor: Option<&str>) -> Push {
    Push {
        repository: Repository::parse(&format!("r.example:5000/{path}")).unwrap(),
        tag: tag.map(ToOwned::to_owned),
        digest: Digest::parse(DIGEST).unwrap(),
        at: at.map(|at| at.parse().unwrap()),
        actor: actor.map(ToOwned::to_owned),
    }
}

/// The documented sample of distribution: the push of a manifest, a layer and a pull.
fn distribution() -> String {
    format!(
        r#"{{"events":[
        {{"id":"asdf-asdf-asdf-asdf-0","timestamp":"2006-01-02T15:04:05Z","action":"push","target":{{
            "mediaType":"application/vnd.docker.distribution.manifest.v2+json","length":1,"digest":"{DIGEST}",
            "repository":"library/test","tag":"latest","url":"https://example.com/v2/library/test/manifests/{DIGEST}"}},
          "request":{{"id":"asdfasdf","addr":"client.local","host":"registrycluster.local","method":"PUT","useragent":"test/0.1"}},
          "actor":{{"name":"test-actor"}},"source":{{"addr":"hostname.local:port"}}}},
        {{"id":"asdf-asdf-asdf-asdf-1","timestamp":"2006-01-02T15:04:05Z","action":"push","target":{{
            "mediaType":"application/vnd.docker.container.image.rootfs.diff+x-gtar","length":2,
            "digest":"sha256:c3b3692957d439ac1928219a83fac91e7bf96c153725526874673ae1f2023f8d","repository":"library/test"}}}},
        {{"id":"asdf-asdf-asdf-asdf-2","timestamp":"2006-01-02T15:04:05Z","action":"pull","target":{{
            "mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"{DIGEST}","repository":"library/test"}}}}
        ]}}"#
    )
}

fn harbor(kind: &str, tag: &str) -> String {
    format!(
        r#"{{"type":"{kind}","occur_at":1586922308,"operator":"admin","event_data":{{
            "resources":[{{"digest":"{DIGEST}","tag":"{tag}","resource_url":"hub.example/test-webhook/debian:{tag}"}}],
            "repository":{{"date_created":1586922308,"name":"debian","namespace":"test-webhook",
                "repo_full_name":"test-webhook/debian","repo_type":"private"}}}}}}"#
    )
}

fn harbor_cloud_event() -> String {
    format!(
        r#"{{"specversion":"1.0","id":"4b2f89a6-548d-4c12-9993-a1f5790b97d2","requestid":"a8e3dc5b",
            "source":"/projects/1/webhook/policies/15","type":"harbor.artifact.pushed",
            "datacontenttype":"application/json","time":"2023-04-03T06:23:43Z","operator":"admin",
            "data":{{"resources":[{{"digest":"{DIGEST}","tag":"latest","resource_url":"harbor.dev/test-webhook/debian:latest"}}],
              "repository":{{"date_created":1680501893,"name":"debian","namespace":"test-webhook",
                "repo_full_name":"test-webhook/debian","repo_type":"private"}}}}}}"#
    )
}

fn azure() -> String {
    format!(
        r#"[{{"id":"831e1650-001e-001b-66ab-eeb76e069631","source":"/subscriptions/x","subject":"aci-helloworld:v1",
            "type":"Microsoft.ContainerRegistry.ImagePushed","time":"2018-04-25T21:39:47.6549614Z","specversion":"1.0",
            "data":{{"id":"31c51664-e5bd-416a-a5df-e5206bc47ed0","timestamp":"2018-04-25T21:39:47.276585742Z","action":"push",
              "target":{{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":3023,"digest":"{DIGEST}",
                "length":3023,"repository":"aci-helloworld","tag":"v1"}},
              "request":{{"id":"7c66f28b","host":"demo.azurecr.io","method":"PUT","useragent":"docker/18.03.0-ce"}}}}}}]"#
    )
}

#[test]
fn a_push_is_read_in_each_format() {
    let at = "2006-01-02T15:04:05Z";
    let rows = [
        (
            "application/vnd.docker.distribution.events.v1+json",
            distribution(),
            push("library/test", Some("latest"), Some(at), Some("test-actor")),
            2,
        ),
        (
            "application/vnd.docker.distribution.events.v2+json; charset=utf-8",
            distribution(),
            push("library/test", Some("latest"), Some(at), Some("test-actor")),
            2,
        ),
        (
            "application/json",
            distribution(),
            push("library/test", Some("latest"), Some(at), Some("test-actor")),
            2,
        ),
        (
            "application/json",
            harbor("PUSH_ARTIFACT", "latest"),
            push("test-webhook/debian", Some("latest"), Some("2020-04-15T03:45:08Z"), Some("admin")),
            0,
        ),
        (
            "application/json",
            harbor("PUSH_ARTIFACT", DIGEST),
            push("test-webhook/debian", None, Some("2020-04-15T03:45:08Z"), Some("admin")),
            0,
        ),
        (
            "application/cloudevents+json",
            harbor_cloud_event(),
            push("test-webhook/debian", Some("latest"), Some("2023-04-03T06:23:43Z"), Some("admin")),
            0,
        ),
        (
            "application/cloudevents-batch+json",
            format!("[{}]", harbor_cloud_event()),
            push("test-webhook/debian", Some("latest"), Some("2023-04-03T06:23:43Z"), Some("admin")),
            0,
        ),
        (
            "application/json",
            azure(),
            push("aci-helloworld", Some("v1"), Some("2018-04-25T21:39:47.276585742Z"), None),
            0,
        ),
    ];
    for (content_type, body, expected, passed_over) in rows {
        let found = read(body.as_bytes(), envelope(content_type)).unwrap();
        assert_eq!(
            found,
            Notification { pushes: vec![expected], passed_over, malformed: Vec::new() },
            "{content_type}"
        );
    }
}

#[test]
fn binary_mode_has_its_attributes_in_headers() {
    let body = |media_type: &str, reference: &str| {
        format!(
            r#"{{"name":"golang","reference":"{reference}","digest":"{DIGEST}","mediaType":"{media_type}","manifest":"{{}}"}}"#
        )
    };
    let attributes = |version, kind| Attributes { version, kind, time: Some("2025-05-01T10:00:00Z") };
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    for (version, kind, media_type, reference, expected) in [
        ("1.0", "zotregistry.image.updated", manifest, "latest", Ok(Some(Some("latest")))),
        ("1.0", "com.example.registry.image.updated", manifest, DIGEST, Ok(Some(None))),
        ("1.0", "zotregistry.image.deleted", manifest, "latest", Ok(None)),
        ("1.0", "zotregistry.image.updated", "application/octet-stream", "latest", Ok(None)),
        (
            "0.3",
            "zotregistry.image.updated",
            manifest,
            "latest",
            Err(NotificationError::Field("specversion")),
        ),
    ] {
        let envelope =
            Envelope { attributes: Some(attributes(version, kind)), ..envelope("application/json") };
        let found = read(body(media_type, reference).as_bytes(), envelope);
        match expected {
            Err(error) => assert_eq!(found.unwrap_err(), error),
            Ok(None) => assert_eq!(found.unwrap(), Notification::of(None)),
            Ok(Some(tag)) => {
                let expected = push("golang", tag, Some("2025-05-01T10:00:00Z"), None);
                assert_eq!(found.unwrap().pushes, [expected]);
            }
        }
    }
}

#[test]
fn our_own_signatures_and_other_events_are_ignored() {
    let signatures = format!("sha256-{}.sig", "a".repeat(64));
    for body in [
        harbor("PUSH_ARTIFACT", &signatures),
        harbor("PULL_ARTIFACT", "latest"),
        harbor("TAG_RETENTION", "latest"),
        distribution().replace("\"tag\":\"latest\"", &format!("\"tag\":\"{signatures}\"")),
        harbor_cloud_event().replace("artifact.pushed", "artifact.pulled"),
    ] {
        let found = read(body.as_bytes(), envelope("application/json")).unwrap();
        assert!(found.pushes.is_empty() && found.passed_over > 0, "{body}");
    }
}

#[test]
fn a_malformed_notification_without_another_push_is_refused() {
    let many = format!(r#"{{"events":[{}]}}"#, [r#"{"action":"pull"}"#; 11].join(","));
    for (body, error) in [
        (distribution().replace("library/test", "Library/../test"), NotificationError::Field("repository")),
        (distribution().replace("library/test", ""), NotificationError::Field("repository")),
        (distribution().replace("library/test", "a/b:tag"), NotificationError::Field("repository")),
        (distribution().replace(DIGEST, "sha256:abc"), NotificationError::Field("digest")),
        (distribution().replace("\"tag\":\"latest\"", "\"tag\":\"../x\""), NotificationError::Field("tag")),
        (distribution().replace("2006-01-02T15:04:05Z", "yesterday"), NotificationError::Field("time")),
        (
            harbor("PUSH_ARTIFACT", "latest").replace("1586922308,\"operator", "\"x\",\"operator"),
            NotificationError::Field("time"),
        ),
        (
            harbor("PUSH_ARTIFACT", "latest").replace("event_data", "data"),
            NotificationError::Field("event_data"),
        ),
        ("{}".to_owned(), NotificationError::Field("type")),
        (many, NotificationError::TooMany(10)),
    ] {
        assert_eq!(read(body.as_bytes(), envelope("application/json")).unwrap_err(), error, "{body}");
    }
    let twice = r#"{"type":"PUSH_ARTIFACT","type":"X"}"#;
    assert!(matches!(read(twice.as_bytes(), envelope("application/json")), Err(NotificationError::Json(_))));
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(matches!(read(deep.as_bytes(), envelope("application/json")), Err(NotificationError::Json(_))));
    let plain = read(distribution().as_bytes(), envelope("text/plain"));
    assert_eq!(plain.unwrap_err(), NotificationError::MediaType);
}

#[test]
fn c_a_malformed_event_does_not_keep_the_others_from_being_read() {
    let event = |body: String| {
        let document: Value = serde_json::from_str(&body).unwrap();
        document["events"][0].clone()
    };
    let (good, bad) = (event(distribution()), event(distribution().replace(DIGEST, "sha256:abc")));
    let cloud_event: Value = serde_json::from_str(&harbor_cloud_event()).unwrap();
    let mut bad_cloud_event = cloud_event.clone();
    bad_cloud_event["specversion"] = "0.3".into();
    let mut resources: Value = serde_json::from_str(&harbor("PUSH_ARTIFACT", "latest")).unwrap();
    let listed = resources["event_data"]["resources"].as_array_mut().unwrap();
    let mut bad_resource = listed[0].clone();
    bad_resource["tag"] = "../x".into();
    listed.insert(0, bad_resource);
    for (document, malformed) in [
        (serde_json::json!({ "events": [bad, good] }), NotificationError::Field("digest")),
        (serde_json::json!([bad_cloud_event, cloud_event]), NotificationError::Field("specversion")),
        (resources, NotificationError::Field("tag")),
    ] {
        let found = read(document.to_string().as_bytes(), envelope("application/json")).unwrap();
        assert_eq!((found.pushes.len(), found.malformed), (1, vec![malformed]), "{document}");
    }
}
