//! Attestations of attestors that say something else or must not count, where they come from, and servers of Grafeas that
//! misbehave: T148, T149, T150.

use std::os::unix::fs::PermissionsExt as _;

use pullgate::digest::Digest;
use pullgate::registry::{Grafeas, Limits, RegistrySettings, SignatureSource};
use pullgate::trust::Algorithm;
use serde_json::{Value, json};

use super::outcome::Expect;
use super::world::{World, impatient, node, p256};
use pullgate_test::registry::{
    Body, INDEX, MANIFEST, Recorded, Registry, Scripted, descriptor, index, manifest,
};
use pullgate_test::signer::{
    Signer, attach_envelopes, attestor_envelope, gpg, gpg_file, key_file, notation_image, occurrence,
    occurrence_of, payload,
};

/// The requests of a pull by tag where a rule names an attestor, and Grafeas answers with one page.
const LISTED: &str = "tag sig att fallback referrers grafeas";

/// A node whose registry has a server of Grafeas beside it, with a token if `has_token`.
async fn start(limits: Limits, has_token: bool) -> World {
    World::start(node().settings(move |directory, registry| {
        let grafeas = Grafeas::parse(&format!("http://{}/grafeas/v1/projects/p", registry.host())).unwrap();
        let file = directory.path().join("grafeas.token");
        if has_token {
            std::fs::write(&file, "pg5ECRET-grafeas\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let grafeas = Grafeas { token_file: has_token.then_some(file), ..grafeas };
        let source = SignatureSource {
            scope: registry.host(),
            image: true,
            repository: None,
            directory: Some(directory.path().join("attestations")),
            lookaside: None,
            grafeas: Some(grafeas),
        };
        RegistrySettings { sources: vec![source], limits, ..RegistrySettings::default() }
    }))
    .await
}

fn keys(name: &str, algorithm: &str) -> String {
    format!("algorithm = \"{algorithm}\"\nkeys = [{{ file = {:?} }}]", key_file(name, "pub"))
}

/// Requires these attestors, each with its settings.
fn require(world: &World, requirement: &str, attestors: &[(&str, &str)]) {
    let mut text = "default = \"deny\"\n".to_owned();
    for (name, settings) in attestors {
        text += &format!("[authenticator.{name}]\ntype = \"attestor\"\n{settings}\n");
    }
    // The messages of gpg are for the other repository.
    let scope = world.image("team");
    text += &format!(
        "[[namespace]]\nscope = \"{scope}\"\naliases = [\"registry.example/team\"]\nrequire = {{ {requirement} }}\n"
    );
    world.set_policy(&text);
}

fn is_listing(request: &Recorded) -> bool {
    request.uri.path() == "/grafeas/v1/projects/p/occurrences"
}

/// Grafeas has these occurrences, whatever it is asked.
fn serve(world: &World, occurrences: &[Value]) {
    let page = json!({ "occurrences": occurrences }).to_string();
    world
        .registry
        .hook(move |request| is_listing(request).then(|| Scripted::ok("application/json", page.clone())));
}

fn rsa() -> Signer {
    Signer::of("rsa-2048", Algorithm::RsaPkcs1Sha256)
}

#[tokio::test]
async fn t148_an_attestation_counts_only_by_a_key_of_the_attestor_with_its_algorithm() {
    let p256_keys = keys("p256", "ECDSA_SHA_256");
    let message = |world: &World, digest: &Digest, name: &str| {
        let mut occurrence = occurrence(&world.image("team/app"), digest, &p256());
        let signature = json!(base64(&gpg(&format!("{name}.signature"))));
        occurrence["attestation"] = json!({ "signatures": [{ "signature": signature }] });
        occurrence
    };
    let keyring = format!("keyrings = [{:?}]", gpg_file("ed25519.keyring.gpg"));
    for (name, settings, made, expected) in [
        ("signed", p256_keys.clone(), "p256", "verified"),
        ("RSA", keys("rsa-2048", "RSA_PKCS1_SHA_256"), "rsa", "verified"),
        (
            "another algorithm of the same key",
            keys("rsa-2048", "RSA_PSS_SHA_256"),
            "rsa",
            "no-valid-signature",
        ),
        ("another key", keys("p384", "ECDSA_SHA_384"), "p256", "no-valid-signature"),
        ("by gpg", keyring.clone(), "armored", "verified"),
        ("by gpg, for an attestor of both kinds", format!("{p256_keys}\n{keyring}"), "armored", "verified"),
        ("by gpg, for an attestor of keys", p256_keys.clone(), "armored", "no-valid-signature"),
        ("by gpg in the future", keyring.clone(), "future", "future-signing-time"),
        ("not signed by gpg", keyring, "unsigned", "no-valid-signature"),
    ] {
        let world = start(Limits::default(), false).await;
        let digest = notation_image(&world.registry, "team/app");
        let repository = world.image("team/app");
        let made = match made {
            "p256" => occurrence(&repository, &digest, &p256()),
            "rsa" => occurrence(&repository, &digest, &rsa()),
            other => message(&world, &digest, other),
        };
        serve(&world, &[made]);
        require(&world, "all = [\"attestor\"]", &[("attestor", &settings)]);
        let pinned = world.pinned("team/app", &digest);
        let expect = match expected {
            "verified" => Expect::verified(&pinned),
            reason => Expect::refused(reason),
        };
        world.outcome("team/app:1").await.assert(name, Expect { requests: LISTED, ..expect });
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn t148_an_attestation_counts_only_for_its_digest_in_its_repository() {
    let world =
        start(Limits { negative_cache_ttl: std::time::Duration::ZERO, ..Limits::default() }, false).await;
    require(&world, "all = [\"attestor\"]", &[("attestor", &keys("p256", "ECDSA_SHA_256"))]);
    let digest = world.registry.image("team/app", "1", "app");
    let other = world.registry.image("team/app", "2", "another image");
    let repository = world.image("team/app");
    // It says that it is about the image; what is signed says something else.
    let lying = |made: &Digest| {
        let mut occurrence = occurrence(&repository, made, &p256());
        occurrence["resourceUri"] = json!(format!("https://{repository}@{digest}"));
        occurrence
    };
    let cosign = String::from_utf8(payload(&repository, &digest).to_vec()).unwrap();
    let of_cosign = occurrence_of(&repository, &digest, (&cosign, &p256().sign(cosign.as_bytes())));
    for (name, occurrences, reason, told) in [
        ("another digest", vec![lying(&other)], "other-digest", "another digest"),
        (
            "another repository",
            vec![occurrence(&world.image("team/other"), &digest, &p256())],
            "other-repository",
            "another repository",
        ),
        ("a signature of cosign", vec![of_cosign], "other-payload", "not an attestation"),
        ("of another image", vec![occurrence(&repository, &other, &p256())], "no-signature", "no signature"),
        ("nothing", vec![], "no-signature", "no signature"),
    ] {
        serve(&world, &occurrences);
        let outcome = world.outcome("team/app:1").await;
        assert!(outcome.line.contains(told), "{name}: {outcome:?}");
        outcome.assert(name, Expect { requests: LISTED, ..Expect::refused(reason) });
    }
    // What is wrong with one does not matter for another.
    serve(&world, &[lying(&other), occurrence(&repository, &digest, &p256())]);
    let pinned = world.pinned("team/app", &digest);
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("both", Expect { requests: LISTED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t148_a_key_of_two_attestors_counts_once() {
    let world = start(Limits::default(), false).await;
    let settings = keys("p256", "ECDSA_SHA_256");
    let both = format!("{settings}\nkeyrings = [{:?}]", gpg_file("ed25519.keyring.gpg"));
    require(&world, "at-least = 2, of = [\"one\", \"two\"]", &[("one", &settings), ("two", &both)]);
    let digest = notation_image(&world.registry, "team/app");
    let signed = occurrence(&world.image("team/app"), &digest, &p256());
    serve(&world, &[signed.clone(), signed.clone()]);
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("one key", Expect { requests: LISTED, ..Expect::refused("not-enough-signatures") });
    let mut by_gpg = signed.clone();
    by_gpg["attestation"] = json!({ "signatures": [{ "signature": base64(&gpg("armored.signature")) }] });
    serve(&world, &[signed, by_gpg]);
    let pinned = world.pinned("team/app", &digest);
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("two keys", Expect { requests: LISTED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t149_attestations_count_from_a_file_or_beside_the_image() {
    let world = start(Limits::default(), false).await;
    let attestor = keys("p256", "ECDSA_SHA_256");
    require(&world, "all = [\"attestor\"]", &[("attestor", &attestor)]);
    serve(&world, &[]);
    let place = |path: &str, digest: &Digest| {
        let place = world.directory.path().join("attestations").join(world.registry.host()).join(path);
        let place = place.join(format!("sha256-{}", digest.hex()));
        std::fs::create_dir_all(&place).unwrap();
        place.join("1.attestation.json")
    };
    let filed = world.registry.image("team/filed", "1", "filed");
    let made = occurrence(&world.image("team/filed"), &filed, &p256());
    std::fs::write(place("team/filed", &filed), made.to_string()).unwrap();
    let beside = world.registry.image("team/beside", "1", "beside");
    let envelope = attestor_envelope(&world.image("team/beside"), &beside, &p256()).to_string();
    let statement = pullgate_test::signer::statement(&beside, "https://slsa.dev/provenance/v1", &json!({}));
    let statement = pullgate_test::signer::envelope(&statement, &p256()).to_string();
    attach_envelopes(&world.registry, "team/beside", &beside, &[statement.clone(), envelope]);
    for (path, digest, requests) in [
        ("team/filed", &filed, LISTED),
        ("team/beside", &beside, "tag sig att fallback referrers grafeas blob*2"),
    ] {
        let pinned = world.pinned(path, digest);
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(path, Expect { requests, ..Expect::verified(&pinned) });
    }
    // A file of another image, a file of another key, and a statement, which attests something else.
    let copied = world.registry.image("team/copied", "1", "copied");
    std::fs::write(place("team/copied", &copied), made.to_string()).unwrap();
    let wrong = world.registry.image("team/wrong", "1", "wrong");
    let by_other = occurrence(&world.image("team/wrong"), &wrong, &rsa());
    std::fs::write(place("team/wrong", &wrong), by_other.to_string()).unwrap();
    let stated = world.registry.image("team/stated", "1", "stated");
    attach_envelopes(&world.registry, "team/stated", &stated, &[statement]);
    for (path, requests, reason) in [
        ("team/copied", LISTED, "other-digest"),
        ("team/wrong", LISTED, "no-valid-signature"),
        ("team/stated", "tag sig att fallback referrers grafeas blob", "no-signature"),
    ] {
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(path, Expect { requests, ..Expect::refused(reason) });
    }
    // Above 256 KiB nothing is an attestation of an attestor: such a file is not read whole, and such a blob is not fetched.
    let large = world.registry.image("team/large", "1", "large");
    std::fs::write(place("team/large", &large), " ".repeat(300 << 10)).unwrap();
    let outcome = world.outcome("team/large:1").await;
    outcome.assert("large", Expect { requests: LISTED, ..Expect::refused("signature-too-large") });
    let padded = world.registry.image("team/padded", "1", "padded");
    attach_envelope(&world, "team/padded", &padded, &" ".repeat(300 << 10));
    let outcome = world.outcome("team/padded:1").await;
    let requests = "tag sig att fallback referrers grafeas manifest";
    outcome.assert("padded", Expect { requests, ..Expect::refused("no-signature") });
    // A rule without an attestor asks nobody for attestations.
    world.require("all = [\"release\"]", &[pullgate_test::policy::RELEASE]);
    let outcome = world.outcome("team/filed:1").await;
    let requests = "tag sig fallback referrers";
    outcome.assert("keys", Expect { requests, ..Expect::refused("other-signature-kind") });
}

/// A DSSE envelope as a referrer.
fn attach_envelope(world: &World, path: &str, digest: &Digest, envelope: &str) {
    let config = world.registry.blob(path, "{}");
    let layer = world.registry.blob(path, envelope.to_owned());
    let layers = [(&layer, envelope.len(), "application/vnd.dsse.envelope.v1+json", &[][..])];
    let bytes = manifest(&layers, &config, Some(digest));
    let size = bytes.len();
    let referrer = world.registry.manifest(path, MANIFEST, bytes);
    let listed = index(&[descriptor((&referrer, size, MANIFEST, &[]))]);
    let stored = world.registry.manifest(path, INDEX, listed);
    world.registry.tag(path, &format!("sha256-{}", digest.hex()), &stored);
}

/// What Grafeas answers, by the number of the page.
type Answer = Box<dyn Fn(usize) -> Scripted + Send + Sync>;

/// The number of the page that a request is for.
fn page_of(request: &Recorded) -> Option<usize> {
    let query = request.uri.query().unwrap_or_default();
    let token = query.split('&').find_map(|pair| pair.strip_prefix("pageToken=p"));
    is_listing(request).then(|| token.map_or(1, |token| token.parse().unwrap()))
}

#[tokio::test]
pub(crate) async fn t150_grafeas_gets_few_requests_and_only_its_own_token() {
    let limits = Limits { signatures: 3, referrer_pages: 2, retries: 1, ..impatient() };
    let world = start(limits, true).await;
    world.mark("grafeas", "pg5ECRET-grafeas");
    let attestor = keys("p256", "ECDSA_SHA_256");
    require(&world, "all = [\"attestor\"]", &[("attestor", &attestor)]);
    let digest = world.registry.image("team/app", "1", "app");
    let repository = world.image("team/app");
    let good = occurrence(&repository, &digest, &p256());
    let wrong = occurrence(&repository, &digest, &rsa());
    let page = move |occurrences: Vec<Value>, next: Option<String>| {
        Scripted::ok(
            "application/json",
            json!({ "occurrences": occurrences, "nextPageToken": next }).to_string(),
        )
    };
    let elsewhere = Registry::start().await;
    world.watch("elsewhere", &elsewhere);
    let target = format!("http://{}/v1/projects/p/occurrences", elsewhere.host());
    let hang = || Scripted::ok("application/json", "{").body(Body::Hang);
    let of = |count: usize| vec![wrong.clone(); count];
    let [three, four, none] = [of(3), of(4), of(0)];
    let large = json!({ "occurrences": [], "x": "x".repeat(5 << 20) }).to_string();
    let answers: [(&str, Answer, &str, &str); 12] = [
        ("many", Box::new(move |_| page(four.clone(), None)), "grafeas", "too-many-signatures"),
        (
            "as many as the limit",
            Box::new(move |_| page(three.clone(), None)),
            "grafeas",
            "no-valid-signature",
        ),
        (
            "pages without end",
            Box::new(move |number| page(none.clone(), Some(format!("p{}", number + 1)))),
            "grafeas*2",
            "too-many-referrer-pages",
        ),
        (
            "the same page",
            Box::new(move |_| page(Vec::new(), Some("p2".to_owned()))),
            "grafeas*2",
            "no-valid-signature",
        ),
        (
            "a page of HTML",
            Box::new(|_| Scripted::ok("text/html", "<html>")),
            "grafeas",
            "no-valid-signature",
        ),
        (
            "another shape",
            Box::new(|_| Scripted::ok("application/json", "{\"occurrences\":1}")),
            "grafeas",
            "no-valid-signature",
        ),
        ("large", Box::new(move |_| Scripted::ok("application/json", large.clone())), "grafeas", "too-large"),
        ("broken", Box::new(|_| Scripted::status(500)), "grafeas*2", "registry-unavailable"),
        ("missing", Box::new(|_| Scripted::status(404)), "grafeas", "registry-unavailable"),
        ("forbidden", Box::new(|_| Scripted::status(403)), "grafeas", "registry-unauthorized"),
        ("stalling", Box::new(move |_| hang()), "grafeas*1..2", "registry-timeout"),
        (
            "sending elsewhere",
            Box::new(move |_| Scripted::redirect(&target)),
            "grafeas elsewhere:grafeas",
            "registry-unavailable",
        ),
    ];
    for (name, answer, asked, expected) in answers {
        world.registry.hook(move |request| page_of(request).map(&answer));
        let requests = format!("tag sig att fallback referrers {asked}");
        let expect = match expected {
            "registry-unavailable" | "registry-unauthorized" | "registry-timeout" => {
                Expect::unavailable(expected)
            }
            reason => Expect::refused(reason),
        };
        let outcome = world.outcome("team/app:1").await;
        let credentials = "grafeas";
        outcome.assert(name, Expect { requests: &requests, credentials, bytes: 0..=24 << 20, ..expect });
    }
    // The good one is on the second page.
    world.registry.hook(move |request| {
        page_of(request).map(|number| match number {
            1 => page(vec![wrong.clone()], Some("p2".to_owned())),
            _ => page(vec![good.clone()], None),
        })
    });
    let pinned = world.pinned("team/app", &digest);
    let requests = "tag sig att fallback referrers grafeas*2";
    let outcome = world.outcome("team/app:1").await;
    outcome
        .assert("the second page", Expect { requests, credentials: "grafeas", ..Expect::verified(&pinned) });
}
