//! What an attacker of the registry with the followed policy can do, which is at most delay: T153 to T156.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use pullgate::config::{self, KnownKeys};
use pullgate::digest::Digest;
use pullgate::trust::{Algorithm, ROOT_NOTICE};
use pullgate_core::followed::{Document, Kind, MAX_DOCUMENT_BYTES, Version, manifest};
use pullgate_test::registry::{Body, MANIFEST, Recorded, Scripted};
use pullgate_test::signer::{Signer, attach_bundle, bundle, key_file};

use crate::follow::{Fleet, OPEN, PATH, own, refresh, version};

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

fn is_manifest(request: &Recorded) -> bool {
    request.uri.path() == format!("/v2/{PATH}/manifests/stable")
}

#[tokio::test]
async fn t153_an_older_policy_is_refused_also_after_a_restart() {
    let fleet = Fleet::start().await;
    let old = fleet.publish_version(1);
    let mut follower = fleet.follower("");
    assert_eq!(version(&mut follower).await, Ok(Some(1)));
    let new = fleet.publish_version(2);
    assert_eq!(version(&mut follower).await, Ok(Some(2)));
    fleet.registry.tag(PATH, "stable", &old);
    for follower in [&mut follower, &mut fleet.follower("")] {
        let error = version(follower).await.unwrap_err();
        assert!(error.contains("its version 1 is lower than 2, which was seen before"), "{error}");
    }
    // Another document with the version that was seen.
    fleet.publish(fleet.document(2, "default = \"deny\"\n"), &own());
    let error = version(&mut follower).await.unwrap_err();
    assert!(error.contains("its version 2 was seen before with another content"), "{error}");
    // Nothing is higher than the highest.
    fleet.publish_version(Version::MAX);
    assert_eq!(version(&mut follower).await, Ok(Some(Version::MAX)));
    fleet.registry.tag(PATH, "stable", &new);
    assert!(version(&mut follower).await.unwrap_err().contains("is lower than 9007199254740991"));
    // A registry that answers for ever that nothing has changed.
    fleet.registry.hook(|request| is_manifest(request).then(|| Scripted::status(304)));
    let error = version(&mut fleet.follower("")).await.unwrap_err();
    assert!(error.contains("304"), "nothing was asked with a condition: {error}");
}

#[tokio::test]
async fn t154_only_the_signer_of_follow_counts_and_only_for_this_reference() {
    let fleet = Fleet::start().await;
    let other = Signer::of("p384", Algorithm::EcdsaSha384);
    let document = |text: &str| Document::write(Kind::Policy, fleet.document(1, text)).unwrap();
    let good = fleet.publish(fleet.document(1, OPEN), &own());
    let evil = fleet.store_document(Kind::Policy, document("default = \"deny\" # evil\n"));
    let tag = |digest: &Digest| fleet.registry.tag(PATH, "stable", digest);
    let fails = async |name: &str, expected: &str| {
        let error = version(&mut fleet.follower("")).await.unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
    };
    tag(&evil);
    fails("unsigned", "it has no signature in a Sigstore bundle").await;
    attach_bundle(&fleet.registry, PATH, &evil, &bundle(&evil, SIGN, &other));
    fails("another signer", "none of them by the signer in [follow]").await;
    attach_bundle(&fleet.registry, PATH, &evil, &bundle(&good, SIGN, &own()));
    fails("the signature of another artifact", "none of them by the signer in [follow]").await;
    // The policy of another repository, and that of another stage, by the same key.
    for elsewhere in [fleet.registry.reference("fleet/other:stable"), fleet.reference("canary")] {
        let mut content = fleet.document(9, OPEN);
        content.references = BTreeSet::from([elsewhere.clone()]);
        fleet.publish(content, &own());
        fails(&elsewhere.to_string(), "it is for other references than").await;
    }
    // What was refused leaves no version behind.
    tag(&good);
    assert_eq!(version(&mut fleet.follower("")).await, Ok(Some(1)));
    // The document is exchanged below the signed manifest.
    let layer = Digest::of(&document(OPEN));
    let forged = Bytes::from(document("default = \"deny\" # forged\n"));
    std::fs::remove_dir_all(fleet.store()).unwrap();
    fleet.registry.hook(move |request| {
        let is_layer = request.uri.path().ends_with(layer.as_str());
        is_layer.then(|| Scripted::ok("application/octet-stream", forged.clone()))
    });
    let error = version(&mut fleet.follower("")).await.unwrap_err();
    assert!(error.contains("has digest") || error.contains("bytes, but its descriptor says"), "{error}");
}

