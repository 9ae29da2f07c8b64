//! From names to bytes, T20-T23, T43-T46, T100.

use std::time::Duration;

use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate::registry::{Class, Limits};

use super::{anonymous, client, client_with, impatient};
use pullgate_test::registry::{Body, INDEX, MANIFEST, Registry, Scripted, index};

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[tokio::test]
async fn a_tag_takes_one_get_and_is_hashed_locally() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1.0", "one");
    let resolved = client().resolve(&registry.reference("team/app:1.0"), &anonymous()).await.unwrap();
    assert_eq!(resolved.digest(), &digest);
    assert_eq!(resolved.media_type(), MANIFEST);
    assert_eq!(&Digest::of(resolved.bytes()), resolved.digest());
    assert_eq!((resolved.is_index(), resolved.host()), (false, registry.host().as_str()));
    let requests = registry.requests();
    assert_eq!(registry.lines(), ["GET /v2/team/app/manifests/1.0"]);
    let accept = "application/vnd.docker.distribution.manifest.v2+json, \
                  application/vnd.docker.distribution.manifest.list.v2+json, \
                  application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
    assert_eq!(requests[0].header("accept"), Some(accept));
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[0].header("authorization"), None);
    assert!(requests[0].header("user-agent").unwrap().starts_with("pullgate/"));
}

#[tokio::test]
async fn t20_each_answer_is_identified_by_its_own_bytes() {
    let registry = Registry::start().await;
    let (client, reference) = (client(), registry.reference("a:latest"));
    let first = registry.image("a", "latest", "one");
    assert_eq!(client.resolve(&reference, &anonymous()).await.unwrap().digest(), &first);
    let second = registry.image("a", "latest", "two");
    assert_eq!(client.resolve(&reference, &anonymous()).await.unwrap().digest(), &second);
}

