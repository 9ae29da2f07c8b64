//! Attestations that must not meet a condition, and what looking for them costs: T140 to T145.

use pullgate::digest::Digest;
use pullgate::registry::Limits;
use pullgate::trust::Algorithm;
use serde_json::{Value, json};

use super::outcome::{Expect, LITTLE, Outcome, SIGNED};
use super::world::{World, impatient, node, p256};
use pullgate_test::policy::{RELEASE, SECURITY};
use pullgate_test::registry::{MANIFEST, Scripted};
use pullgate_test::signer::{
    Signer, attach_annotated_envelopes, attach_bundle, attach_envelopes, attest, attestation_bundle,
    envelope, sign_bundle, sign_classic, statement,
};
use pullgate_test::sigstore::{ISSUER, Person, Sigstore};

const REVIEW: &str = "https://example.com/review/v1";
const VULNERABILITIES: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

/// The requests for an image with a classic signature, whose rule asks for attestations, of which one is under the tag.
const ATTESTED: &str = "tag sig fallback referrers att blob";
/// The same without any attestation.
const UNATTESTED: &str = "tag sig fallback referrers att";
/// The same with the attestation in a bundle.
const BUNDLED: &str = "tag sig fallback referrers att manifest blob";

fn security() -> Signer {
    Signer::of("p384", Algorithm::EcdsaSha384)
}

/// Requires `release` and attestations for `team`; `conditions` are the tables of these.
fn policy(world: &World, require: &str, conditions: &str) -> String {
    let host = world.registry.host();
    format!(
        "default = \"deny\"\n{RELEASE}{SECURITY}{conditions}\n[[namespace]]\nscope = \"{host}/team\"\nrequire = {{ {require} }}\n"
    )
}

