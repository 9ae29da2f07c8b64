//! Keyless signatures by an instance of Sigstore that the tests run: T80 to T85, T89.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use pullgate::digest::Digest;
use pullgate_test::registry::Registry;
use pullgate_test::signer::{attach_bundle, payload, sign_classic};
use pullgate_test::sigstore::{ISSUER, Person, SUBJECT, Sigstore, attach_annotated};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints,
};
use serde_json::{Value, json};

use super::outcome::{Expect, SIGNED};
use super::world::{World, node, p256};

/// The requests of a pull of an image with a bundle.
const BUNDLED: &str = "tag sig fallback referrers manifest blob";
/// The identity of [`Person::builder`].
const BY_SUBJECT: &str =
    "subject = \"https://git.example/team/app/.github/workflows/release.yml@refs/tags/v*\"";

/// Requires a keyless signature for `team`.
struct Keyless {
    world: World,
    sigstore: Sigstore,
    root: tempfile::TempDir,
    /// How many repositories were made.
    repositories: AtomicUsize,
}

impl Keyless {
    async fn start() -> Self {
        let world = Self {
            world: World::start(node()).await,
            sigstore: Sigstore::new(),
            root: tempfile::tempdir().unwrap(),
            repositories: AtomicUsize::new(0),
        };
        world.require(&world.sigstore.trusted_root(), BY_SUBJECT);
        world
    }

    /// Requires signatures with this root by somebody whom these lines describe.
    fn require(&self, root: &Value, lines: &str) {
        self.require_of(root, ISSUER, lines);
    }

    fn require_of(&self, root: &Value, issuer: &str, lines: &str) {
        let path = self.root.path().join("root.json");
        std::fs::write(&path, root.to_string()).unwrap();
        self.world.set_policy(&format!(
            "default = \"deny\"\n[authenticator.ci]\ntype = \"keyless\"\ntrust-root = {path:?}\n\
             issuer = \"{issuer}\"\n{lines}\n\
             [[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ all = [\"ci\"] }}\n"
        ));
    }

    /// An image in `team` with a name of its own.
    fn image(&self, name: &str) -> Digest {
        self.world.registry.image(&format!("team/{name}"), "1", name)
    }

    /// Asserts the outcome of a pull of an image with this bundle, in a repository of its own.
    async fn assert_bundle(
        &self,
        about: impl Debug,
        (digest, name): (&Digest, &str),
        bundle: &Value,
        expect: &str,
    ) {
        let own = format!("{name}-{}", self.repositories.fetch_add(1, Ordering::Relaxed));
        let path = format!("team/{own}");
        assert_eq!(self.world.registry.image(&path, "1", name), *digest);
        attach_bundle(&self.world.registry, &path, digest, &bundle.to_string());
        self.assert(about, (digest, &own), BUNDLED, expect).await;
    }

    async fn assert(&self, about: impl Debug, (digest, name): (&Digest, &str), requests: &str, expect: &str) {
        let pinned = self.world.pinned(&format!("team/{name}"), digest);
        let outcome = self.world.outcome(&format!("team/{name}:1")).await;
        let expected = Expect::decided(expect, &pinned);
        outcome.assert(about, Expect { requests, bytes: 1..=512 << 10, ..expected });
    }
}

fn entry(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

/// The registry of a test, for attachments.
fn registry(keyless: &Keyless) -> &Registry {
    &keyless.world.registry
}

#[tokio::test]
async fn bundles_of_both_logs_and_classic_annotations_count() {
    let keyless = Keyless::start().await;
    let person = Person::builder();
    let digest = keyless.image("v1");
    let bundle = keyless.sigstore.bundle(&person, &digest);
    keyless.assert_bundle("Rekor v1", (&digest, "v1"), &bundle, "verified").await;
    let digest = keyless.image("v2");
    let bundle = keyless.sigstore.bundle_v2(&person, &digest);
    keyless.assert_bundle("Rekor v2", (&digest, "v2"), &bundle, "verified").await;
    let digest = keyless.image("classic");
    let text = payload(&format!("{}/team/classic", registry(&keyless).host()), &digest);
    let annotations = keyless.sigstore.classic(&person, &text);
    attach_annotated(registry(&keyless), "team/classic", &digest, &text, &annotations);
    keyless.assert("classic", (&digest, "classic"), SIGNED, "verified").await;
    // Another repository than the one that was signed for.
    let other = registry(&keyless).image("team/other", "1", "classic");
    attach_annotated(registry(&keyless), "team/other", &other, &text, &annotations);
    keyless
        .assert("other repository", (&other, "other"), "tag sig fallback referrers blob", "other-repository")
        .await;
}

#[tokio::test]
async fn an_instance_without_logs_needs_a_root_that_says_so() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let person = Person { logged: false, ..Person::builder() };
    let bundle = keyless.sigstore.bundle_without_log(&person, &digest);
    keyless.assert_bundle("with logs", (&digest, "a"), &bundle, "no-log-entry").await;
    keyless.require(&keyless.sigstore.root_without_logs(), &format!("{BY_SUBJECT}\nlog = \"none\""));
    keyless.assert_bundle("without", (&digest, "a"), &bundle, "verified").await;
    let mut unstamped = bundle.clone();
    unstamped["verificationMaterial"]["timestampVerificationData"] = json!(null);
    keyless.assert_bundle("no timestamp", (&digest, "a"), &unstamped, "no-signing-time").await;
}

