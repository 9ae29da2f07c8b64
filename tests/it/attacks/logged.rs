//! Log entries of signatures by keys, where the authenticator has `log = "required"`: T82 to T85.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use pullgate::digest::Digest;
use pullgate::trust::pem;
use pullgate_test::signer::{
    attach_annotated_envelopes, attach_bundle, attestation_bundle, bundle, key_file, payload, statement,
};
use pullgate_test::sigstore::{Sigstore, Verifier, attach_annotated};
use serde_json::{Value, json};

use super::outcome::{Expect, SIGNED};
use super::world::{World, node, p256};

const BUNDLED: &str = "tag sig fallback referrers manifest blob";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// Requires a signature by p256 with a log entry, for `team`.
struct Logged {
    world: World,
    sigstore: Sigstore,
    root: tempfile::TempDir,
    /// The key, in DER.
    key: Vec<u8>,
}

fn der(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(key_file(name, "pub")).unwrap();
    pem::read_one(&text).unwrap().der.to_vec()
}

impl Logged {
    async fn start() -> Self {
        let world = World::start(node()).await;
        let logged =
            Self { world, sigstore: Sigstore::new(), root: tempfile::tempdir().unwrap(), key: der("p256") };
        logged.require(&logged.sigstore.trusted_root());
        logged
    }

    fn require(&self, root: &Value) {
        let path = self.root.path().join("root.json");
        std::fs::write(&path, root.to_string()).unwrap();
        self.set_policy(&format!("log = \"required\"\ntrust-root = {path:?}"));
    }

    fn set_policy(&self, lines: &str) {
        self.world.set_policy(&format!(
            "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\n\
             keys = [{{ file = {:?} }}]\n{lines}\n\
             [[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ all = [\"release\"] }}\n",
            key_file("p256", "pub")
        ));
    }

    /// A bundle by p256 about a digest, without a log entry.
    fn bundle(&self, digest: &Digest) -> Value {
        serde_json::from_str(&bundle(digest, SIGN, &p256())).unwrap()
    }

    fn by_key(&self) -> Verifier<'_> {
        Verifier::Key(&self.key)
    }

    /// A bundle with an entry of Rekor v1.
    fn logged(&self, digest: &Digest) -> Value {
        let mut bundle = self.bundle(digest);
        self.sigstore.log(&mut bundle, self.by_key(), Timestamp::now());
        bundle
    }

    /// A bundle with an entry of Rekor v2.
    fn logged_v2(&self, digest: &Digest) -> Value {
        let mut bundle = self.bundle(digest);
        self.sigstore.log_v2(&mut bundle, self.by_key());
        bundle
    }

    /// Asserts the outcome of a pull of a new image, with the bundle that is made for it.
    async fn assert_bundle(&self, about: &str, make: impl Fn(&Digest) -> Value, expect: &str) {
        let path = format!("team/{}", about.replace(' ', "-").to_lowercase());
        let digest = self.world.registry.image(&path, "1", about);
        attach_bundle(&self.world.registry, &path, &digest, &make(&digest).to_string());
        self.assert((about, &path), &digest, BUNDLED, expect).await;
    }

    /// The same with annotations beside the signature in the classic layout.
    async fn assert_classic(
        &self,
        about: &str,
        make: impl Fn(&[u8], &[u8]) -> Vec<(&'static str, String)>,
        expect: &str,
    ) {
        let path = format!("team/classic-{}", about.replace(' ', "-").to_lowercase());
        let digest = self.world.registry.image(&path, "1", about);
        let text = payload(&format!("{}/{path}", self.world.registry.host()), &digest);
        let signature = p256().sign(&text);
        let mut annotations = vec![("dev.cosignproject.cosign/signature", STANDARD.encode(&signature))];
        annotations.extend(make(&text, &signature));
        attach_annotated(&self.world.registry, &path, &digest, &text, &annotations);
        self.assert((about, &path), &digest, SIGNED, expect).await;
    }

    async fn assert(&self, (about, path): (&str, &str), digest: &Digest, requests: &str, expect: &str) {
        let outcome = self.world.outcome(&format!("{path}:1")).await;
        let pinned = self.world.pinned(path, digest);
        let expected = match expect {
            "verified" => Expect::verified(&pinned),
            reason => Expect::refused(reason),
        };
        outcome.assert(about, Expect { requests, bytes: 1..=512 << 10, ..expected });
    }
}

fn entries(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"]
}