const REVIEWED: &str = "[attestation.reviewed]
type = \"custom\"
by = \"security\"
predicate-type = \"https://example.com/review/v1\"
fields = { \"/approved\" = true }
";

const SCANNED: &str = "[attestation.scanned]
type = \"vulnerabilities\"
by = \"security\"
max-age = \"30d\"
max-severity = \"medium\"
";

/// The same whatever the age is.
const SCANNED_ONCE: &str = "[attestation.scanned]
type = \"custom\"
by = \"security\"
predicate-type = \"https://cosign.sigstore.dev/attestation/vuln/v1\"
fields = { \"/scanner/result/matches/0/vulnerability/severity\" = \"Low\" }
";

/// A world whose images in `team` need a signature and a review, with one signed image.
async fn reviewed() -> (World, Digest) {
    let world = World::start(node()).await;
    world.set_policy(&policy(&world, "all = [\"release\"], attestations = [\"reviewed\"]", REVIEWED));
    let digest = world.signed();
    (world, digest)
}

fn review(digest: &Digest, approved: &Value) -> String {
    statement(digest, REVIEW, &json!({ "approved": approved }))
}

/// A report of grype of this time, that found something of this severity.
fn scan(digest: &Digest, at: jiff::Timestamp, severity: &str) -> String {
    let found = json!([{ "vulnerability": { "id": "CVE-2026-0001", "severity": severity } }]);
    let result = json!({
        "matches": found,
        "source": { "type": "image" },
        "descriptor": { "name": "grype" },
    });
    let predicate =
        json!({ "scanner": { "result": result }, "metadata": { "scanFinishedOn": at.to_string() } });
    statement(digest, VULNERABILITIES, &predicate)
}

fn days_ago(days: i64) -> jiff::Timestamp {
    jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days)
}

async fn pull(world: &World) -> Outcome {
    world.outcome("team/app:1").await
}

fn admitted(world: &World, digest: &Digest) -> super::outcome::Verdict {
    world.pinned("team/app", digest)
}

#[tokio::test]
async fn t140_an_image_without_a_valid_attestation_is_refused() {
    let (world, digest) = reviewed().await;
    let good = review(&digest, &json!(true));
    let other = review(&Digest::of(b"another image"), &json!(true));
    let unsigned = {
        let mut envelope = envelope(&good, &security());
        envelope["signatures"] = json!([]);
        envelope.to_string()
    };
    let refused = |reason| Expect { requests: ATTESTED, ..Expect::refused(reason) };
    let none = pull(&world).await;
    none.assert("nothing", Expect { requests: UNATTESTED, ..Expect::refused("no-attestation") });
    assert!(
        none.line.contains(
            "requires release, and attestation reviewed; attestation reviewed (custom https://example.com/review/v1, by \
             security): found no attestation of this type; attest this digest, then pull again"
        ),
        "{}",
        none.line
    );
    type Attach<'a> = Box<dyn Fn() + 'a>;
    let envelopes = |texts: Vec<String>| -> Attach<'_> {
        let (world, digest) = (&world, &digest);
        Box::new(move || attach_envelopes(&world.registry, "team/app", digest, &texts))
    };
    let by = |statement: &str, signer: Signer| envelope(statement, &signer).to_string();
    let rows: Vec<(&str, Attach<'_>, &str, &str)> = vec![
        (
            "by another signer",
            envelopes(vec![by(&good, p256())]),
            "no-valid-attestation",
            "does not verify with any key",
        ),
        (
            "about another image",
            envelopes(vec![by(&other, security())]),
            "no-valid-attestation",
            "for another digest",
        ),
        (
            "of another type",
            envelopes(vec![by(
                &statement(&digest, "https://example.com/review/v2", &json!({ "approved": true })),
                security(),
            )]),
            "no-attestation",
            "found no attestation of this type",
        ),
        (
            "without a signature",
            envelopes(vec![unsigned]),
            "no-valid-attestation",
            "exactly one signature, but has 0",
        ),
        ("not JSON", envelopes(vec!["{".to_owned()]), "no-valid-attestation", "it is not JSON"),
        (
            "a list of them",
            envelopes(vec![format!("[{}]", by(&good, security()))]),
            "no-valid-attestation",
            "is not an object",
        ),
        (
            "an empty list of subjects",
            envelopes(vec![by(
                &good.replace(
                    &format!("{{\"digest\":{{\"sha256\":\"{}\"}},\"name\":\"app\"}}", digest.hex()),
                    "",
                ),
                security(),
            )]),
            "no-valid-attestation",
            "1 to 1024 subjects",
        ),
    ];
    for (what, attach, reason, found) in rows {
        attach();
        let outcome = pull(&world).await;
        outcome.assert(what, refused(reason));
        assert!(outcome.line.contains(found), "{what}: {}", outcome.line);
        assert!(outcome.line.contains("attestation reviewed (custom"), "{what}: {}", outcome.line);
    }
    // Beside a good one, none of them matters.
    let verdict = admitted(&world, &digest);
    attach_envelopes(
        &world.registry,
        "team/app",
        &digest,
        &["{".to_owned(), by(&other, security()), by(&good, p256()), by(&good, security())],
    );
    let requests = "tag sig fallback referrers att blob*4";
    pull(&world).await.assert("good", Expect { requests, ..Expect::verified(&verdict) });
}

#[tokio::test]
async fn t140_a_bundle_counts_as_an_envelope_does() {
    let (world, _) = reviewed().await;
    for (path, signer, expected) in
        [("team/other", p256(), Err("no-valid-attestation")), ("team/right", security(), Ok(()))]
    {
        let digest = world.registry.image(path, "1", path);
        sign_classic(&world.registry, path, &digest, &p256());
        let bundle = attestation_bundle(&review(&digest, &json!(true)), &signer);
        attach_bundle(&world.registry, path, &digest, &bundle);
        let verdict = world.pinned(path, &digest);
        let expect = match expected {
            Ok(()) => Expect::verified(&verdict),
            Err(reason) => Expect::refused(reason),
        };
        world.outcome(&format!("{path}:1")).await.assert(path, Expect { requests: BUNDLED, ..expect });
    }
}