#[tokio::test]
async fn t80_certificates_outside_their_time_or_purpose_are_refused() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let stranger = Sigstore::new();
    let minutes = SignedDuration::from_mins;
    let good = Person::builder();
    for (about, person, expect) in [
        ("at once", Person { signed_after: minutes(0), ..good.clone() }, "verified"),
        ("last minute", Person { signed_after: minutes(10), ..good.clone() }, "verified"),
        ("too early", Person { signed_after: minutes(-1), ..good.clone() }, "certificate-expired"),
        ("too late", Person { signed_after: minutes(11), ..good.clone() }, "certificate-expired"),
        (
            "years ago",
            Person { issued: "2019-01-01T00:00:00Z".parse().unwrap(), ..good.clone() },
            "trust-root-expired",
        ),
        ("not for code", Person { code_signing: false, ..good.clone() }, "untrusted-certificate"),
    ] {
        let bundle = keyless.sigstore.bundle(&person, &digest);
        keyless.assert_bundle(about, (&digest, "a"), &bundle, expect).await;
        let bundle = keyless.sigstore.bundle_v2(&person, &digest);
        keyless.assert_bundle((about, "v2"), (&digest, "a"), &bundle, expect).await;
    }
    // Its logs are trusted, its authority is not.
    let mut root = stranger.trusted_root();
    root["certificateAuthorities"] = keyless.sigstore.trusted_root()["certificateAuthorities"].take();
    keyless.require(&root, BY_SUBJECT);
    let bundle = stranger.bundle(&good, &digest);
    keyless.assert_bundle("other authority", (&digest, "a"), &bundle, "untrusted-certificate").await;
    // The authority's time is over.
    let mut root = keyless.sigstore.trusted_root();
    root["certificateAuthorities"][0]["validFor"]["end"] = json!("2024-01-01T00:00:00Z");
    keyless.require(&root, BY_SUBJECT);
    let bundle = keyless.sigstore.bundle(&good, &digest);
    keyless.assert_bundle("root expired", (&digest, "a"), &bundle, "trust-root-expired").await;
}

