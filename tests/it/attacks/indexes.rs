//! Indexes and their children: T40 to T42, T48.

use pullgate::digest::Digest;
use pullgate::registry::Platform;
use serde_json::{Value, json};

use super::outcome::{Expect, SIGNED, UNSIGNED, Verdict, bounded};
use super::world::{World, node, p256};
use pullgate_test::registry::{INDEX, MANIFEST, Scripted, descriptor, index};
use pullgate_test::signer::sign_classic;

/// The requests of a pull if the image for the platform must be signed, and is.
const CHILD: &str = "tag manifest sig fallback referrers";

/// An entry of an index: a child's digest and bytes, and its platform, of which the node's own is `node`.
fn entry(world: &World, path: &str, child: &Digest, platform: &str) -> Value {
    let bytes = world.registry.tagged(path, child.hex()).unwrap_or_default();
    let mut entry = descriptor((child, bytes.len(), MANIFEST, &[]));
    let node = Platform::of_node().to_string();
    let platform = platform.replace("node", &node);
    let mut parts = platform.split('/');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let (os, architecture, variant) = (part(), part(), part());
    if !os.is_empty() {
        entry["platform"] = json!({ "os": os, "architecture": architecture, "variant": variant });
    }
    entry
}

/// An image without a tag.
fn child(world: &World, path: &str, content: &str) -> Digest {
    let digest = world.registry.image(path, "child", content);
    world.registry.tag(path, digest.hex(), &digest);
    digest
}

/// Stores an index under the tag `1`.
fn store(world: &World, path: &str, entries: &[Value]) -> Digest {
    let digest = world.registry.manifest(path, INDEX, index(entries));
    world.registry.tag(path, "1", &digest);
    digest
}