/// By a certificate, in both layouts: who signed, about what, and when it was logged.
#[tokio::test]
async fn t140_a_keyless_attestation_is_by_its_identity_and_of_its_time() {
    let world = World::start(node()).await;
    let (sigstore, directory) = (Sigstore::new(), tempfile::tempdir().unwrap());
    let root = directory.path().join("root.json");
    std::fs::write(&root, sigstore.trusted_root().to_string()).unwrap();
    let ci = format!(
        "[authenticator.ci]\ntype = \"keyless\"\ntrust-root = {root:?}\nissuer = \"{ISSUER}\"\n\
         source-repository = \"https://git.example/team/app\"\n"
    );
    let condition = REVIEWED.replace("\"security\"", "\"ci\"") + "max-age = \"30d\"\n";
    let required = "all = [\"release\"], attestations = [\"reviewed\"]";
    world.set_policy(&policy(&world, required, &format!("{ci}{condition}")));
    let builder = Person::builder();
    let mut stranger = Person::builder();
    stranger.claims.retain(|(arc, _)| *arc != 12);
    stranger.claims.push((12, "https://git.example/evil/app".to_owned()));
    let old = Person { issued: days_ago(31), ..Person::builder() };
    let cases = [
        ("good", &builder, true, None, Ok(())),
        ("another-identity", &stranger, true, None, Err("no-valid-attestation")),
        ("old", &old, true, None, Err("attestation-stale")),
        ("not-approved", &builder, false, None, Err("attestation-not-met")),
        ("another-image", &builder, true, Some(Digest::of(b"another image")), Err("no-valid-attestation")),
    ];
    for (name, person, approved, about, expected) in cases {
        for layout in ["envelope", "bundle"] {
            let path = format!("team/{name}-{layout}");
            let digest = world.registry.image(&path, "1", &path);
            sign_classic(&world.registry, &path, &digest, &p256());
            let text = review(about.as_ref().unwrap_or(&digest), &json!(approved));
            let requests = match layout {
                "envelope" => {
                    let attached = [sigstore.envelope(person, &text)];
                    attach_annotated_envelopes(&world.registry, &path, &digest, &attached);
                    ATTESTED
                }
                _ => {
                    let bundle = sigstore.attested(person, &text).to_string();
                    attach_bundle(&world.registry, &path, &digest, &bundle);
                    BUNDLED
                }
            };
            let verdict = world.pinned(&path, &digest);
            let expect = match expected {
                Ok(()) => Expect::verified(&verdict),
                Err(reason) => Expect::refused(reason),
            };
            world
                .outcome(&format!("{path}:1"))
                .await
                .assert(&path, Expect { requests, bytes: 1..=64 << 10, ..expect });
        }
    }
    // Keyless, where a key is required, and the other way round.
    let digest = world.registry.image("team/key", "1", "key");
    sign_classic(&world.registry, "team/key", &digest, &p256());
    attest(&world.registry, "team/key", &digest, &[review(&digest, &json!(true))], &security());
    let by_key = world.outcome("team/key:1").await;
    by_key.assert("by a key", Expect { requests: ATTESTED, ..Expect::refused("no-valid-attestation") });
    world.set_policy(&policy(&world, required, REVIEWED));
    let keyless = world.outcome("team/good-envelope:1").await;
    let expect =
        Expect { requests: ATTESTED, bytes: 1..=64 << 10, ..Expect::refused("no-valid-attestation") };
    keyless.assert("by a certificate", expect);
    assert!(keyless.line.contains("attestation has a certificate (keyless signing)"), "{}", keyless.line);
}