#[tokio::test]
async fn a_signature_by_a_key_may_need_a_log_entry() {
    let logged = Logged::start().await;
    let now = Timestamp::now();
    logged.assert_bundle("Rekor v1", |digest| logged.logged(digest), "verified").await;
    logged.assert_bundle("Rekor v2", |digest| logged.logged_v2(digest), "verified").await;
    logged.assert_bundle("no entry", |digest| logged.bundle(digest), "no-log-entry").await;
    let entry = |text: &[u8], signature: &[u8]| {
        vec![logged.sigstore.log_classic(text, signature, logged.by_key(), now)]
    };
    logged.assert_classic("logged", entry, "verified").await;
    logged.assert_classic("no entry", |_, _| Vec::new(), "no-log-entry").await;
    // By default nothing of it is looked at.
    logged.set_policy("");
    logged.assert_bundle("no entry by default", |digest| logged.bundle(digest), "verified").await;
    logged.assert_classic("no entry by default", |_, _| Vec::new(), "verified").await;
}

/// An attestation is no way around the log.
#[tokio::test]
async fn t140_an_attestation_by_a_key_may_need_a_log_entry() {
    let logged = Logged::start().await;
    let (world, now) = (&logged.world, Timestamp::now());
    world.only_verdicts();
    let root = logged.root.path().join("root.json");
    let policy = |lines: &str| {
        format!(
            "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\n\
             keys = [{{ file = {:?} }}]\n{lines}\n\
             [attestation.reviewed]\ntype = \"custom\"\nby = \"release\"\npredicate-type = \"https://example.com/review/v1\"\n\
             [[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ attestations = [\"reviewed\"] }}\n",
            key_file("p256", "pub")
        )
    };
    let required = policy(&format!("log = \"required\"\ntrust-root = {root:?}"));
    let other = world.registry.image("team/other", "1", "other");
    let attested = |digest: &Digest| {
        let text = statement(digest, "https://example.com/review/v1", &json!({ "approved": true }));
        serde_json::from_str::<Value>(&attestation_bundle(&text, &p256())).unwrap()
    };
    for layout in ["bundle", "envelope"] {
        for (entry, expect) in
            [("own", None), ("none", Some("transparency log")), ("other", Some("log entry"))]
        {
            world.set_policy(&required);
            let path = format!("team/{layout}-{entry}");
            let digest = world.registry.image(&path, "1", &path);
            let mut own = attested(&digest);
            let mut logged_one = if entry == "other" { attested(&other) } else { own.clone() };
            match layout {
                "bundle" => {
                    logged.sigstore.log(&mut logged_one, logged.by_key(), now);
                    if entry != "none" {
                        *entries(&mut own) = entries(&mut logged_one).clone();
                    }
                    attach_bundle(&world.registry, &path, &digest, &own.to_string());
                }
                _ => {
                    let mut annotations = vec![("dev.cosignproject.cosign/signature", String::new())];
                    if entry != "none" {
                        annotations.push(logged.sigstore.log_envelope(&logged_one, logged.by_key(), now));
                    }
                    let envelopes = [(own["dsseEnvelope"].to_string(), annotations)];
                    attach_annotated_envelopes(&world.registry, &path, &digest, &envelopes);
                }
            }
            let outcome = world.outcome(&format!("{path}:1")).await;
            let line = &outcome.line;
            match expect {
                None => assert!(line.is_empty(), "{path}: {line}"),
                Some(why) => {
                    assert!(line.contains(why) && line.ends_with("[no-valid-attestation]"), "{path}: {line}")
                }
            }
            world.set_policy(&policy(""));
            let unlogged = world.outcome(&format!("{path}:1")).await;
            assert!(unlogged.line.is_empty(), "{path}: {}", unlogged.line);
        }
    }
}

#[tokio::test]
async fn t82_a_log_entry_of_another_signature_or_key_is_refused() {
    let logged = Logged::start().await;
    let other_key = der("p384");
    let other = logged.world.registry.image("team/other", "1", "other");
    for (about, donor) in [("v1", logged.logged(&other)), ("v2", logged.logged_v2(&other))] {
        let make = |digest: &Digest| {
            let mut bundle = logged.logged(digest);
            *entries(&mut bundle) = donor["verificationMaterial"]["tlogEntries"].clone();
            bundle
        };
        logged.assert_bundle(&format!("other image in {about}"), make, "other-log-entry").await;
    }
    let now = Timestamp::now();
    let by_other = |digest: &Digest| {
        let mut bundle = logged.bundle(digest);
        logged.sigstore.log(&mut bundle, Verifier::Key(&other_key), now);
        bundle
    };
    logged.assert_bundle("other key", by_other, "other-log-entry").await;
    let other_text = |_: &[u8], signature: &[u8]| {
        vec![logged.sigstore.log_classic(b"another", signature, logged.by_key(), now)]
    };
    logged.assert_classic("other payload", other_text, "other-log-entry").await;
    let other_signature = |text: &[u8], _: &[u8]| {
        vec![logged.sigstore.log_classic(text, &p256().sign(b"another"), logged.by_key(), now)]
    };
    logged.assert_classic("other signature", other_signature, "other-log-entry").await;
}