#[tokio::test]
async fn t40_a_child_must_match_its_digest_in_the_index() {
    let world = World::start(node()).await;
    let good = child(&world, "team/app", "child");
    let evil = child(&world, "team/app", "evil");
    let digest = store(&world, "team/app", &[entry(&world, "team/app", &good, "node")]);
    for signed in [&digest, &good] {
        sign_classic(&world.registry, "team/app", signed, &p256());
    }
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:1")
        .await
        .assert("the index", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
    // Other bytes under the child's digest: they do not match the index.
    let swapped = world.registry.tagged("team/app", evil.hex()).unwrap();
    let path = format!("/manifests/{good}");
    world.registry.hook(move |request| {
        request.uri.path().ends_with(&path).then(|| Scripted::ok(MANIFEST, swapped.clone()))
    });
    world.accept("platform");
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("swapped bytes", Expect { requests: CHILD, ..Expect::refused("digest-mismatch") });
    world.registry.hook(|_| None);
    let pinned = world.pinned("team/app", &good);
    world
        .outcome("team/app:1")
        .await
        .assert("the child", Expect { requests: CHILD, ..Expect::verified(&pinned) });
    // Another child makes another index, which is not signed.
    store(&world, "team/app", &[entry(&world, "team/app", &evil, "node")]);
    for (accept, requests) in [("index", UNSIGNED), ("platform", "tag manifest sig fallback referrers")] {
        world.accept(accept);
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(accept, Expect { requests, ..Expect::refused("no-signature") });
    }
}

#[tokio::test]
async fn t41_accept_decides_what_must_be_signed() {
    // Signed are the index, the image for the platform; admitted under `index`, `platform`, `either`.
    for (sign_index, sign_child, admitted) in [
        (false, false, [false, false, false]),
        (true, false, [true, false, true]),
        (false, true, [false, true, true]),
        (true, true, [true, true, true]),
    ] {
        for (accept, admitted) in ["index", "platform", "either"].into_iter().zip(admitted) {
            let world = World::start(node()).await;
            world.accept(accept);
            let good = child(&world, "team/app", "child");
            let digest = store(&world, "team/app", &[entry(&world, "team/app", &good, "node")]);
            for (signed, digest) in [(sign_index, &digest), (sign_child, &good)] {
                if signed {
                    sign_classic(&world.registry, "team/app", digest, &p256());
                }
            }
            let by_child = accept == "platform" || !sign_index;
            let (verdict, reason) = match admitted {
                true => (world.pinned("team/app", if by_child { &good } else { &digest }), "verified"),
                false => (Verdict::Refused, "no-signature"),
            };
            let requests = match (accept, sign_index, sign_child) {
                ("index", true, _) | ("either", true, _) => SIGNED,
                ("index", ..) => UNSIGNED,
                ("platform", ..) => CHILD,
                _ => "tag manifest sig*2 fallback*2 referrers*2",
            };
            let outcome = world.outcome("team/app:1").await;
            let about = format!("{accept}: index {sign_index}, child {sign_child}");
            outcome.assert(&about, Expect { verdict: &verdict, reason, requests, ..Expect::default() });
            // A pull by the child's own digest is about the child, whichever index lists it.
            let outcome = world.outcome(&format!("team/app@{good}")).await;
            let (verdict, reason) = match sign_child {
                true => (world.pinned("team/app", &good), "verified"),
                false => (Verdict::Refused, "no-signature"),
            };
            // The verdict of the pull by tag is cached.
            let requests = "manifest? sig? fallback? referrers?";
            outcome.assert(
                about,
                Expect { verdict: &verdict, reason, requests, bytes: 0..=8 << 10, ..Expect::default() },
            );
        }
    }
}

#[tokio::test]
async fn t42_no_platform_is_chosen_from_an_ambiguous_index() {
    let world = World::start(node()).await;
    let path = "team/app";
    let (one, two) = (child(&world, path, "one"), child(&world, path, "two"));
    let of = |child: &Digest, platform: &str| entry(&world, path, child, platform);
    let mut nested = of(&one, "node");
    nested["mediaType"] = json!(INDEX);
    // An index that names another one under the type of an image.
    let inner = world.registry.manifest(path, INDEX, index(&[of(&one, "node")]));
    world.registry.tag(path, inner.hex(), &inner);
    let disguised = of(&inner, "node");
    let version = |version: &str, child: &Digest| {
        let mut entry = of(child, "node");
        entry["platform"]["os.version"] = json!(version);
        entry
    };
    let many = |count: usize| (0..count).map(|_| of(&one, "linux/arm/v5")).collect::<Vec<_>>();
    let refused = |requests: &'static str| (Verdict::Refused, "bad-manifest", requests);
    let chosen = (world.pinned(path, &one), "verified", "tag manifest? sig? fallback? referrers?");
    for (row, entries, (verdict, reason, requests)) in [
        ("the platform twice", vec![of(&one, "node"), of(&two, "node")], refused("tag")),
        ("twice, by version", vec![version("1", &one), version("2", &two)], refused("tag")),
        ("nested", vec![nested], refused("tag")),
        ("disguised", vec![disguised], refused("tag manifest sig fallback referrers")),
        ("omitted", vec![of(&one, "node"), of(&two, "")], refused("tag")),
        ("none", vec![], refused("tag")),
        ("no match", vec![of(&one, "windows/amd64"), of(&two, "linux/riscv32")], refused("tag")),
        ("10 000 entries without a match", many(10_000), refused("tag")),
        ("one image named twice", vec![of(&one, "node"), of(&one, "node")], chosen.clone()),
        ("the platform once", vec![of(&one, "node"), of(&two, "linux/arm/v5")], chosen),
    ] {
        let digest = store(&world, path, &entries);
        for signed in [&digest, &one, &two] {
            sign_classic(&world.registry, path, signed, &p256());
        }
        let size = index(&entries).len() as u64;
        world.accept("platform");
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(
            row,
            Expect { verdict: &verdict, reason, requests, bytes: 1..=size + (8 << 10), ..Expect::default() },
        );
        // If the index must be signed, its entries are up to its signer: it is pulled as a whole.
        world.accept("index");
        // An index in an index is refused whoever signed it.
        let pinned = world.pinned(path, &digest);
        let expected = if row == "nested" {
            Expect { requests: "tag", ..Expect::refused("bad-manifest") }
        } else {
            Expect { requests: SIGNED, ..Expect::verified(&pinned) }
        };
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(row, Expect { bytes: 1..=size + (8 << 10), ..expected });
    }
    let digest = store(&world, path, &many(25_000));
    sign_classic(&world.registry, path, &digest, &p256());
    for accept in ["index", "platform", "either"] {
        world.accept(accept);
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(
            accept,
            Expect { requests: "tag", bytes: 0..=*bounded(4 << 20).end(), ..Expect::refused("too-large") },
        );
    }
}

/// What is known of an index from another pull does not make it the image for the platform; also not while both are
/// verified.
#[tokio::test]
async fn t42_an_index_that_is_known_is_no_image_for_the_platform() {
    let world = World::start(node()).await;
    let path = "team/app";
    let one = child(&world, path, "one");
    let inner = world.registry.manifest(path, INDEX, index(&[entry(&world, path, &one, "node")]));
    world.registry.tag(path, inner.hex(), &inner);
    let disguised = entry(&world, path, &inner, "node");
    store(&world, path, &[disguised]);
    sign_classic(&world.registry, path, &inner, &p256());
    let (by_digest, pinned) = (format!("{path}@{inner}"), world.pinned(path, &inner));
    world.accept("index");
    world.outcome(&by_digest).await.assert(
        "the inner one",
        Expect { requests: "manifest sig fallback? referrers? blob?", ..Expect::verified(&pinned) },
    );
    world.accept("platform");
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("known", Expect { requests: "tag", ..Expect::refused("bad-manifest") });
}

#[tokio::test]
async fn t48_the_platform_is_chosen_once() {
    let world = World::start(node()).await;
    let path = "team/app";
    let children: Vec<_> = ["linux/arm/v6", "linux/arm/v7", "linux/arm/v8", "windows/amd64", "node"]
        .map(|platform| (platform, child(&world, path, platform)))
        .into();
    let own = children.last().unwrap().1.clone();
    let entries: Vec<_> =
        children.iter().map(|(platform, child)| entry(&world, path, child, platform)).collect();
    let digest = store(&world, path, &entries);
    for signed in [&digest, &own] {
        sign_classic(&world.registry, path, signed, &p256());
    }
    // Either containerd chooses from the verified index, or the verified document is not an index.
    for (accept, pinned, requests) in [("index", &digest, SIGNED), ("platform", &own, CHILD)] {
        world.accept(accept);
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(accept, Expect { requests, ..Expect::verified(&world.pinned(path, pinned)) });
    }
    // Variants that the node cannot run are never chosen, even if they are signed.
    let others: Vec<_> = children.iter().filter(|(platform, _)| *platform == "windows/amd64").collect();
    let entries: Vec<_> =
        others.iter().map(|(platform, child)| entry(&world, path, child, platform)).collect();
    let digest = store(&world, path, &entries);
    sign_classic(&world.registry, path, &digest, &p256());
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("no choice", Expect { requests: "tag", ..Expect::refused("bad-manifest") });
}