#[tokio::test]
async fn t141_an_attestation_that_says_something_else_does_not_count() {
    let (world, digest) = reviewed().await;
    let verdict = admitted(&world, &digest);
    for (value, found) in [
        (json!(false), Some("/approved is false, but the policy requires true")),
        (json!("true"), Some("/approved is \"true\", but the policy requires true")),
        (json!(1), Some("/approved is 1, but the policy requires true")),
        (json!([true]), Some("/approved is an array, but the policy requires true")),
        (json!(null), Some("/approved is null, but the policy requires true")),
        (json!(true), None),
    ] {
        attest(&world.registry, "team/app", &digest, &[review(&digest, &value)], &security());
        let outcome = pull(&world).await;
        let Some(found) = found else {
            outcome.assert("met", Expect { requests: ATTESTED, ..Expect::verified(&verdict) });
            continue;
        };
        outcome.assert(found, Expect { requests: ATTESTED, ..Expect::refused("attestation-not-met") });
        assert!(outcome.line.contains(found), "{}", outcome.line);
    }
    // A duplicate key is refused, whichever of the values is good.
    for text in ["{\"approved\":false,\"approved\":true}", "{\"approved\":true,\"approved\":false}"] {
        let twice = review(&digest, &json!(true)).replace("{\"approved\":true}", text);
        let digest = world.registry.image("team/twice", "1", text);
        sign_classic(&world.registry, "team/twice", &digest, &p256());
        attest(&world.registry, "team/twice", &digest, &[twice], &security());
        let outcome = world.outcome("team/twice:1").await;
        outcome.assert("twice", Expect { requests: ATTESTED, ..Expect::refused("no-valid-attestation") });
        assert!(outcome.line.contains("it has a duplicate key"), "{}", outcome.line);
    }
}

#[tokio::test]
async fn t142_an_older_scan_does_not_replace_a_newer_one() {
    let world = World::start(node()).await;
    world.set_policy(&policy(&world, "all = [\"release\"], attestations = [\"scanned\"]", SCANNED));
    let digest = world.signed();
    let scan = |days: i64, severity: &str| scan(&digest, days_ago(days), severity);
    let two = "tag sig fallback referrers att blob*2";
    for (what, statements, requests, reason, found) in [
        (
            "replayed",
            vec![scan(10, "Low"), scan(1, "High")],
            two,
            "attestation-not-met",
            "has severity high, but the policy allows at most medium",
        ),
        (
            "in the other order",
            vec![scan(1, "High"), scan(10, "Low")],
            two,
            "attestation-not-met",
            "counts instead",
        ),
        ("too old", vec![scan(31, "Low")], ATTESTED, "attestation-stale", "more than 30d ago"),
        ("of the future", vec![scan(-1, "Low")], ATTESTED, "attestation-stale", "is in the future"),
        (
            "without a time",
            vec![scan(1, "Low").replace("scanFinishedOn", "scanStartedOn"), scan(2, "Low")],
            two,
            "attestation-stale",
            "no signed time",
        ),
    ] {
        attest(&world.registry, "team/app", &digest, &statements, &security());
        let outcome = pull(&world).await;
        outcome.assert(what, Expect { requests, ..Expect::refused(reason) });
        assert!(outcome.line.contains(found), "{what}: {}", outcome.line);
    }
    let verdict = admitted(&world, &digest);
    attest(&world.registry, "team/app", &digest, &[scan(10, "High"), scan(1, "Low")], &security());
    pull(&world).await.assert("the newest is good", Expect { requests: two, ..Expect::verified(&verdict) });
}