/// A bundle can bring certificates of CAs that are not in the trusted root; each must be one that may issue.
#[tokio::test]
async fn t80_certificates_between_the_root_and_the_signer_are_checked() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let good = |name: &str| {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        ca.distinguished_name = rcgen::DistinguishedName::new();
        ca.distinguished_name.push(rcgen::DnType::CommonName, name);
        ca
    };
    let with = |change: &dyn Fn(&mut CertificateParams)| {
        let mut ca = good("intermediate");
        change(&mut ca);
        ca
    };
    let limited = with(&|ca| ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let names = |subtrees: [&str; 2]| {
        let [permitted, excluded] = subtrees.map(|host| match host {
            "" => Vec::new(),
            host => vec![GeneralSubtree::Rfc822Name(host.to_owned())],
        });
        with(&|ca| {
            ca.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted.clone(),
                excluded_subtrees: excluded.clone(),
            });
        })
    };
    let by_email = Person { subjects: vec!["builder@git.example".to_owned()], ..Person::builder() };
    for (about, intermediates, expect) in [
        ("one", vec![good("intermediate")], "verified"),
        ("two", vec![good("upper"), good("lower")], "verified"),
        ("expired", vec![with(&|ca| ca.not_after = rcgen::date_time_ymd(2026, 1, 1))], "certificate-expired"),
        (
            "not yet valid",
            vec![with(&|ca| ca.not_before = rcgen::date_time_ymd(2090, 1, 1))],
            "certificate-expired",
        ),
        (
            "the upper one expired",
            vec![with(&|ca| ca.not_after = rcgen::date_time_ymd(2026, 1, 1)), good("lower")],
            "certificate-expired",
        ),
        ("no basic constraints", vec![with(&|ca| ca.is_ca = IsCa::NoCa)], "untrusted-certificate"),
        (
            "a certificate of a signer",
            vec![with(&|ca| {
                ca.is_ca = IsCa::ExplicitNoCa;
                ca.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            })],
            "untrusted-certificate",
        ),
        ("the last that may issue", vec![limited.clone()], "verified"),
        ("below the last that may issue", vec![limited, good("lower")], "untrusted-certificate"),
        (
            "a CA for servers",
            vec![with(&|ca| ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])],
            "untrusted-certificate",
        ),
        ("a CA for other addresses", vec![names(["other.example", ""])], "untrusted-certificate"),
        ("a CA not for these addresses", vec![names(["", "git.example"])], "untrusted-certificate"),
    ] {
        let sigstore = Sigstore::with_intermediates(intermediates);
        keyless.require(&sigstore.trusted_root(), "subject = \"builder@git.example\"");
        let bundle = sigstore.bundle(&by_email, &digest);
        keyless.assert_bundle(about, (&digest, "a"), &bundle, expect).await;
        // CVE-2026-24122: also where no log is used.
        keyless.require(&sigstore.root_without_logs(), "subject = \"builder@git.example\"\nlog = \"none\"");
        let bundle = sigstore.bundle_without_log(&by_email, &digest);
        keyless.assert_bundle((about, "no log"), (&digest, "a"), &bundle, expect).await;
    }
    // The root lists the certificate of a signer, which did not issue itself.
    let mut root = keyless.sigstore.trusted_root();
    let bundle = keyless.sigstore.bundle(&Person::builder(), &digest);
    root["certificateAuthorities"][0]["certChain"]["certificates"] =
        json!([bundle["verificationMaterial"]["certificate"]]);
    keyless.require(&root, BY_SUBJECT);
    keyless.assert_bundle("signer as root", (&digest, "a"), &bundle, "untrusted-certificate").await;
}

#[tokio::test]
async fn t81_other_identities_are_refused() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let root = keyless.sigstore.trusted_root();
    let bundle = keyless.sigstore.bundle(&Person::builder(), &digest);
    let repository = "source-repository = \"https://git.example/team/app\"";
    for (issuer, lines, expect) in [
        (ISSUER, format!("subject = \"{SUBJECT}\""), "verified"),
        (ISSUER, repository.to_owned(), "verified"),
        (
            ISSUER,
            "source-repository-id = \"1001\"\nsource-ref = \"refs/tags/v*\"\nrunner = \"github-hosted\""
                .to_owned(),
            "verified",
        ),
        (&format!("{ISSUER}.evil.example"), format!("subject = \"{SUBJECT}\""), "wrong-identity"),
        ("https://token.actions.exampl", format!("subject = \"{SUBJECT}\""), "wrong-identity"),
        (ISSUER, format!("subject = \"{SUBJECT}.1\""), "wrong-identity"),
        (ISSUER, "subject = \"https://git.example/team/ap\"".to_owned(), "wrong-identity"),
        (ISSUER, "subject = \"https://git.example/team/*\"".to_owned(), "wrong-identity"),
        (ISSUER, "source-repository = \"https://git.example/team/appx\"".to_owned(), "wrong-identity"),
        (ISSUER, "source-repository = \"https://git.example/team.app\"".to_owned(), "wrong-identity"),
        (ISSUER, "source-repository-id = \"1002\"".to_owned(), "wrong-identity"),
        (ISSUER, "source-repository-owner-id = \"7\"".to_owned(), "wrong-identity"),
        (ISSUER, format!("{repository}\nsource-ref = \"refs/heads/main\""), "wrong-identity"),
        (ISSUER, format!("{repository}\ntrigger = \"push\""), "wrong-identity"),
        (ISSUER, format!("{repository}\nrunner = \"self-hosted\""), "wrong-identity"),
        (
            ISSUER,
            format!("{repository}\nworkflow = \"https://git.example/team/app/other.yml@*\""),
            "wrong-identity",
        ),
        (
            ISSUER,
            format!("{repository}\nbuild-config = \"https://git.example/team/app/other.yml@*\""),
            "wrong-identity",
        ),
    ] {
        keyless.require_of(&root, issuer, &lines);
        keyless.assert_bundle((issuer, &lines), (&digest, "a"), &bundle, expect).await;
    }
    // A claim that the certificate does not have.
    keyless.require(&root, repository);
    let silent = Person { claims: Vec::new(), ..Person::builder() };
    let bundle = keyless.sigstore.bundle(&silent, &digest);
    keyless.assert_bundle("no claims", (&digest, "a"), &bundle, "wrong-identity").await;
    keyless.require(&root, BY_SUBJECT);
    let [uri, email, host] = [SUBJECT, "a@b.example", "dns:git.example"].map(str::to_owned);
    // A host is not a signer, whatever its name is.
    for subjects in [vec![], vec![uri.clone(), email], vec![host.clone()], vec![uri, host]] {
        let several = Person { subjects, ..Person::builder() };
        let bundle = keyless.sigstore.bundle(&several, &digest);
        keyless.assert_bundle(&several.subjects, (&digest, "a"), &bundle, "no-valid-signature").await;
    }
}