#[tokio::test]
async fn t83_an_entry_of_another_log_is_refused() {
    let logged = Logged::start().await;
    let stranger = Sigstore::new();
    let now = Timestamp::now();
    let by_stranger = |digest: &Digest| {
        let mut bundle = logged.bundle(digest);
        stranger.log(&mut bundle, logged.by_key(), now);
        bundle
    };
    logged.assert_bundle("stranger", by_stranger, "untrusted-log").await;
    let classic =
        |text: &[u8], signature: &[u8]| vec![stranger.log_classic(text, signature, logged.by_key(), now)];
    logged.assert_classic("stranger", classic, "untrusted-log").await;
    let later = now + SignedDuration::from_hours(1);
    let future = |digest: &Digest| {
        let mut bundle = logged.bundle(digest);
        logged.sigstore.log(&mut bundle, logged.by_key(), later);
        bundle
    };
    logged.assert_bundle("future", future, "future-signing-time").await;
    let corrupt = |digest: &Digest| {
        let mut bundle = logged.logged(digest);
        entries(&mut bundle)[0]["inclusionProof"]["hashes"] = json!([]);
        bundle
    };
    logged.assert_bundle("corrupt proof", corrupt, "untrusted-log").await;
}

/// Also where the log does not sign when its entry was made, and an attacker with its old key could make one now.
#[tokio::test]
async fn t83_an_entry_of_a_log_that_has_ended_is_refused() {
    let logged = Logged::start().await;
    let end = Timestamp::now() - SignedDuration::from_hours(2);
    let (before, after) = (end - SignedDuration::from_hours(1), end + SignedDuration::from_hours(1));
    let at = |time| {
        let logged = &logged;
        move |digest: &Digest| {
            let mut bundle = logged.bundle(digest);
            logged.sigstore.log(&mut bundle, logged.by_key(), time);
            bundle
        }
    };
    let proof_alone = |digest: &Digest| {
        let mut bundle = at(before)(digest);
        entries(&mut bundle)[0].as_object_mut().unwrap().remove("inclusionPromise");
        bundle
    };
    let stamped_v2 = |time| {
        let logged = &logged;
        move |digest: &Digest| {
            let mut bundle = logged.logged_v2(digest);
            logged.sigstore.stamp(&mut bundle, time);
            bundle
        }
    };
    let v2 = |digest: &Digest| logged.logged_v2(digest);
    logged.assert_bundle("proof alone", proof_alone, "verified").await;
    let mut root = logged.sigstore.trusted_root();
    for log in root["tlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"]["end"] = json!(end.to_string());
    }
    logged.require(&root);
    logged.assert_bundle("promise before the end", at(before), "verified").await;
    logged.assert_bundle("promise after the end", at(after), "trust-root-expired").await;
    logged.assert_bundle("proof alone after the end", proof_alone, "trust-root-expired").await;
    logged.assert_bundle("v2 after the end", v2, "trust-root-expired").await;
    logged.assert_bundle("v2 with a timestamp before the end", stamped_v2(before), "verified").await;
    logged.assert_bundle("v2 with a timestamp after the end", stamped_v2(after), "trust-root-expired").await;
    // The other log has ended: it does not matter.
    root["tlogs"][1]["publicKey"]["validFor"].as_object_mut().unwrap().remove("end");
    logged.require(&root);
    logged.assert_bundle("v2 of a log that goes on", v2, "verified").await;
}

#[tokio::test]
async fn t85_every_entry_of_a_key_must_verify() {
    let logged = Logged::start().await;
    let stranger = Sigstore::new();
    let several = |digest: &Digest| {
        let (mut own, mut other) = (logged.logged(digest), logged.bundle(digest));
        stranger.log(&mut other, logged.by_key(), Timestamp::now());
        let both = json!([entries(&mut own)[0], entries(&mut other)[0]]);
        *entries(&mut own) = both;
        own
    };
    logged.assert_bundle("two logs", several, "untrusted-log").await;
}
