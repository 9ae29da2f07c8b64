//! Ambiguous documents, and hostile descriptors: T43 to T47.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pullgate::digest::Digest;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::outcome::{Expect, FETCHED, NOTHING, SIGNED};
use super::world::{World, manifest_of, node, p256};
use pullgate_test::registry::{
    INDEX, MANIFEST, Registry, SIMPLE_SIGNING, Scripted, descriptor, index, manifest,
};
use pullgate_test::signer::{annotated_payload, attach_bundle, bundle, sign_classic};

const SCHEMA_ONE: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// The good manifest of a signed image under the tag `1`.
fn good(world: &World) -> String {
    world.signed();
    String::from_utf8(world.registry.tagged("team/app", "1").unwrap().to_vec()).unwrap()
}

/// Serves these bytes under the tag, with a signature; each must be refused before a signature is looked up.
async fn refused(world: &World, rows: Vec<(&str, Option<&str>, Vec<u8>)>) {
    for (row, media_type, bytes) in rows {
        sign_classic(&world.registry, "team/app", &Digest::of(&bytes), &p256());
        let bytes = Bytes::from(bytes);
        let most = bytes.len() as u64;
        let answer = match media_type {
            Some(media_type) => Scripted::ok(media_type, bytes),
            None => Scripted::status(200).body(pullgate_test::registry::Body::Bytes(bytes)),
        };
        world.registry.hook(move |request| manifest_of(request, "1").then(|| answer.clone()));
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(row, Expect { requests: "tag", bytes: 1..=most, ..Expect::refused("bad-manifest") });
    }
    // The same pull with the good document succeeds.
    world.registry.hook(|_| None);
    let digest = Digest::of(&world.registry.tagged("team/app", "1").unwrap());
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:1")
        .await
        .assert("good", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t43_a_document_that_is_manifest_and_index_is_neither() {
    let world = World::start(node()).await;
    let good = good(&world);
    let both = good.replacen('{', "{\"manifests\":[],", 1).into_bytes();
    let listing = String::from_utf8(index(&[]).to_vec()).unwrap();
    let rows = vec![
        ("both, as a manifest", Some(MANIFEST), both.clone()),
        ("both, as an index", Some(INDEX), both),
        ("an index with layers", Some(INDEX), listing.replacen('{', "{\"layers\":[],", 1).into()),
        ("an index with a configuration", Some(INDEX), listing.replacen('{', "{\"config\":null,", 1).into()),
        ("spelt otherwise", Some(MANIFEST), good.replacen('{', "{\"Manifests\":[],", 1).into()),
        ("with the layers of schema 1", Some(MANIFEST), good.replacen('{', "{\"fsLayers\":[],", 1).into()),
    ];
    refused(&world, rows).await;
}

#[tokio::test]
async fn t44_conflicting_media_types_are_rejected() {
    let world = World::start(node()).await;
    let good = good(&world);
    let untyped = good.replacen(&format!("\"mediaType\":\"{MANIFEST}\","), "", 1);
    assert_ne!(good, untyped);
    let rows = vec![
        ("a manifest as an index", Some(INDEX), good.clone().into()),
        ("unknown", Some("application/octet-stream"), good.clone().into()),
        ("an HTML page", Some("text/html"), good.clone().into()),
        ("schema 1 by its header", Some(SCHEMA_ONE), good.clone().into()),
        (
            "schema 1",
            Some(SCHEMA_ONE),
            b"{\"schemaVersion\":1,\"name\":\"team/app\",\"fsLayers\":[]}".to_vec(),
        ),
        ("declares to be an index", Some(MANIFEST), good.replacen(MANIFEST, INDEX, 1).into()),
        (
            "the type is not a string",
            Some(MANIFEST),
            good.replacen(&format!("\"{MANIFEST}\""), "1", 1).into(),
        ),
        ("no type anywhere", None, untyped.into()),
    ];
    refused(&world, rows).await;
}

#[tokio::test]
async fn t45_ambiguous_json_is_rejected() {
    let world = World::start(node()).await;
    let good = good(&world);
    let replaced = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        text.into_bytes()
    };
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut invalid = good.clone().into_bytes();
    let at = good.find("mediaType").unwrap();
    invalid[at] = 0xff;
    let depth = |open: &str, close: &str| {
        let deep = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        good.replacen('{', &format!("{{\"deep\":{deep},"), 1).into_bytes()
    };
    let rows: Vec<_> = [
        ("a key twice", replaced("\"layers\"", "\"layers\":[],\"layers\"")),
        ("a duplicate key, escaped", replaced("\"layers\"", "\"l\\u0061yers\":[],\"layers\"")),
        ("a key in another case", replaced("\"layers\"", "\"Layers\":[],\"layers\"")),
        ("a digest in another case", replaced("\"digest\"", "\"Digest\":\"sha256:00\",\"digest\"")),
        ("trailing data", format!("{good}{{}}").into()),
        ("a byte order mark", format!("\u{feff}{good}").into()),
        ("UTF-16", utf16),
        ("no UTF-8", invalid),
        ("deep arrays", depth("[", "]")),
        ("deep objects", depth("{\"a\":", "1}").into_iter().take(300_000).collect()),
        ("a negative size", replaced("\"size\":2", "\"size\":-2")),
        ("a size over 63 bits", replaced("\"size\":2", "\"size\":9223372036854775808")),
        ("a size over 64 bits", replaced("\"size\":2", "\"size\":18446744073709551616")),
        ("a size with a fraction", replaced("\"size\":2", "\"size\":2.0")),
        ("a size beyond the range of integers", replaced("\"size\":2", "\"size\":1e999")),
        ("nothing", b" ".to_vec()),
    ]
    .into_iter()
    .map(|(row, bytes)| (row, Some(MANIFEST), bytes))
    .collect();
    refused(&world, rows).await;
    // Unusual but unambiguous JSON is hashed as it is, and never rewritten.
    let odd = good.replacen('{', "{\n\t\"annotations\" : { \"\\u0061\" : \"\\/\" } ,", 1);
    let digest = world.registry.manifest("team/app", MANIFEST, odd);
    world.registry.tag("team/app", "odd", &digest);
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:odd")
        .await
        .assert("odd", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t46_malformed_digests_are_rejected() {
    let world = World::start(node()).await;
    let digest = world.signed();
    let hex = digest.hex();
    for name in [
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256:{}", &hex[..63]),
        format!("sha256:{hex}0"),
        format!("sha1:{}", &hex[..40]),
        format!("md5:{}", &hex[..32]),
        format!("sha512:{hex}"),
        format!("SHA256:{hex}"),
        format!("sha256+b64:{hex}"),
        format!("../sha256:{hex}"),
        format!("sha256:../{}", &hex[..61]),
        format!("sha256:{hex}?x"),
        "sha256:".to_owned(),
        String::new(),
    ] {
        let outcome = world.outcome(&format!("team/app@{name}")).await;
        outcome.assert(name, Expect { bytes: NOTHING, ..Expect::refused("invalid-reference") });
    }
    // The same bytes by their SHA-512: the signature is over their SHA-256, which is another name.
    let bytes = world.registry.tagged("team/app", "1").unwrap();
    let long = pullgate::digest::hex(&sha2::Sha512::digest(&bytes));
    let long = Digest::parse(&format!("sha512:{long}")).unwrap();
    let answer = Scripted::ok(MANIFEST, bytes);
    world
        .registry
        .hook(move |request| request.uri.path().contains("/manifests/sha512:").then(|| answer.clone()));
    let outcome = world.outcome(&format!("team/app@{long}")).await;
    outcome.assert(
        "sha512",
        Expect { requests: "manifest fallback referrers", ..Expect::refused("no-signature") },
    );
    // A new policy clears the negative cache.
    world.accept("index");
    let sign = "https://sigstore.dev/cosign/sign/v1";
    attach_bundle(&world.registry, "team/app", &long, &bundle(&digest, sign, &p256()));
    let outcome = world.outcome(&format!("team/app@{long}")).await;
    let requests = "manifest*2 fallback referrers blob";
    outcome.assert("its sha256", Expect { requests, ..Expect::refused("other-digest") });
}

#[tokio::test]
async fn t47_urls_in_descriptors_are_not_followed() {
    let world = World::start(node()).await;
    let elsewhere = Registry::start().await;
    world.watch("elsewhere", &elsewhere);
    let digest = world.registry.image("team/app", "1", "app");
    let text = annotated_payload(&world.image("team/app"), &digest);
    let signature = STANDARD.encode(p256().sign(&text));
    let annotations = [("dev.cosignproject.cosign/signature", signature.as_str())];
    let blob = Digest::of(&text);
    let mut layer = descriptor((&blob, text.len(), SIMPLE_SIGNING, &annotations));
    layer["urls"] = json!([format!("http://{}/v2/a/blobs/{blob}", elsewhere.host())]);
    layer["data"] = json!(STANDARD.encode(&text));
    let config = world.registry.blob("team/app", "{}");
    let mut document: Value = serde_json::from_slice(&manifest(&[], &config, None)).unwrap();
    document["layers"] = json!([layer]);
    let signatures = world.registry.manifest("team/app", MANIFEST, document.to_string());
    world.registry.tag("team/app", &format!("sha256-{}.sig", digest.hex()), &signatures);
    elsewhere.blob("a", text.clone());
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("elsewhere", Expect { requests: FETCHED, ..Expect::refused("no-valid-signature") });
    // In the right place it counts.
    world.registry.blob("team/app", text);
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:1")
        .await
        .assert("beside it", Expect { requests: FETCHED, ..Expect::verified(&pinned) });
    // An image with layers on other hosts: the signature is over the manifest, and pullgate fetches no layer.
    let mut foreign: Value =
        serde_json::from_slice(&world.registry.tagged("team/app", "1").unwrap()).unwrap();
    foreign["layers"][0]["urls"] = json!([format!("http://{}/layer", elsewhere.host())]);
    foreign["config"]["data"] = json!("e30=");
    let digest = world.registry.manifest("team/app", MANIFEST, foreign.to_string());
    world.registry.tag("team/app", "foreign", &digest);
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:foreign")
        .await
        .assert("foreign layers", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}