#[tokio::test]
async fn t82_log_entries_of_something_else_are_refused() {
    let keyless = Keyless::start().await;
    let (digest, other) = (keyless.image("a"), keyless.image("b"));
    let person = Person::builder();
    let good = keyless.sigstore.bundle(&person, &digest);
    let good_v2 = keyless.sigstore.bundle_v2(&person, &digest);
    for (about, donor) in [
        ("other image", keyless.sigstore.bundle(&person, &other)),
        ("other signature", keyless.sigstore.bundle(&person, &digest)),
        ("other image in v2", keyless.sigstore.bundle_v2(&person, &other)),
        ("other signature in v2", keyless.sigstore.bundle_v2(&person, &digest)),
    ] {
        for own in [&good, &good_v2] {
            let mut bundle = own.clone();
            *entry(&mut bundle) = donor["verificationMaterial"]["tlogEntries"][0].clone();
            // Without a promise, the time comes from a timestamp.
            keyless.sigstore.stamp(&mut bundle, person.issued + person.signed_after);
            keyless.assert_bundle(about, (&digest, "a"), &bundle, "other-log-entry").await;
        }
    }
    let mut unstamped = good_v2.clone();
    unstamped["verificationMaterial"]["timestampVerificationData"] = json!({});
    keyless.assert_bundle("v2 without time", (&digest, "a"), &unstamped, "no-signing-time").await;
    // The classic layout: annotations of another signature.
    let text = payload(&format!("{}/team/b", registry(&keyless).host()), &other);
    let mut annotations = keyless.sigstore.classic(&person, &text);
    let donor = keyless.sigstore.classic(&person, &text);
    annotations[3] = donor[3].clone();
    attach_annotated(registry(&keyless), "team/b", &other, &text, &annotations);
    keyless.assert("classic", (&other, "b"), SIGNED, "other-log-entry").await;
    // A bundle about another image as a whole.
    keyless
        .assert_bundle(
            "other image",
            (&digest, "a"),
            &keyless.sigstore.bundle(&person, &other),
            "other-digest",
        )
        .await;
}

