//! Documents with two meanings: T40 to T48.

use pullgate::digest::Digest;
use pullgate::registry::Limits;
use serde_json::json;

use super::world::{PULLED, World, p256};
use crate::support::registry::{
    INDEX, MANIFEST, Options, Registry, SIMPLE_SIGNING, Scripted, descriptor, index, manifest,
};
use crate::support::signer::{payload, sign_classic};

const LINUX: &[(&str, &str)] = &[];

/// Stores an index under the tag `1`, and signs it.
fn signed_index(world: &World, bytes: impl Into<bytes::Bytes>) -> Digest {
    let digest = world.registry.manifest("team/app", INDEX, bytes);
    world.registry.tag("team/app", "1", &digest);
    sign_classic(&world.registry, "team/app", &digest, &p256());
    digest
}

#[tokio::test]
async fn t40_a_child_is_bound_by_the_bytes_of_its_index() {
    let world = World::start().await;
    let child = world.registry.image("team/app", "child", "child");
    let evil = world.registry.image("team/app", "evil", "evil");
    let entry = |digest: &Digest| descriptor((digest, 10, MANIFEST, LINUX));
    let digest = signed_index(&world, index(&[entry(&child)]));
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(
        world.pulled(),
        [world.image(&format!("team/app@{digest}"))],
        "the index, whose child is in its bytes"
    );
    // Another child is another index, which nobody signed.
    let swapped = world.registry.manifest("team/app", INDEX, index(&[entry(&evil)]));
    world.registry.tag("team/app", "1", &swapped);
    assert_eq!(world.verdict("team/app:1").await, "no-signature");
    let asked = world.asked("manifests");
    assert!(
        asked.iter().all(|path| !path.ends_with(child.as_str()) && !path.ends_with(evil.as_str())),
        "{asked:?}"
    );
}

#[tokio::test]
async fn t41_what_is_named_is_what_must_be_signed() {
    let world = World::start().await;
    let child = world.registry.image("team/app", "child", "child");
    let digest =
        world.registry.manifest("team/app", INDEX, index(&[descriptor((&child, 10, MANIFEST, LINUX))]));
    world.registry.tag("team/app", "1", &digest);
    let by_digest = format!("team/app@{child}");
    for (signed, by_tag, by_child) in [
        (None, "no-signature", "no-signature"),
        (Some(&child), "no-signature", PULLED),
        (Some(&digest), PULLED, PULLED),
    ] {
        if let Some(signed) = signed {
            sign_classic(&world.registry, "team/app", signed, &p256());
        }
        // "No signature" is believed for seconds: a new policy does not change that, another daemon does.
        let fresh = World::with(Options::default(), Limits::default()).await;
        let daemon = &fresh.daemon;
        let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
        fresh.policy(&policy);
        for (rest, expected) in [("team/app:1", by_tag), (by_digest.as_str(), by_child)] {
            let (verdict, line) = super::world::pull(daemon, &world.image(rest), None).await;
            assert_eq!(verdict, expected, "{signed:?} {rest} {line}");
        }
    }
}

#[tokio::test]
async fn t42_what_stands_in_a_signed_index_is_its_signer_s_matter() {
    let world = World::start().await;
    let child = world.registry.image("team/app", "child", "child");
    let platform = |variant: &str| {
        let mut entry = descriptor((&child, 10, MANIFEST, LINUX));
        entry["platform"] = json!({ "os": "linux", "architecture": "arm", "variant": variant });
        entry
    };
    let nested = descriptor((&Digest::of(b"nested"), 10, INDEX, LINUX));
    for entries in [vec![platform("v7"), platform("v7")], vec![nested], vec![]] {
        let digest = signed_index(&world, index(&entries));
        world.registry.forget_requests();
        assert_eq!(world.verdict("team/app:1").await, PULLED);
        assert_eq!(
            world.pulled().last(),
            Some(&world.image(&format!("team/app@{digest}"))),
            "the whole index"
        );
        assert!(
            world.asked("manifests").iter().all(|path| !path.ends_with(child.as_str())),
            "no child is chosen"
        );
    }
    let many: Vec<_> = (0..25_000).map(|_| platform("v8")).collect();
    signed_index(&world, index(&many));
    let before = world.registry.written();
    assert_eq!(world.verdict("team/app:1").await, "too-large");
    assert!(world.registry.written() - before < 8 << 20, "{}", world.registry.written() - before);
}

