//! Lists of signatures that are long, false, missing, or of another kind: T101 to T104.

use std::sync::atomic::{AtomicUsize, Ordering};

use pullgate::digest::Digest;
use pullgate::registry::Limits;
use serde_json::{Value, json};

use super::outcome::{Expect, SIGNED, UNSIGNED, Verdict};
use super::world::{World, impatient, node, p256};
use pullgate_test::registry::{INDEX, MANIFEST, Options, Registry, Scripted, descriptor, index, manifest};
use pullgate_test::signer::{attach_classic, bundle, payload, sign_bundle, sign_classic};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

fn options() -> Options {
    Options { referrers: true, ..Options::default() }
}

/// Descriptors of this many referrers that do not exist.
fn entries(from: usize, count: usize) -> Vec<Value> {
    let digest = |number: usize| Digest::of(number.to_string().as_bytes());
    (from..from + count).map(|number| descriptor((&digest(number), 10, MANIFEST, &[]))).collect()
}

#[tokio::test]
async fn t101_each_limit_on_referrers_has_its_reason_code() {
    let elsewhere = Registry::start().await;
    let other = format!("<http://{}/v2/x>; rel=\"next\"", elsewhere.host());
    let limits = || Limits { referrers: 4, referrer_pages: 3, signatures: 2, ..Limits::default() };
    type Answer = Box<dyn Fn(&str, usize) -> Scripted + Send + Sync>;
    let next = |path: &str, number: usize| format!("<{path}?n={number}>; rel=\"next\"");
    let same = move || vec![entries(7, 1)[0].clone(); 4];
    let first = "tag sig fallback referrers manifest*4";
    let cases: Vec<(&str, Answer, &str, &str)> = vec![
        (
            "one too many",
            Box::new(|_, _| Scripted::ok(INDEX, index(&entries(0, 5)))),
            "too-many-referrers",
            first,
        ),
        (
            "10 000 on one page",
            Box::new(|_, _| Scripted::ok(INDEX, index(&entries(0, 10_000)))),
            "too-many-referrers",
            first,
        ),
        (
            "page after page",
            Box::new(move |path, number| {
                Scripted::ok(INDEX, index(&entries(number * 2, 2))).header("link", &next(path, number))
            }),
            "too-many-referrers",
            "tag sig fallback referrers*3 manifest*4",
        ),
        (
            "endless empty pages",
            Box::new(move |path, number| Scripted::ok(INDEX, index(&[])).header("link", &next(path, number))),
            "too-many-referrer-pages",
            "tag sig fallback referrers*3",
        ),
        (
            "form a loop",
            Box::new(move |path, _| Scripted::ok(INDEX, index(&[])).header("link", &next(path, 0))),
            "no-valid-signature",
            "tag sig fallback referrers*2",
        ),
        (
            "elsewhere",
            Box::new(move |_, _| Scripted::ok(INDEX, index(&[])).header("link", &other)),
            "no-valid-signature",
            UNSIGNED,
        ),
        (
            "one of them repeatedly",
            Box::new(move |_, _| Scripted::ok(INDEX, index(&same()))),
            "no-valid-signature",
            "tag sig fallback referrers manifest",
        ),
    ];
    for (row, answer, reason, requests) in cases {
        let world = World::start(node().registry(options()).limits(limits())).await;
        world.watch("elsewhere", &elsewhere);
        world.registry.image("team/app", "1", "app");
        let counter = AtomicUsize::new(0);
        world.registry.hook(move |request| {
            let path = request.uri.path().to_owned();
            let number = || counter.fetch_add(1, Ordering::Relaxed);
            path.contains("/referrers/").then(|| answer(&path, number()))
        });
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(row, Expect { requests, bytes: 1..=4 << 20, ..Expect::refused(reason) });
    }
}