#[tokio::test]
async fn t83_missing_or_corrupt_evidence_of_the_log_is_refused() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let good = keyless.sigstore.bundle(&Person::builder(), &digest);
    let donor = Sigstore::new().bundle(&Person::builder(), &digest);
    let donor = &donor["verificationMaterial"]["tlogEntries"][0];
    for (pointer, value, expect) in [
        ("/inclusionPromise", json!(null), "no-signing-time"),
        (
            "/inclusionPromise/signedEntryTimestamp",
            donor["inclusionPromise"]["signedEntryTimestamp"].clone(),
            "untrusted-log",
        ),
        ("/inclusionPromise/signedEntryTimestamp", json!("AAAA"), "untrusted-log"),
        ("/inclusionPromise/signedEntryTimestamp", json!("?"), "no-valid-signature"),
        ("/inclusionProof", json!(null), "no-log-entry"),
        ("/inclusionProof/checkpoint", json!({ "envelope": "" }), "no-log-entry"),
        ("/inclusionProof/checkpoint", donor["inclusionProof"]["checkpoint"].clone(), "untrusted-log"),
        ("/inclusionProof/hashes", json!([]), "untrusted-log"),
        ("/inclusionProof/rootHash", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "untrusted-log"),
        ("/inclusionProof/treeSize", json!("3"), "untrusted-log"),
        ("/inclusionProof/logIndex", json!("0"), "untrusted-log"),
        ("/inclusionProof/logIndex", json!("2"), "untrusted-log"),
        ("/inclusionProof/logIndex", json!("-1"), "no-valid-signature"),
        ("/logIndex", json!("0"), "untrusted-log"),
        ("/logIndex", json!("-1"), "no-valid-signature"),
        ("/logId/keyId", donor["logId"]["keyId"].clone(), "untrusted-log"),
        ("/integratedTime", json!("1"), "untrusted-log"),
        ("/integratedTime", json!("99999999999"), "untrusted-log"),
        ("/canonicalizedBody", donor["canonicalizedBody"].clone(), "untrusted-log"),
        ("/kindVersion/version", json!("0.0.9"), "no-valid-signature"),
        ("", json!(null), "no-valid-signature"),
    ] {
        let mut bundle = good.clone();
        *entry(&mut bundle).pointer_mut(pointer).unwrap() = value.clone();
        keyless.assert_bundle((pointer, value), (&digest, "a"), &bundle, expect).await;
    }
    let mut bundle = good.clone();
    bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    keyless.assert_bundle("no entry", (&digest, "a"), &bundle, "no-log-entry").await;
    let future = Person { issued: Timestamp::now() + SignedDuration::from_hours(1), ..Person::builder() };
    let bundle = keyless.sigstore.bundle(&future, &digest);
    keyless.assert_bundle("future", (&digest, "a"), &bundle, "certificate-expired").await;
    let bundle = keyless.sigstore.bundle_v2(&future, &digest);
    keyless.assert_bundle("future in v2", (&digest, "a"), &bundle, "future-signing-time").await;
}

#[tokio::test]
async fn t83_an_entry_of_rekor_v2_after_its_end_is_refused() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let mut root = keyless.sigstore.trusted_root();
    root["tlogs"][1]["publicKey"]["validFor"]["end"] = json!("2024-01-01T00:00:00Z");
    keyless.require(&root, BY_SUBJECT);
    let bundle = keyless.sigstore.bundle_v2(&Person::builder(), &digest);
    keyless.assert_bundle("log over", (&digest, "a"), &bundle, "trust-root-expired").await;
}

#[tokio::test]
async fn t84_timestamps_of_others_are_refused() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let person = Person::builder();
    let good = keyless.sigstore.bundle_v2(&person, &digest);
    let stamps = "/verificationMaterial/timestampVerificationData";
    let time = person.issued + person.signed_after;
    let mut of_stranger = good.clone();
    Sigstore::new().stamp(&mut of_stranger, time);
    let mut of_other = good.clone();
    *of_other.pointer_mut(stamps).unwrap() =
        keyless.sigstore.bundle_v2(&person, &digest).pointer(stamps).unwrap().clone();
    let mut late = good.clone();
    keyless.sigstore.stamp(&mut late, person.issued + SignedDuration::from_mins(11));
    // Every time counts, also where one of them is good.
    let mut late_v1 = keyless.sigstore.bundle(&person, &digest);
    keyless.sigstore.stamp(&mut late_v1, person.issued + SignedDuration::from_mins(11));
    let mut garbage = good.clone();
    *garbage.pointer_mut(&format!("{stamps}/rfc3161Timestamps/0/signedTimestamp")).unwrap() = json!("MAA=");
    for (about, bundle, expect) in [
        ("good", good, "verified"),
        ("other authority", of_stranger, "untrusted-timestamp"),
        ("other signature", of_other, "untrusted-timestamp"),
        ("late", late, "certificate-expired"),
        ("late beside a log", late_v1, "certificate-expired"),
        ("garbage", garbage, "untrusted-timestamp"),
    ] {
        keyless.assert_bundle(about, (&digest, "a"), &bundle, expect).await;
    }
    let mut root = keyless.sigstore.trusted_root();
    root["timestampAuthorities"][0]["validFor"]["end"] = json!("2024-01-01T00:00:00Z");
    keyless.require(&root, BY_SUBJECT);
    let bundle = keyless.sigstore.bundle_v2(&person, &digest);
    keyless.assert_bundle("authority over", (&digest, "a"), &bundle, "trust-root-expired").await;
}