#[tokio::test]
async fn t43_t44_t45_a_document_with_two_meanings_has_none() {
    let world = World::start().await;
    let good = world.registry.tagged("team/app", "1").unwrap_or_else(|| {
        world.signed();
        world.registry.tagged("team/app", "1").unwrap()
    });
    let good = String::from_utf8(good.to_vec()).unwrap();
    let both = good.replacen('{', "{\"manifests\":[],", 1);
    let layers = "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[],\"config\":{}}";
    for (media_type, text) in [
        (MANIFEST, both.clone()),
        (INDEX, both),
        (INDEX, layers.to_owned()),
        (INDEX, good.clone()),
        ("application/octet-stream", good.clone()),
        ("text/html", good.clone()),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", good.clone()),
        (MANIFEST, good.replacen("\"layers\"", "\"layers\":[],\"layers\"", 1)),
        (MANIFEST, good.replacen("\"layers\"", "\"Layers\":[],\"layers\"", 1)),
        (MANIFEST, format!("{good}{{}}")),
        (MANIFEST, format!("\u{feff}{good}")),
        (MANIFEST, format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        (MANIFEST, good.replacen("\"size\":2", "\"size\":-2", 1)),
        (MANIFEST, good.replacen("\"size\":2", "\"size\":18446744073709551616", 1)),
        (MANIFEST, good.replacen("\"size\":2", "\"size\":2.0", 1)),
    ] {
        let digest = Digest::of(text.as_bytes());
        sign_classic(&world.registry, "team/app", &digest, &p256());
        let answer = Scripted::ok(media_type, text.clone());
        world.registry.hook(move |request| super::world::manifest_of(request, "1").then(|| answer.clone()));
        let shown: String = text.chars().take(120).collect();
        assert_eq!(world.verdict("team/app:1").await, "bad-manifest", "{media_type} {shown}");
    }
    assert_eq!(world.runtime.calls().len(), 0);
    world.registry.hook(|_| None);
    assert_eq!(world.verdict("team/app:1").await, PULLED);
}

#[tokio::test]
async fn t46_digests_are_of_one_grammar() {
    let world = World::start().await;
    let digest = world.signed();
    let hex = digest.hex();
    for name in [
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256:{}", &hex[..63]),
        format!("sha256:{hex}0"),
        format!("sha1:{}", &hex[..40]),
        format!("md5:{}", &hex[..32]),
        format!("sha512:{hex}"),
        format!("sha256+b64:{hex}"),
        format!("../sha256:{hex}"),
        "sha256:".to_owned(),
    ] {
        let image = format!("team/app@{name}");
        assert_eq!(world.verdict(&image).await, "invalid-reference", "{image}");
    }
    assert_eq!(world.registry.requests().len(), 0);
    // The bytes are the same, but what was signed is their SHA-256.
    let other = world.registry.repository("team/app");
    let long = Digest::parse(&format!("sha512:{}", "ab".repeat(64))).unwrap();
    let verdict = world.verdict(&format!("team/app@{long}")).await;
    assert!(verdict == "not-found" || verdict == "digest-mismatch", "{verdict} {other}");
    assert_eq!(world.runtime.calls().len(), 0);
}

#[tokio::test]
async fn t47_addresses_in_descriptors_are_not_followed() {
    let world = World::start().await;
    let elsewhere = Registry::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let signature = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(p256().sign(&text))
    };
    let annotations = [("dev.cosignproject.cosign/signature", signature.as_str())];
    let blob = Digest::of(&text);
    let mut layer = descriptor((&blob, text.len(), SIMPLE_SIGNING, &annotations));
    layer["urls"] = json!([format!("http://{}/v2/a/blobs/{blob}", elsewhere.host())]);
    layer["data"] = json!("eyJjcml0aWNhbCI6e319");
    let config = world.registry.blob("team/app", "{}");
    let mut document: serde_json::Value = serde_json::from_slice(&manifest(&[], &config, None)).unwrap();
    document["layers"] = json!([layer]);
    let signatures = world.registry.manifest("team/app", MANIFEST, document.to_string());
    world.registry.tag("team/app", &format!("sha256-{}.sig", digest.hex()), &signatures);
    elsewhere.blob("a", text.clone());
    assert_eq!(world.verdict("team/app:1").await, "no-valid-signature");
    assert_eq!(elsewhere.requests().len(), 0);
    assert_eq!(world.asked("blobs"), [format!("/v2/team/app/blobs/{blob}")]);
    // Where it belongs, it counts.
    world.registry.blob("team/app", text);
    assert_eq!(world.verdict("team/app:1").await, PULLED);
}

#[tokio::test]
async fn t48_the_platform_is_containerd_s_choice_within_the_index() {
    let world = World::start().await;
    let entries: Vec<_> = ["v6", "v7", "v8"]
        .iter()
        .map(|variant| {
            let child = world.registry.image("team/app", variant, variant);
            let mut entry = descriptor((&child, 10, MANIFEST, LINUX));
            entry["platform"] = json!({ "os": "linux", "architecture": "arm", "variant": variant });
            entry
        })
        .collect();
    let digest = signed_index(&world, index(&entries));
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(world.pulled(), [world.image(&format!("team/app@{digest}"))]);
}