#[tokio::test]
async fn t155_what_is_large_half_or_moved_meanwhile_is_no_policy() {
    let fleet = Fleet::start().await;
    fleet.publish_version(1);
    let mut follower = fleet.follower("");
    assert_eq!(version(&mut follower).await, Ok(Some(1)));
    let layer = |size: usize| {
        let kind = Kind::Policy.media_type();
        let empty = Digest::of(b"{}");
        let absent = Digest::of(b"absent");
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"{kind}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{empty}","size":2}},"layers":[{{"mediaType":"{kind}","digest":"{absent}","size":{size}}}]}}"#
        )
    };
    let many = layer(1).replace(
        "]}",
        &format!(",{}]}}", layer(1).split_once("\"layers\":[").unwrap().1.trim_end_matches("]}")),
    );
    let rows: Vec<(&str, Scripted, &str)> = vec![
        ("1 GiB", Scripted::ok(MANIFEST, layer(1 << 30)), "the policy has 1073741824 bytes, but at most"),
        (
            "a byte too many",
            Scripted::ok(MANIFEST, layer(MAX_DOCUMENT_BYTES + 1)),
            "but at most 4194304 are read",
        ),
        ("missing layer", Scripted::ok(MANIFEST, layer(7)), "has no blob"),
        ("two layers", Scripted::ok(MANIFEST, many), "not an artifact with one layer"),
        ("no artifact", Scripted::ok(MANIFEST, "{}"), "manifest stable"),
        ("an endless manifest", Scripted::ok(MANIFEST, "").body(Body::Endless), "manifest stable"),
        (
            "half a manifest",
            Scripted::ok(MANIFEST, "").body(Body::Truncated { announced: 900, bytes: layer(7).into() }),
            "",
        ),
    ];
    for (name, answer, expected) in rows {
        fleet.registry.hook(move |request| is_manifest(request).then(|| answer.clone()));
        let before = fleet.registry.written();
        let error = version(&mut follower).await.unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
        // Of an endless body, the kernel takes some.
        let written = fleet.registry.written() - before;
        assert!(written < 64 << 10 || name == "an endless manifest", "{name}: {written} bytes");
    }
    // The tag moves while the document is fetched: what was resolved is what counts.
    let third = Document::write(Kind::Policy, fleet.document(3, OPEN)).unwrap();
    let third_manifest = Bytes::from(manifest(Kind::Policy, &third));
    let second = fleet.publish_version(2);
    fleet.registry.hook(move |request| {
        let again = is_manifest(request) && request.header("if-none-match").is_none();
        again.then(|| Scripted::ok(MANIFEST, third_manifest.clone()))
    });
    let accepted = refresh(&mut follower).await.unwrap().unwrap();
    assert_eq!(accepted.verified().digest(), &second);
}

#[tokio::test]
async fn t156_who_signs_policies_cannot_be_who_releases_images() {
    let fleet = Fleet::start().await;
    let policy = |key: &str, algorithm: &str| {
        let pem = std::fs::read_to_string(key_file(key, "pub")).unwrap();
        format!(
            "default = \"deny\"\n[authenticator.a]\nalgorithm = \"{algorithm}\"\nkeys = [{{ pem = '''{pem}''' }}]\n"
        )
    };
    let following = fleet.stored("");
    let mut found = BTreeMap::new();
    for (at, (key, algorithm)) in [("p384", "ECDSA_SHA_384"), ("ed25519", "ED25519")].into_iter().enumerate()
    {
        fleet.publish(fleet.document(u64::try_from(at).unwrap() + 1, &policy(key, algorithm)), &own());
        let accepted = refresh(&mut fleet.follower("")).await.unwrap().unwrap();
        let following = following.with(*accepted);
        let root = tempfile::tempdir().unwrap();
        let load = |local: Option<&str>| {
            if let Some(local) = local {
                std::fs::write(root.path().join("policy.toml"), local).unwrap();
            }
            let known = KnownKeys::default();
            let survey =
                config::survey_following(root.path(), &following, &known, Timestamp::now(), ROOT_NOTICE);
            survey.loaded.err().map(|problems| problems.to_string())
        };
        found.insert(key, (load(None), load(Some(&policy("ed25519", "ED25519")))));
    }
    let is_shared = |problem: &Option<String>| {
        problem.as_ref().is_some_and(|it| it.contains("has the signer of [follow]"))
    };
    let (fleet_only, with_local) = &found["p384"];
    assert_eq!(*fleet_only, None);
    assert!(is_shared(with_local), "a local file: {with_local:?}");
    assert!(is_shared(&found["ed25519"].0), "the followed policy: {found:?}");
}