#[tokio::test]
async fn t85_every_log_entry_must_verify() {
    let keyless = Keyless::start().await;
    let (digest, other) = (keyless.image("a"), keyless.image("b"));
    let person = Person::builder();
    let good = keyless.sigstore.bundle(&person, &digest);
    let entry_of = |bundle: Value| bundle["verificationMaterial"]["tlogEntries"][0].clone();
    for (about, second, expect) in [
        ("twice the same", entry_of(good.clone()), "verified"),
        ("other image", entry_of(keyless.sigstore.bundle(&person, &other)), "other-log-entry"),
        ("other log", entry_of(Sigstore::new().bundle(&person, &digest)), "untrusted-log"),
    ] {
        for first in [true, false] {
            let own = entry_of(good.clone());
            let mut bundle = good.clone();
            bundle["verificationMaterial"]["tlogEntries"] =
                if first { json!([second, own]) } else { json!([own, second]) };
            keyless.assert_bundle((about, first), (&digest, "a"), &bundle, expect).await;
        }
    }
}

#[tokio::test]
async fn t89_unlogged_certificates_and_too_much_of_anything_are_refused() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let person = Person::builder();
    let unlogged = Person { logged: false, ..person.clone() };
    let bundle = keyless.sigstore.bundle(&unlogged, &digest);
    keyless.assert_bundle("no transparency", (&digest, "a"), &bundle, "no-certificate-log").await;
    let good = keyless.sigstore.bundle_v2(&person, &digest);
    let material = &good["verificationMaterial"];
    let certificate = &material["certificate"];
    let many = |value: &Value, count: usize| Value::from(vec![value.clone(); count]);
    let stamp = &material["timestampVerificationData"]["rfc3161Timestamps"][0];
    let log = &material["tlogEntries"][0];
    for (field, value, expect) in [
        ("tlogEntries", many(log, 32), "verified"),
        ("tlogEntries", many(log, 33), "no-valid-signature"),
        ("timestampVerificationData", json!({ "rfc3161Timestamps": many(stamp, 32) }), "verified"),
        ("timestampVerificationData", json!({ "rfc3161Timestamps": many(stamp, 33) }), "no-valid-signature"),
    ] {
        let mut bundle = good.clone();
        bundle["verificationMaterial"][field] = value;
        keyless.assert_bundle((field, expect), (&digest, "a"), &bundle, expect).await;
    }
    for (count, expect) in
        [(1, "verified"), (10, "verified"), (11, "no-valid-signature"), (100, "no-valid-signature")]
    {
        let mut bundle = good.clone();
        bundle["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.2");
        let material = bundle["verificationMaterial"].as_object_mut().unwrap();
        material.remove("certificate");
        material
            .insert("x509CertificateChain".to_owned(), json!({ "certificates": many(certificate, count) }));
        keyless.assert_bundle(("chain", count), (&digest, "a"), &bundle, expect).await;
    }
    let mut root = keyless.sigstore.trusted_root();
    root["ctlogs"] = Sigstore::new().trusted_root()["ctlogs"].take();
    keyless.require(&root, BY_SUBJECT);
    keyless.assert_bundle("other transparency log", (&digest, "a"), &good, "no-certificate-log").await;
}

/// The whole line that kubelet shows.
#[tokio::test]
async fn refusals_say_what_was_found() {
    let keyless = Keyless::start().await;
    let digest = keyless.image("a");
    let person = Person { issuer: "https://other.example".to_owned(), ..Person::builder() };
    let bundle = keyless.sigstore.bundle(&person, &digest);
    keyless.assert_bundle("issuer", (&digest, "a"), &bundle, "wrong-identity").await;
    let line = keyless.world.outcome("team/a-0:1").await.line;
    assert!(
        line.contains("found 1 signature, which is not valid (referrer sha256:")
            && line.contains(" for ci: signature is valid, but made by an identity that the authenticator does not accept: its issuer is \"https://other.example\"); sign this digest as an identity that the authenticator accepts [wrong-identity]"),
        "{line}"
    );
    let keyed = keyless.image("b");
    sign_classic(registry(&keyless), "team/b", &keyed, &p256());
    keyless.assert("key", (&keyed, "b"), SIGNED, "other-signature-kind").await;
    let line = keyless.world.outcome("team/b:1").await.line;
    assert!(
        line.contains(
            "found 1 signature by a key, but no authenticator of this rule can verify signatures by keys"
        ),
        "{line}"
    );
}