#[tokio::test]
async fn t101_a_valid_signature_beyond_the_limit_is_reported_as_not_read() {
    // With the referrers API and the default limits: the valid signature is the last of 10,001.
    let world = World::start(node()).await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_bundle(&world.registry, "team/app", &digest, &p256());
    world.registry.tag("team/app", &format!("sha256-{}", digest.hex()), &digest);
    let listed = {
        let subject = digest.clone();
        let good: Value = serde_json::from_slice(&world.registry.referrers_of("team/app", &subject)).unwrap();
        let mut all = entries(0, 10_000);
        all.extend(good["manifests"].as_array().unwrap().clone());
        assert_eq!(all.len(), 10_001);
        index(&all)
    };
    world.registry.hook(move |request| {
        request.uri.path().contains("/referrers/").then(|| Scripted::ok(INDEX, listed.clone()))
    });
    let requests = "tag sig fallback referrers manifest*0..257";
    let outcome = world.outcome("team/app:1").await;
    outcome.assert(
        "by the API",
        Expect { requests, bytes: 1..=4 << 20, ..Expect::refused("too-many-referrers") },
    );
    // In the classic layout, in the order of the layers.
    let world =
        World::start(node().registry(options()).limits(Limits { signatures: 2, ..Limits::default() })).await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let (good, bad) = ((text.clone(), p256().sign(&text)), (text, b"bad".to_vec()));
    let pinned = world.pinned("team/app", &digest);
    for (row, signatures, verdict, reason) in [
        ("behind it", vec![bad.clone(), bad.clone(), good.clone()], Verdict::Refused, "too-many-signatures"),
        ("before it", vec![bad.clone(), good, bad], pinned, "verified"),
    ] {
        attach_classic(&world.registry, "team/app", &digest, &signatures);
        world
            .outcome("team/app:1")
            .await
            .assert(row, Expect { verdict: &verdict, reason, requests: SIGNED, ..Expect::default() });
    }
}

#[tokio::test]
async fn t102_the_manifest_of_a_referrer_decides_its_type() {
    let world = World::start(node()).await;
    let digest = world.registry.image("team/app", "1", "app");
    let other = world.registry.image("team/app", "2", "other");
    // A valid bundle for this image, in a manifest with another subject, listed for this one.
    let good = bundle(&digest, SIGN, &p256());
    let blob = world.registry.blob("team/app", good.clone());
    let config = world.registry.blob("team/app", "{}");
    let empty = "application/vnd.oci.empty.v1+json";
    let read = "tag sig fallback referrers manifest";
    let whole = "tag sig fallback referrers manifest blob";
    let pinned = world.pinned("team/app", &digest);
    let refused = Verdict::Refused;
    for (row, subject, artifact_type, media_type, verdict, reason, requests) in [
        ("of another", Some(&other), BUNDLE, BUNDLE, &refused, "no-valid-signature", read),
        ("of none", None, BUNDLE, BUNDLE, &refused, "no-valid-signature", read),
        ("declared as a bundle", Some(&digest), BUNDLE, "text/plain", &refused, "no-signature", read),
        ("called empty", Some(&digest), empty, BUNDLE, &pinned, "verified", whole),
        ("called evil", Some(&digest), "application/vnd.evil", BUNDLE, &pinned, "verified", whole),
    ] {
        let document = manifest(&[(&blob, good.len(), media_type, &[])], &config, subject);
        let length = document.len();
        let referrer = world.registry.manifest("team/app", MANIFEST, document);
        let mut entry = descriptor((&referrer, length, MANIFEST, &[]));
        entry["artifactType"] = json!(artifact_type);
        let listed = index(&[entry]);
        world.registry.hook(move |request| {
            request.uri.path().contains("/referrers/").then(|| Scripted::ok(INDEX, listed.clone()))
        });
        // After a reload the image is verified again.
        world.accept("index");
        let requests = if row == "called evil" { "tag" } else { requests };
        world
            .outcome("team/app:1")
            .await
            .assert(row, Expect { verdict, reason, requests, ..Expect::default() });
    }
}

