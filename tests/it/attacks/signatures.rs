//! Signatures of something else: T60 to T65, T69, T130, T151, T152.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate::trust::Algorithm;

use super::outcome::{Expect, FETCHED, SIGNED, UNSIGNED, Verdict};
use super::world::{World, node, p256};
use pullgate_test::notary::{EMAIL, Notary};
use pullgate_test::policy::{RELEASE, SECURITY};
use pullgate_test::registry::{MANIFEST, manifest};
use pullgate_test::signer::{
    Signer, attach_bundle, attach_classic, attach_classic_text, attach_notation, bundle, payload,
    sign_bundle, sign_classic,
};
use pullgate_test::sigstore::{attach_annotated, attach_layers};

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// The requests of a pull by tag of an image with a bundle, found by the fallback tag or the referrers API.
const BUNDLED: &str = "tag sig fallback referrers manifest blob";

/// The requests of a pull by tag of an image with a signature in each layout.
const BOTH: &str = "tag sig fallback referrers manifest blob";

#[tokio::test]
async fn t60_a_signature_of_another_digest_is_not_valid() {
    let world = World::start(node()).await;
    let other = Digest::of(b"another image");
    for (path, classic, bundled, requests) in [
        ("team/classic", true, false, FETCHED),
        ("team/bundled", false, true, BUNDLED),
        ("team/both", true, true, "tag sig fallback referrers manifest blob*2"),
    ] {
        let digest = world.registry.image(path, "1", path);
        let text = payload(&world.image(path), &other);
        if classic {
            attach_classic(&world.registry, path, &digest, &[(text.clone(), p256().sign(&text))]);
        }
        if bundled {
            attach_bundle(&world.registry, path, &digest, &bundle(&other, SIGN, &p256()));
        }
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(path, Expect { requests, ..Expect::refused("other-digest") });
    }
}

#[tokio::test]
async fn t61_a_signature_for_another_repository_is_not_valid() {
    let world = World::start(node()).await;
    let digest = world.registry.image("team/app", "1", "app");
    let pinned = world.pinned("team/app", &digest);
    for (name, verdict, reason) in [
        (world.image("team/other"), &Verdict::Refused, "other-repository"),
        ("evil.example/team/app".to_owned(), &Verdict::Refused, "other-repository"),
        (world.image("team/app-evil"), &Verdict::Refused, "other-repository"),
        (world.image("team"), &Verdict::Refused, "other-repository"),
        (format!("{} ", world.image("team/app")), &Verdict::Refused, "other-repository"),
        (world.image("team/app"), &pinned, "verified"),
    ] {
        let text = payload(&name, &digest);
        attach_classic(&world.registry, "team/app", &digest, &[(text.clone(), p256().sign(&text))]);
        let requests = if reason == "verified" { SIGNED } else { FETCHED };
        world
            .outcome("team/app:1")
            .await
            .assert(name, Expect { verdict, reason, requests, ..Expect::default() });
    }
    // Unless the rule has the other name as an alias.
    let promoted = world.registry.image("team/promoted", "1", "promoted");
    let text = payload("build.example/team/app", &promoted);
    attach_classic(&world.registry, "team/promoted", &promoted, &[(text.clone(), p256().sign(&text))]);
    let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    for (aliases, verdict, reason) in [
        ("[\"build.example/team/other\"]", Verdict::Refused, "other-repository"),
        ("[\"build.example/team/app\"]", world.pinned("team/promoted", &promoted), "verified"),
    ] {
        let scope = world.image("team/promoted");
        let rule = format!(
            "[[namespace]]\nscope = \"{scope}\"\nrequire = {{ all = [\"release\"] }}\naliases = {aliases}\n"
        );
        world.set_policy(&format!("{policy}{rule}"));
        world
            .outcome("team/promoted:1")
            .await
            .assert(aliases, Expect { verdict: &verdict, reason, requests: FETCHED, ..Expect::default() });
    }
}