/// An older good scan must not count beside a newer one that pullgate cannot read; without `max-age` it counts.
#[tokio::test]
async fn t142_a_newer_scan_that_cannot_be_read_is_not_ignored() {
    let large = 64 << 10;
    let limits =
        Limits { attestation_max_size: large, signature_max_size: large, signatures: 3, ..impatient() };
    let world = World::start(node().limits(limits)).await;
    let required = "all = [\"release\"], attestations = [\"scanned\"]";
    // Good ones, and a newer bad one of this size, whose document the registry may not answer.
    let attach = |path: &str, digest: &Digest, layout: &str, good: i64, size: usize| {
        let bad = scan(digest, days_ago(1), "High").replace("CVE-2026-0001", &"1".repeat(size));
        let scans: Vec<_> =
            (0..good).map(|more| scan(digest, days_ago(10 + more), "Low")).chain([bad]).collect();
        let document = |scan: &String| match layout {
            "envelope" => envelope(scan, &security()).to_string(),
            _ => attestation_bundle(scan, &security()),
        };
        let documents: Vec<_> = scans.iter().map(document).collect();
        match layout {
            "envelope" => attach_envelopes(&world.registry, path, digest, &documents),
            _ => documents.iter().for_each(|it| attach_bundle(&world.registry, path, digest, it)),
        }
        Digest::of(documents.last().unwrap().as_bytes())
    };
    let unanswered = Some("registry-unavailable");
    for (what, layout, (good, size), requests, reason) in [
        ("500", "envelope", (1, 2000), "blob*2..9", unanswered),
        ("too-large", "envelope", (1, 64 << 10), "blob", Some("attestation-too-large")),
        ("too-many", "envelope", (3, 2000), "blob*3", Some("too-many-signatures")),
        ("500", "bundle", (1, 2000), "manifest*2 blob*2..9", unanswered),
        ("too-large", "bundle", (1, 64 << 10), "manifest*2 blob", Some("attestation-too-large")),
        ("too-many", "bundle", (3, 2000), "manifest*4 blob*3", Some("too-many-signatures")),
        ("absent", "envelope", (1, 2000), "blob*2", None),
    ] {
        for limited in [true, false] {
            let condition = if limited { SCANNED } else { SCANNED_ONCE };
            world.set_policy(&policy(&world, required, condition));
            let path = format!("team/{what}-{layout}-{limited}");
            let digest = world.registry.image(&path, "1", &path);
            sign_classic(&world.registry, &path, &digest, &p256());
            let bad = attach(&path, &digest, layout, good, size);
            let status = match what {
                "500" => Some(500),
                "absent" => Some(404),
                _ => None,
            };
            world.registry.hook(move |request| {
                let status = status.filter(|_| request.uri.path().ends_with(bad.as_str()));
                status.map(Scripted::status)
            });
            let verdict = world.pinned(&path, &digest);
            let expect = match reason.filter(|_| limited) {
                None => Expect::verified(&verdict),
                Some("registry-unavailable") => Expect::unavailable("registry-unavailable"),
                Some(reason) => Expect::refused(reason),
            };
            let requests = &format!("{UNATTESTED} {requests}");
            let outcome = world.outcome(&format!("{path}:1")).await;
            outcome.assert(&path, Expect { requests, bytes: 1..=64 << 10, ..expect });
        }
    }
}

/// Artifactory answers 403 for a tag that is not there.
#[tokio::test]
async fn t142_a_registry_that_refuses_what_is_not_there_hides_nothing() {
    let world = World::start(node().limits(impatient())).await;
    world.set_policy(&policy(&world, "all = [\"release\"], attestations = [\"scanned\"]", SCANNED));
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let good = envelope(&scan(&digest, days_ago(1), "Low"), &security()).to_string();
    attach_envelopes(&world.registry, "team/app", &digest, &[good]);
    let fallback = format!("/manifests/sha256-{}", digest.hex());
    world
        .registry
        .hook(move |request| request.uri.path().ends_with(&fallback).then(|| Scripted::status(403)));
    let pinned = world.pinned("team/app", &digest);
    let requests = &format!("{UNATTESTED} blob");
    let expect = Expect { requests, bytes: 1..=64 << 10, ..Expect::verified(&pinned) };
    world.outcome("team/app:1").await.assert("forbidden", expect);
}