#[tokio::test]
async fn t103_a_missing_api_differs_from_a_failure() {
    let page = || Scripted::ok("text/html", "<html>");
    let (refused, gone) = (Verdict::Refused, Verdict::Unavailable);
    for (row, answer, classic, verdict, reason, requests) in [
        ("404", Scripted::status(404), false, &refused, "no-signature", UNSIGNED),
        ("405", Scripted::status(405), false, &refused, "no-signature", UNSIGNED),
        ("a page", page(), false, &refused, "no-signature", UNSIGNED),
        ("nothing", Scripted::ok(INDEX, index(&[])), false, &refused, "no-signature", UNSIGNED),
        ("no list", Scripted::ok(INDEX, "{}"), false, &refused, "no-valid-signature", UNSIGNED),
        (
            "500",
            Scripted::status(500),
            false,
            &gone,
            "registry-unavailable",
            "tag sig fallback referrers*1..4",
        ),
        ("503", Scripted::status(503), false, &gone, "registry-busy", "tag sig fallback referrers*1..4"),
        ("403", Scripted::status(403), false, &gone, "registry-unauthorized", UNSIGNED),
        ("500, signed", Scripted::status(500), true, &gone, "verified", "tag sig fallback referrers*1..4"),
        ("404, signed", Scripted::status(404), true, &gone, "verified", SIGNED),
        ("a page, signed", page(), true, &gone, "verified", SIGNED),
    ] {
        let world = World::start(node().registry(options()).limits(impatient())).await;
        let digest = world.registry.image("team/app", "1", "app");
        if classic {
            sign_classic(&world.registry, "team/app", &digest, &p256());
        }
        let hooked = answer.clone();
        world
            .registry
            .hook(move |request| request.uri.path().contains("/referrers/").then(|| hooked.clone()));
        let pinned = world.pinned("team/app", &digest);
        let expected = if classic { &pinned } else { verdict };
        world
            .outcome("team/app:1")
            .await
            .assert(row, Expect { verdict: expected, reason, requests, ..Expect::default() });
        // The fallback tag may have a signature even if the API lists none; a new policy clears the negative
        // cache.
        if !classic {
            sign_bundle(&world.registry, "team/app", &digest, &p256());
            world.accept("index");
            let outcome = world.outcome("team/app:1").await;
            let requests = "tag sig fallback referrers*1..4 manifest blob";
            outcome.assert(row, Expect { requests, ..Expect::verified(&pinned) });
        }
    }
    // If the tag is of another kind, or the lookup fails, the other places still count.
    for (row, answer, verdict, reason) in [
        ("a page", page(), &refused, "no-valid-signature"),
        ("500", Scripted::status(500), &gone, "registry-unavailable"),
    ] {
        for api in [false, true] {
            let world = World::start(node().registry(options()).limits(impatient())).await;
            let digest = world.registry.image("team/app", "1", "app");
            if api {
                sign_bundle(&world.registry, "team/app", &digest, &p256());
            }
            let fallback = format!("/manifests/sha256-{}", digest.hex());
            let answer = answer.clone();
            world
                .registry
                .hook(move |request| request.uri.path().ends_with(&fallback).then(|| answer.clone()));
            let pinned = world.pinned("team/app", &digest);
            let (verdict, reason) = if api { (&pinned, "verified") } else { (verdict, reason) };
            let requests = "tag sig fallback*1..4 referrers manifest? blob?";
            world
                .outcome("team/app:1")
                .await
                .assert((row, api), Expect { verdict, reason, requests, ..Expect::default() });
        }
    }
}

#[tokio::test]
async fn t104_a_signature_tag_that_resolves_to_an_image_is_not_a_signature() {
    let world = World::start(node()).await;
    let tags = |digest: &Digest| [format!("sha256-{}", digest.hex()), format!("sha256-{}.sig", digest.hex())];
    // Signed images in place of signatures.
    let digest = world.registry.image("team/app", "1", "app");
    let runnable = world.registry.image("team/app", "runnable", "runnable");
    sign_classic(&world.registry, "team/app", &runnable, &p256());
    for tag in tags(&digest) {
        world.registry.tag("team/app", &tag, &runnable);
    }
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("an image", Expect { requests: UNSIGNED, ..Expect::refused("no-signature") });
    // An index of them: its entries are fetched as referrers, and nothing below them.
    let digest = world.registry.image("team/index", "1", "app");
    let runnable = world.registry.image("team/index", "runnable", "runnable");
    let length = world.registry.tagged("team/index", "runnable").unwrap().len();
    let entry = descriptor((&runnable, length, MANIFEST, &[]));
    let listed = world.registry.manifest("team/index", INDEX, index(&[entry]));
    for tag in tags(&digest) {
        world.registry.tag("team/index", &tag, &listed);
    }
    let outcome = world.outcome("team/index:1").await;
    let requests = "tag sig fallback referrers manifest";
    outcome.assert("an index", Expect { requests, ..Expect::refused("no-valid-signature") });
}