#[tokio::test]
async fn t152_a_bundle_from_another_repository_does_not_count_where_only_the_classic_layout_does() {
    let world = World::start(node()).await;
    // The same key signed the image for team/build; a bundle does not say so, and somebody copied both.
    let digest = world.registry.image("team/app", "1", "app");
    sign_bundle(&world.registry, "team/app", &digest, &p256());
    let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    let required = "require = { all = [\"release\"] }";
    assert!(policy.contains(required), "{policy}");
    let classic = policy.replace(required, &format!("{required}\nlayouts = [\"classic\"]"));
    world.set_policy(&classic);
    let refused = world.outcome("team/app:1").await;
    refused.assert("classic", Expect { requests: BUNDLED, ..Expect::refused("no-valid-signature") });
    // A verdict by the laxer rule does not serve the stricter one.
    let pinned = world.pinned("team/app", &digest);
    world.set_policy(&policy);
    let admitted = world.outcome("team/app:1").await;
    admitted.assert("any", Expect { requests: BUNDLED, ..Expect::verified(&pinned) });
    world.set_policy(&classic);
    let refused = world.outcome("team/app:1").await;
    refused.assert("again", Expect { requests: BUNDLED, ..Expect::refused("no-valid-signature") });
}

#[tokio::test]
async fn t62_an_ambiguous_payload_is_not_valid() {
    let world = World::start(node()).await;
    let digest = world.registry.image("team/app", "1", "app");
    let good = String::from_utf8(payload(&world.image("team/app"), &digest).to_vec()).unwrap();
    let rows = [
        good.replace("cosign container image signature", "atomic"),
        good.replace("\"critical\"", "\"Critical\""),
        good.replace("docker-manifest-digest", "docker-manifest"),
        good.replace("docker-reference", "docker-references"),
        good.replacen('{', "{\"critical\":{},", 1),
        format!("{good}{good}"),
        format!("{good}x"),
        format!("\u{feff}{good}"),
        good.replace(digest.as_str(), &digest.as_str().to_uppercase().replace("SHA256", "sha256")),
        good.replace(digest.as_str(), digest.hex()),
        "null".to_owned(),
        "[]".to_owned(),
        String::new(),
    ];
    for text in rows {
        assert_ne!(text, good);
        let bytes = Bytes::from(text.clone());
        attach_classic(&world.registry, "team/app", &digest, &[(bytes.clone(), p256().sign(&bytes))]);
        let outcome = world.outcome("team/app:1").await;
        // A digest that is written in another way is another digest.
        let is_other = text.contains("docker-manifest-digest\"") && !text.contains(digest.as_str());
        let reason = if is_other { "other-digest" } else { "no-valid-signature" };
        outcome.assert(text, Expect { requests: FETCHED, ..Expect::refused(reason) });
    }
    let bytes = Bytes::from(good);
    attach_classic(&world.registry, "team/app", &digest, &[(bytes.clone(), p256().sign(&bytes))]);
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:1")
        .await
        .assert("good", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t63_an_invalid_signature_neither_hides_a_valid_one_nor_counts() {
    let world = World::start(node()).await;
    let wrong = Signer::of("p384", Algorithm::EcdsaSha384);
    for (row, order, good) in [
        ("none is good", ["foreign", "broken", "other"].as_slice(), false),
        ("foreign first", &["foreign", "good"], true),
        ("foreign second", &["good", "foreign"], true),
        ("good last", &["broken", "other", "good"], true),
        ("good between", &["empty", "good", "foreign"], true),
    ] {
        let path = format!("team/app-{}", row.replace(' ', "-"));
        let digest = world.registry.image(&path, "1", row);
        let text = payload(&world.image(&path), &digest);
        let of_other = payload(&world.image(&path), &Digest::of(b"other"));
        let signatures: Vec<_> = order
            .iter()
            .map(|kind| match *kind {
                "foreign" => (text.clone(), wrong.sign(&text)),
                "broken" => (text.clone(), b"no signature".to_vec()),
                "empty" => (text.clone(), Vec::new()),
                "other" => (of_other.clone(), p256().sign(&of_other)),
                _ => (text.clone(), p256().sign(&text)),
            })
            .collect();
        attach_classic(&world.registry, &path, &digest, &signatures);
        let (verdict, reason) = match good {
            true => (world.pinned(&path, &digest), "verified"),
            false if order.contains(&"other") => (Verdict::Refused, "other-digest"),
            false => (Verdict::Refused, "no-valid-signature"),
        };
        // A payload is built or fetched once, however many signatures are over it.
        let requests = if order.contains(&"other") { FETCHED } else { SIGNED };
        world
            .outcome(&format!("{path}:1"))
            .await
            .assert(row, Expect { verdict: &verdict, reason, requests, ..Expect::default() });
    }
}

#[tokio::test]
async fn t64_one_key_counts_once() {
    let world = World::start(node()).await;
    // The same key in another encoding is the same key.
    let pem = std::fs::read_to_string(pullgate_test::signer::key_file("p256", "pub")).unwrap();
    let again = world.directory.path().join("again.pem");
    std::fs::write(&again, pem.replace('\n', "\r\n")).unwrap();
    let file = |path: &std::path::Path| path.display().to_string();
    let p384 = pullgate_test::signer::key_file("p384", "pub");
    let first = pullgate_test::signer::key_file("p256", "pub");
    world.set_policy(&format!(
        "default = \"deny\"\n\
         [authenticator.a]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ file = \"{0}\" }}]\n\
         [authenticator.again]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ file = \"{1}\" }}]\n\
         [authenticator.b]\nalgorithm = \"ECDSA_SHA_384\"\nkeys = [{{ file = \"{2}\" }}]\n\
         [[namespace]]\nscope = \"{3}/team\"\nrequire = {{ at-least = 2, of = [\"a\", \"b\"] }}\n\
         [[namespace]]\nscope = \"{3}/team/again\"\nrequire = {{ at-least = 2, of = [\"a\", \"again\", \"b\"] }}\n",
        file(&first),
        file(&again),
        file(&p384),
        world.registry.host(),
    ));
    for path in ["team/app", "team/again"] {
        let digest = world.registry.image(path, "1", path);
        let text = payload(&world.image(path), &digest);
        let twice = [(text.clone(), p256().sign(&text)), (text.clone(), p256().sign(&text))];
        attach_classic(&world.registry, path, &digest, &twice);
        sign_bundle(&world.registry, path, &digest, &p256());
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(path, Expect { requests: BOTH, ..Expect::refused("not-enough-signatures") });
        let second = (text.clone(), Signer::of("p384", Algorithm::EcdsaSha384).sign(&text));
        attach_classic(&world.registry, path, &digest, &[twice[0].clone(), second]);
        let pinned = world.pinned(path, &digest);
        world
            .outcome(&format!("{path}:1"))
            .await
            .assert(path, Expect { requests: BOTH, ..Expect::verified(&pinned) });
    }
}

#[tokio::test]
async fn t64_one_key_counts_once_under_every_kind() {
    let world = World::start(node()).await;
    let pem = |half| std::fs::read_to_string(pullgate_test::signer::key_file("p256", half)).unwrap();
    let notary = Notary::of_key(rcgen::KeyPair::from_pem(&pem("key")).unwrap());
    let root = world.directory.path().join("root.pem");
    std::fs::write(&root, &notary.root).unwrap();
    let authenticators = format!(
        "{RELEASE}{SECURITY}[authenticator.corp]\ntype = \"certificate\"\nca = [{root:?}]\nnames = [\"email:{EMAIL}\"]\n\
         [authenticator.notary]\ntype = \"notation\"\nca = [{root:?}]\nidentities = [\"*\"]\n"
    );
    let with_certificate = |path: &str, digest: &Digest| {
        let text = payload(&world.image(path), digest);
        attach_annotated(&world.registry, path, digest, &text, &notary.annotations(&text));
    };
    let with_envelope = |path: &str, digest: &Digest| {
        let manifest = world.registry.tagged(path, "1").unwrap();
        attach_notation(&world.registry, path, digest, &notary.sign(&manifest));
    };
    for (number, (required, requests, expected)) in [
        // One layer, which is a signature by the key and by its certificate.
        ("all = [\"release\", \"corp\"]", SIGNED, "not-enough-signatures"),
        ("all = [\"corp\", \"release\"]", SIGNED, "not-enough-signatures"),
        ("at-least = 2, of = [\"corp\", \"release\", \"security\"]", SIGNED, "not-enough-signatures"),
        ("any = [\"corp\", \"release\"]", SIGNED, "verified"),
        // And an envelope by the same key.
        ("all = [\"release\", \"notary\"]", BOTH, "not-enough-signatures"),
        ("all = [\"notary\", \"corp\"]", BOTH, "not-enough-signatures"),
        ("at-least = 2, of = [\"release\", \"corp\", \"notary\"]", BOTH, "not-enough-signatures"),
        ("any = [\"notary\", \"release\"]", BOTH, "verified"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("team/app-{number}");
        world.set_policy(&format!(
            "default = \"deny\"\n{authenticators}[[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ {required} }}\n"
        ));
        let digest = world.registry.image(&path, "1", &path);
        with_certificate(&path, &digest);
        if requests == BOTH {
            with_envelope(&path, &digest);
        }
        let pinned = world.pinned(&path, &digest);
        let expect =
            if expected == "verified" { Expect::verified(&pinned) } else { Expect::refused(expected) };
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(required, Expect { requests, bytes: 1..=64 << 10, ..expect });
    }
    // A second signer beside it.
    let path = "team/two";
    world.set_policy(&format!(
        "default = \"deny\"\n{authenticators}[[namespace]]\nscope = \"%HOST/team\"\n\
         require = {{ at-least = 2, of = [\"release\", \"corp\", \"security\"] }}\n"
    ));
    let digest = world.registry.image(path, "1", path);
    let text = payload(&world.image(path), &digest);
    let second = STANDARD.encode(Signer::of("p384", Algorithm::EcdsaSha384).sign(&text));
    let second = [("dev.cosignproject.cosign/signature", second)];
    attach_layers(&world.registry, path, &digest, &[(&text, &notary.annotations(&text)), (&text, &second)]);
    let pinned = world.pinned(path, &digest);
    let outcome = world.outcome(&format!("{path}:1")).await;
    outcome.assert(path, Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t65_an_attestation_is_not_a_signature() {
    let world = World::start(node()).await;
    for (number, kind) in
        ["https://slsa.dev/provenance/v1", "https://spdx.dev/Document", "", SIGN].iter().enumerate()
    {
        let path = format!("team/app-{number}");
        let digest = world.registry.image(&path, "1", &path);
        attach_bundle(&world.registry, &path, &digest, &bundle(&digest, kind, &p256()));
        let (verdict, reason) = match *kind {
            SIGN => (world.pinned(&path, &digest), "verified"),
            _ => (Verdict::Refused, "no-valid-signature"),
        };
        world
            .outcome(&format!("{path}:1"))
            .await
            .assert(kind, Expect { verdict: &verdict, reason, requests: BUNDLED, ..Expect::default() });
    }
    // An attestation in the old layout, an SBOM beside the image, and a signature manifest without layers.
    let digest = world.registry.image("team/empty", "1", "empty");
    let hex = digest.hex();
    let config = world.registry.blob("team/empty", "{}");
    let none = world.registry.manifest("team/empty", MANIFEST, manifest(&[], &config, None));
    let document = world.registry.blob("team/empty", "{\"spdxVersion\":\"SPDX-2.3\"}");
    let layer = (&document, 26, "application/spdx+json", &[][..]);
    let sbom = world.registry.manifest("team/empty", MANIFEST, manifest(&[layer], &config, Some(&digest)));
    for tag in ["att", "sbom"] {
        world.registry.tag("team/empty", &format!("sha256-{hex}.{tag}"), &sbom);
    }
    world.registry.tag("team/empty", &format!("sha256-{hex}.sig"), &none);
    let outcome = world.outcome("team/empty:1").await;
    let requests = "tag sig fallback referrers manifest";
    outcome.assert("empty", Expect { requests, ..Expect::refused("no-signature") });
}

#[tokio::test]
async fn t151_another_spelling_of_a_registry_escapes_no_rule() {
    let world = World::start(node()).await;
    let digest = world.signed();
    world.registry.image("team/unsigned", "1", "unsigned");
    // A rule for the registry, and everything else is allowed.
    let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    let allowed = "default = \"allow-unsigned\"\ndefault-reason = \"test\"";
    world.set_policy(&policy.replace("default = \"deny\"", allowed));
    let host = world.registry.host();
    let (address, port) = host.split_once(':').unwrap();
    for spelling in [format!("{address}:0{port}"), format!("{address}:000{port}")] {
        let unsigned = world.outcome_of(&format!("{spelling}/team/unsigned:1"), None).await;
        unsigned.assert(&spelling, Expect { requests: UNSIGNED, ..Expect::refused("no-signature") });
        // The signature names the registry as the rule does; containerd receives what the caller wrote.
        let pinned = Verdict::Pulled(format!("{spelling}/team/app@{digest}"));
        let signed = world.outcome_of(&format!("{spelling}/team/app:1"), None).await;
        signed.assert(&spelling, Expect { requests: SIGNED, ..Expect::verified(&pinned) });
    }
}

#[tokio::test]
async fn t69_only_canonical_base64_is_accepted() {
    let world = World::start(node()).await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let good = STANDARD.encode(p256().sign(&text));
    let mut broken = good.clone();
    broken.insert(10, '\n');
    let bare = good.trim_end_matches('=').to_owned();
    let url_safe = good.replace('+', "-").replace('/', "_");
    let rows = [
        format!("{good}\n"),
        broken,
        format!(" {good}"),
        format!("{good}="),
        good.replace('=', "%3D"),
        bare,
        url_safe,
        STANDARD.encode(&good),
        String::new(),
    ];
    for spelling in rows.into_iter().filter(|spelling| *spelling != good) {
        attach_classic_text(&world.registry, "team/app", &digest, &[(text.clone(), spelling.clone())]);
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(spelling, Expect { requests: SIGNED, ..Expect::refused("no-valid-signature") });
    }
    attach_classic_text(&world.registry, "team/app", &digest, &[(text, good)]);
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:1")
        .await
        .assert("good", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t130_a_valid_signature_in_either_layout_suffices() {
    let world = World::start(node()).await;
    let wrong = Signer::of("p384", Algorithm::EcdsaSha384);
    for (path, classic, bundled, good) in [
        ("team/a", &p256(), &wrong, true),
        ("team/b", &wrong, &p256(), true),
        ("team/c", &wrong, &wrong, false),
    ] {
        let digest = world.registry.image(path, "1", path);
        sign_classic(&world.registry, path, &digest, classic);
        sign_bundle(&world.registry, path, &digest, bundled);
        let (verdict, reason) = match good {
            true => (world.pinned(path, &digest), "verified"),
            false => (Verdict::Refused, "no-valid-signature"),
        };
        world
            .outcome(&format!("{path}:1"))
            .await
            .assert(path, Expect { verdict: &verdict, reason, requests: BOTH, ..Expect::default() });
    }
    // An unreadable bundle changes nothing either.
    let digest = world.registry.image("team/d", "1", "d");
    sign_classic(&world.registry, "team/d", &digest, &p256());
    attach_bundle(&world.registry, "team/d", &digest, "{\"mediaType\":");
    let pinned = world.pinned("team/d", &digest);
    world
        .outcome("team/d:1")
        .await
        .assert("unreadable", Expect { requests: BOTH, ..Expect::verified(&pinned) });
}