/// Scans that an admission did not need are not kept without the newest, by which a later policy would judge them; nor does
/// one that it did need meet a condition that asks for the newest.
#[tokio::test]
async fn t142_an_older_scan_is_not_kept_without_a_newer_one() {
    let world = World::start(node().limits(impatient())).await;
    for (before, condition) in [("reviewed", REVIEWED), ("scanned", SCANNED_ONCE)] {
        for (what, size, unread) in [("small", 100, false), ("large", 70 << 10, false), ("unread", 100, true)]
        {
            let path = format!("team/{what}-{before}");
            let name = format!("{path}:1");
            let digest = world.registry.image(&path, "1", &path);
            sign_classic(&world.registry, &path, &digest, &p256());
            let bad = scan(&digest, days_ago(1), "High").replace("CVE-2026-0001", &"1".repeat(size));
            let statements = [review(&digest, &json!(true)), scan(&digest, days_ago(10), "Low"), bad];
            let documents = statements.map(|statement| envelope(&statement, &security()).to_string());
            attach_envelopes(&world.registry, &path, &digest, &documents);
            let bad = Digest::of(documents[2].as_bytes());
            world.registry.hook(move |request| {
                (unread && request.uri.path().ends_with(bad.as_str())).then(|| Scripted::status(500))
            });
            let required = format!("all = [\"release\"], attestations = [\"{before}\"]");
            world.set_policy(&policy(&world, &required, condition));
            let outcome = world.outcome(&name).await;
            let verdict = world.pinned(&path, &digest);
            let requests = &format!("{UNATTESTED} blob*3{}", if unread { "..9" } else { "" });
            outcome.assert(&path, Expect { requests, bytes: 1..=1 << 20, ..Expect::verified(&verdict) });
            world.set_policy(&policy(&world, "all = [\"release\"], attestations = [\"scanned\"]", SCANNED));
            let expect = match unread {
                true => Expect::unavailable("registry-unavailable"),
                false => Expect::refused("attestation-not-met"),
            };
            let outcome = world.outcome(&name).await;
            outcome.assert(&path, Expect { requests, bytes: 1..=1 << 20, ..expect });
        }
    }
}

/// A scan in a bundle is read where no rule asks for attestations, a newer one under the tag of cosign is not.
#[tokio::test]
async fn t142_an_older_scan_from_before_attestations_were_wanted_does_not_count() {
    let world = World::start(node()).await;
    let digest = world.signed();
    attach_bundle(
        &world.registry,
        "team/app",
        &digest,
        &attestation_bundle(&scan(&digest, days_ago(10), "Low"), &security()),
    );
    attest(&world.registry, "team/app", &digest, &[scan(&digest, days_ago(1), "High")], &security());
    let verdict = admitted(&world, &digest);
    world.set_policy(&policy(&world, "all = [\"release\"]", SCANNED));
    let requests = "tag sig fallback referrers manifest blob";
    pull(&world).await.assert("not asked for", Expect { requests, ..Expect::verified(&verdict) });
    world.set_policy(&policy(&world, "all = [\"release\"], attestations = [\"scanned\"]", SCANNED));
    let requests = "tag sig fallback referrers att manifest blob*2";
    pull(&world).await.assert("asked for", Expect { requests, ..Expect::refused("attestation-not-met") });
}

#[tokio::test]
async fn t143_attestations_are_no_signatures_and_signatures_no_attestations() {
    let world = World::start(node()).await;
    let signed = "all = [\"release\"]";
    let by_release = REVIEWED.replace("by = \"security\"", "by = \"release\"");
    // Attested by the very key that has to sign.
    let digest = world.registry.image("team/app", "1", "app");
    attest(&world.registry, "team/app", &digest, &[review(&digest, &json!(true))], &p256());
    world.set_policy(&policy(&world, &format!("{signed}, attestations = [\"reviewed\"]"), &by_release));
    pull(&world)
        .await
        .assert("no signature", Expect { requests: ATTESTED, ..Expect::refused("no-signature") });
    world.set_policy(&policy(&world, signed, ""));
    pull(&world)
        .await
        .assert("not looked for", Expect { requests: SIGNED, ..Expect::refused("no-signature") });
    // Without a signature that is required, the attestation is enough.
    let verdict = admitted(&world, &digest);
    world.set_policy(&policy(&world, "attestations = [\"reviewed\"]", &by_release));
    pull(&world).await.assert("alone", Expect { requests: ATTESTED, ..Expect::verified(&verdict) });
    // A bundle that signs the image, where an attestation is required.
    let digest = world.registry.image("team/app", "1", "signed");
    sign_bundle(&world.registry, "team/app", &digest, &p256());
    let signed = pull(&world).await;
    signed.assert("signed", Expect { requests: BUNDLED, ..Expect::refused("no-attestation") });
    sign_classic(&world.registry, "team/app", &digest, &p256());
    pull(&world)
        .await
        .assert("both layouts", Expect { requests: BUNDLED, ..Expect::refused("no-attestation") });
}