#[tokio::test]
async fn t22_t23_wrong_digests_are_rejected() {
    let registry = Registry::start().await;
    let digest = registry.image("a", "latest", "one");
    let bytes = registry.tagged("a", "latest").unwrap();
    let other = Digest::of(b"other").to_string();
    let longer = Bytes::from([bytes.as_ref(), b" "].concat());
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let by_digest = registry.reference(&format!("a@{digest}"));
    let by_tag = registry.reference("a:latest");
    let manifest = |bytes: &Bytes| Scripted::ok(MANIFEST, bytes.clone());
    for (reference, answer, code) in [
        (&by_tag, manifest(&bytes).header("docker-content-digest", &other), Some("registry-header-mismatch")),
        (
            &by_tag,
            manifest(&bytes).header("docker-content-digest", &sha512),
            Some("registry-header-mismatch"),
        ),
        (
            &by_tag,
            manifest(&bytes).header("docker-content-digest", "sha256:zz"),
            Some("registry-header-mismatch"),
        ),
        (&by_tag, manifest(&bytes).header("docker-content-digest", "md5:1"), None),
        (&by_tag, manifest(&bytes), None),
        (&by_digest, manifest(&bytes), None),
        (&by_digest, manifest(&longer), Some("registry-digest-mismatch")),
        (&by_digest, manifest(&bytes.slice(1..)), Some("registry-digest-mismatch")),
        (
            &by_digest,
            manifest(&longer).header("docker-content-digest", digest.as_str()),
            Some("registry-digest-mismatch"),
        ),
        (&by_tag, manifest(&bytes).header("content-encoding", "gzip"), Some("registry-encoded")),
        (
            &by_tag,
            manifest(&bytes).body(Body::Truncated { announced: 10_000, bytes: bytes.clone() }),
            Some("registry-unavailable"),
        ),
        (&by_tag, manifest(&bytes).body(Body::Chunked(bytes.clone())), None),
    ] {
        let shown = format!("{answer:?}");
        registry.hook(move |_| Some(answer.clone()));
        let resolved = client().resolve(reference, &anonymous()).await;
        assert_eq!(resolved.as_ref().err().map(|error| error.code()), code, "{reference} {shown}");
        if let Ok(resolved) = resolved {
            assert_eq!(resolved.digest(), &digest);
        }
    }
    assert!(registry.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn a_sha512_reference_is_checked_with_sha512() {
    let registry = Registry::start().await;
    registry.image("a", "latest", "one");
    let bytes = registry.tagged("a", "latest").unwrap();
    registry.hook(move |_| Some(Scripted::ok(MANIFEST, bytes.clone())));
    let wrong = registry.reference(&format!("a@sha512:{}", "0".repeat(128)));
    let error = client().resolve(&wrong, &anonymous()).await.unwrap_err();
    assert_eq!(error.code(), "registry-digest-mismatch");
}

#[tokio::test]
async fn t43_t44_t45_ambiguous_documents_are_rejected() {
    let registry = Registry::start().await;
    let good = registry.image("a", "latest", "one");
    let image = registry.tagged("a", "latest").unwrap();
    let d = format!(r#"{{"mediaType":"x","digest":"{good}","size":1}}"#);
    let both = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[],"manifests":[]}}"#);
    let deep = format!(r#"{{"schemaVersion":2,"manifests":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for (media_type, document, code) in [
        (MANIFEST, image.clone(), None),
        (INDEX, index(&[]), None),
        ("application/vnd.oci.image.index.v1+json; charset=utf-8", index(&[]), None),
        (MANIFEST, both.into(), Some("registry-ambiguous")),
        (DOCKER, image.clone(), Some("registry-media-type-mismatch")),
        ("text/html", "<html>".into(), Some("registry-malformed")),
        (INDEX, r#"{"schemaVersion":1,"fsLayers":[]}"#.into(), Some("registry-schema-1")),
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            r#"{"schemaVersion":1}"#.into(),
            Some("registry-schema-1"),
        ),
        ("application/json", r#"{"schemaVersion":2}"#.into(), Some("registry-media-type")),
        (INDEX, r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#.into(), Some("registry-malformed")),
        (INDEX, r#"{"schemaVersion":2,"manifests":[]} {}"#.into(), Some("registry-malformed")),
        (INDEX, r#"{"manifests":[]}"#.into(), Some("registry-malformed")),
        (INDEX, deep.into(), Some("registry-malformed")),
        (
            INDEX,
            Bytes::from_static(b"{\"schemaVersion\":2,\"a\":\"\xff\",\"manifests\":[]}"),
            Some("registry-malformed"),
        ),
    ] {
        let answer = Scripted::ok(media_type, document.clone());
        registry.hook(move |_| Some(answer.clone()));
        let resolved = client().resolve(&registry.reference("a:latest"), &anonymous()).await;
        let shown = String::from_utf8_lossy(&document[..document.len().min(60)]).into_owned();
        assert_eq!(resolved.err().map(|error| error.code()), code, "{media_type} {shown}");
    }
}

#[tokio::test]
async fn t100_bytes_are_bounded() {
    let registry = Registry::start().await;
    registry.image("a", "latest", "one");
    let size = registry.tagged("a", "latest").unwrap().len() as u64;
    for (limit, fits) in [(size, true), (size - 1, false)] {
        let limits = Limits { manifest_bytes: limit, ..Limits::default() };
        let resolved = client_with(limits).resolve(&registry.reference("a:latest"), &anonymous()).await;
        assert_eq!(resolved.err().map(|error| error.class()), (!fits).then_some(Class::Limit), "{limit}");
    }
    // An index and a manifest have separate limits.
    let limits = Limits { manifest_bytes: size - 1, ..Limits::default() };
    let resolved = client_with(limits).resolve(&registry.reference("a:latest"), &anonymous()).await;
    assert_eq!(resolved.unwrap_err().code(), "registry-manifest-too-large");
    let announced = Scripted::ok(MANIFEST, "").header("content-length", "1099511627776").body(Body::Hang);
    for answer in [Scripted::ok(MANIFEST, "").body(Body::Endless), announced] {
        let before = registry.written();
        registry.hook(move |_| Some(answer.clone()));
        let error = client().resolve(&registry.reference("a:latest"), &anonymous()).await.unwrap_err();
        assert_eq!(error.code(), "registry-manifest-too-large");
        // In addition to the limit, bytes are in sockets and buffers when the client closes the connection.
        assert!(registry.written() - before < (4 << 20) + (24 << 20), "{}", registry.written() - before);
    }
}

#[tokio::test]
async fn t100_time_is_bounded() {
    let registry = Registry::start().await;
    let slow = Body::Slow { bytes: Bytes::from(vec![b' '; 1000]), every: Duration::from_millis(50) };
    for body in [slow, Body::Hang] {
        registry.hook(move |_| Some(Scripted::ok(MANIFEST, "").body(body.clone())));
        let error = client_with(impatient()).resolve(&registry.reference("a:latest"), &anonymous()).await;
        let error = error.unwrap_err();
        assert_eq!((error.code(), error.class()), ("registry-timeout", Class::Unanswered), "{error}");
    }
}

#[tokio::test]
async fn a_missing_image_differs_from_a_failure() {
    let registry = Registry::start().await;
    let reference = registry.reference("a:latest");
    for (status, class) in [
        (404, Class::NotFound),
        (401, Class::Unauthorized),
        (403, Class::Unauthorized),
        (400, Class::Unanswered),
        (429, Class::Unanswered),
        (500, Class::Unanswered),
        (503, Class::Unanswered),
    ] {
        registry.hook(move |_| Some(Scripted::status(status)));
        let error = client().resolve(&reference, &anonymous()).await.unwrap_err();
        assert_eq!(error.class(), class, "{status} {error}");
    }
    drop(registry);
    let error = client().resolve(&reference, &anonymous()).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("registry-unavailable", Class::Unanswered), "{error}");
}

#[tokio::test]
async fn messages_contain_only_the_code_of_an_error() {
    let registry = Registry::start().await;
    let body = r#"{"errors":[{"code":"DENIED","message":"at 12:00\n\u001b[31m","detail":"request-1"}]}"#;
    for (body, shown) in
        [(body, "(DENIED)"), (r#"{"errors":[{"code":"a b\n"}]}"#, "latest"), ("<html>", "latest")]
    {
        let mut answer = Scripted::ok("application/json", body);
        answer.status = 403;
        registry.hook(move |_| Some(answer.clone()));
        let error =
            client().resolve(&registry.reference("a:latest"), &anonymous()).await.unwrap_err().to_string();
        assert!(error.ends_with(shown), "{error}");
    }
}

#[tokio::test]
async fn headers_are_bounded() {
    let registry = Registry::start().await;
    registry.hook(|_| Some(Scripted::ok(INDEX, index(&[])).header("x-large", &"x".repeat(70_000))));
    let error = client().resolve(&registry.reference("a:latest"), &anonymous()).await.unwrap_err();
    assert_eq!(error.code(), "registry-headers-too-large");
}