#[tokio::test]
async fn t144_attestations_are_bounded_and_fetched_only_where_a_rule_asks() {
    let limits = Limits { attestation_max_size: 64 << 10, signatures: 3, ..Limits::default() };
    let world = World::start(node().limits(limits)).await;
    let asked = policy(&world, "all = [\"release\"], attestations = [\"reviewed\"]", REVIEWED);
    world.set_policy(&asked);
    let digest = world.signed();
    let good = review(&digest, &json!(true));
    let padded = |kibibytes: usize| {
        let predicate = json!({ "approved": true, "pad": "x".repeat(kibibytes << 10) });
        statement(&digest, REVIEW, &predicate)
    };
    attest(&world.registry, "team/app", &digest, &[padded(64)], &security());
    let outcome = pull(&world).await;
    outcome.assert("too large", Expect { requests: UNATTESTED, ..Expect::refused("attestation-too-large") });
    attest(&world.registry, "team/app", &digest, &vec![good.replace("true", "false"); 4], &security());
    let outcome = pull(&world).await;
    let requests = "tag sig fallback referrers att blob*1..3";
    outcome.assert("too many", Expect { requests, ..Expect::refused("too-many-signatures") });
    // The condition is there, and the rule does not require it.
    world.set_policy(&policy(&world, "all = [\"release\"]", REVIEWED));
    let verdict = admitted(&world, &digest);
    pull(&world).await.assert("no rule asks", Expect { requests: SIGNED, ..Expect::verified(&verdict) });
    // As large as is allowed, and beside one that is too large.
    world.set_policy(&asked);
    attest(&world.registry, "team/app", &digest, &[padded(64), padded(40)], &security());
    let outcome = pull(&world).await;
    outcome.assert("good", Expect { requests: ATTESTED, bytes: 1..=128 << 10, ..Expect::verified(&verdict) });
}

#[tokio::test]
async fn t145_a_registry_that_fails_is_not_an_image_without_attestations() {
    let world = World::start(node().limits(impatient())).await;
    world.set_policy(&policy(&world, "all = [\"release\"], attestations = [\"reviewed\"]", REVIEWED));
    let digest = world.signed();
    attest(&world.registry, "team/app", &digest, &[review(&digest, &json!(true))], &security());
    let tag = |path: &str| path.ends_with(".att");
    type Answer = fn() -> Scripted;
    let answers: [(&str, Answer, &str, bool); 4] = [
        ("500", || Scripted::status(500), "registry-unavailable", true),
        ("401", || Scripted::status(401), "registry-unauthorized", true),
        (
            "an index",
            || Scripted::ok(MANIFEST, "{\"schemaVersion\":2,\"manifests\":[]}"),
            "no-valid-attestation",
            false,
        ),
        ("not JSON", || Scripted::ok(MANIFEST, "{"), "no-valid-attestation", false),
    ];
    for (what, answer, reason, unavailable) in answers {
        world.registry.hook(move |request| tag(request.uri.path()).then(answer));
        let expect = if unavailable { Expect::unavailable(reason) } else { Expect::refused(reason) };
        let requests = "tag sig fallback referrers att*1..9";
        pull(&world).await.assert(what, Expect { requests, ..expect });
    }
    // Other bytes than the layer has.
    world.registry.hook(|request| {
        request.uri.path().contains("/blobs/").then(|| Scripted::ok("application/octet-stream", "{}"))
    });
    let outcome = pull(&world).await;
    outcome.assert("other bytes", Expect { requests: ATTESTED, ..Expect::refused("no-valid-attestation") });
    world.registry.hook(|_| None);
    let verdict = admitted(&world, &digest);
    let expect = Expect { requests: ATTESTED, bytes: LITTLE, ..Expect::verified(&verdict) };
    pull(&world).await.assert("good", expect);
}
