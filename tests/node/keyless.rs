//! Keyless signatures: real cosign signs with services of the tests, and both pullgate and cosign judge what there is.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use pullgate_test::node::images::Image;
use pullgate_test::node::keyless::{CI, Keyless};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::{self, Layout};
use pullgate_test::node::{Node, RELEASE, Release, process};
use pullgate_test::programs;
use pullgate_test::sigstore::{ISSUER, Log, Person, SUBJECT, Sigstore};
use serde_json::{Value, json};

on_every_release!(images_signed_by_the_named_identity_run);

fn images_signed_by_the_named_identity_run(release: Release) {
    let node = Node::start(release);
    let keyless = node.keyless();
    node.pullgate.reload(&keyless.require(Policy::deny(), "**"));
    let other =
        Person { subjects: vec![format!("{SUBJECT}-rc1").replace("app", "apq")], ..Person::builder() };
    for (name, log, layout) in [
        ("team/v1", Log::V1, Layout::Bundle),
        ("team/v2", Log::V2, Layout::Bundle),
        ("team/classic", Log::V1, Layout::Classic),
    ] {
        let image = node.push(&format!("{name}:1"));
        keyless.sign(&image.by_digest(), &Person::builder(), log, layout).unwrap();
        let ran =
            node.kubelet().run(&Pod::of(image.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
        assert_eq!(ran.user, 1000, "{name}");
        let image = node.push(&format!("{name}:2"));
        keyless.sign(&image.by_digest(), &other, log, layout).unwrap();
        let waiting = node.kubelet().run(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "wrong-identity", "{name}: {}", waiting.message);
    }
}

/// What is verified, and what pullgate and cosign make of it.
struct Case {
    about: &'static str,
    image: Image,
    root: Value,
    subject: &'static str,
    issuer: &'static str,
    /// pullgate's reason code; `None` if the image runs.
    refused: Option<&'static str>,
    /// Whether cosign accepts it, with these options.
    accepted: bool,
    options: &'static [&'static str],
}

impl Case {
    fn assert(&self, node: &Node, keyless: &Keyless) {
        let Self { about, image, root, subject, issuer, .. } = self;
        let lines = format!("issuer = \"{issuer}\"\nsubject = \"{subject}\"");
        let policy = keyless.require_of(Policy::deny(), root, &lines).require("**", &[CI]);
        node.pullgate.reload(&policy);
        let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
        let code = pulled.as_ref().err().map(|waiting| waiting.code());
        assert_eq!(code, self.refused, "{about}: pullgate: {pulled:?}");
        let verified = keyless.verify(&image.by_digest(), (subject, issuer), root, self.options);
        assert_eq!(verified.is_ok(), self.accepted, "{about}: cosign: {verified:?}");
    }
}

#[test]
fn cosign_and_pullgate_agree() {
    let node = Node::start(Release::V2_1);
    let keyless = node.keyless();
    let (sigstore, stranger) = (&keyless.services.sigstore, Sigstore::new());
    let (root, person) = (sigstore.trusted_root(), Person::builder());
    // What real cosign signed, and copies of it with a change.
    let signed = |name: &str, log, layout| {
        let image = node.push(name);
        keyless.sign(&image.by_digest(), &person, log, layout).unwrap();
        image
    };
    let v1 = signed("team/v1:1", Log::V1, Layout::Bundle);
    let v2 = signed("team/v2:1", Log::V2, Layout::Bundle);
    let classic = signed("team/classic:1", Log::V1, Layout::Classic);
    let bundles = [&v1, &v2].map(|image| signing::bundle_of(&node.registry, image));
    let attached = |name: &str, image: &Image, change: &dyn Fn(&mut Value)| {
        let copy = image.push_as(&node.registry, name);
        let mut bundle = signing::bundle_of(&node.registry, image);
        change(&mut bundle);
        signing::attach_bundle(&node.registry, &copy, &bundle);
        copy
    };
    // What no client would sign.
    let forged = |name: &str, make: &dyn Fn(&Image) -> Value| {
        let image = node.push(name);
        signing::attach_bundle(&node.registry, &image, &make(&image));
        image
    };
    let digest = |image: &Image| pullgate::digest::Digest::parse(&image.digest).unwrap();
    let old = Person { issued: Timestamp::now() - SignedDuration::from_hours(1), ..person.clone() };
    let late = Person { signed_after: SignedDuration::from_mins(11), ..old.clone() };
    let unlogged = Person { logged: false, ..old.clone() };
    let entries = "/verificationMaterial/tlogEntries";
    let other_entry = bundles[1].pointer(entries).unwrap().clone();
    let unsigned = node.push("team/other:1");
    signing::attach_bundle(&node.registry, &unsigned, &bundles[0]);
    let copied = classic.push_as(&node.registry, "elsewhere/classic:1");
    signing::copy_signatures(&classic, &copied);
    let good = |about, image: &Image| Case {
        about,
        image: image.clone(),
        root: root.clone(),
        subject: SUBJECT,
        issuer: ISSUER,
        refused: None,
        accepted: true,
        options: &["--use-signed-timestamps"],
    };
    let bad =
        |about, image: &Image, code| Case { refused: Some(code), accepted: false, ..good(about, image) };
    let v1_options = |case| Case { options: &[], ..case };
    for case in [
        v1_options(good("bundle, Rekor v1", &v1)),
        good("bundle, Rekor v2", &v2),
        v1_options(Case { options: &["--new-bundle-format=false"], ..good("classic layout", &classic) }),
    ] {
        case.assert(&node, &keyless);
    }
    for image in [&v1, &v2] {
        for case in [
            Case {
                subject: "https://git.example/team/apq",
                ..bad("wrong identity", image, "wrong-identity")
            },
            Case { issuer: "https://other.example", ..bad("wrong issuer", image, "wrong-identity") },
            Case { root: stranger.trusted_root(), ..bad("wrong root", image, "untrusted-timestamp") },
        ] {
            case.assert(&node, &keyless);
        }
    }
    for case in [
        bad(
            "expired",
            &forged("team/late:1", &|image| sigstore.bundle(&late, &digest(image))),
            "certificate-expired",
        ),
        bad(
            "no SCT",
            &forged("team/unlogged:1", &|image| sigstore.bundle(&unlogged, &digest(image))),
            "no-certificate-log",
        ),
        bad("other digest", &unsigned, "other-digest"),
        bad(
            "log entry of another artifact",
            &attached("team/entry:1", &v1, &|bundle| {
                *bundle.pointer_mut(entries).unwrap() = other_entry.clone()
            }),
            "other-log-entry",
        ),
        bad(
            "no timestamp with Rekor v2",
            &attached("team/unstamped:1", &v2, &|bundle| {
                bundle["verificationMaterial"]["timestampVerificationData"] = json!({});
            }),
            "no-signing-time",
        ),
        bad(
            "no log entry",
            &attached("team/unentered:1", &v1, &|bundle| {
                bundle["verificationMaterial"]["tlogEntries"] = json!([]);
            }),
            "no-log-entry",
        ),
        // cosign does not compare the repository.
        Case {
            refused: Some("other-repository"),
            options: &["--new-bundle-format=false"],
            ..good("other repository", &copied)
        },
    ] {
        case.assert(&node, &keyless);
    }
}

/// Signatures by keys that real cosign logs.
#[test]
fn keys_that_need_a_log_entry_have_one_by_cosign() {
    let node = Node::start(Release::V2_1);
    let keyless = node.keyless();
    let policy = Policy::deny()
        .file("trust/root.json", keyless.services.sigstore.trusted_root().to_string())
        .authenticator(RELEASE, &[&node.release])
        .continued("log = \"required\"\ntrust-root = \"trust/root.json\"")
        .require("**", &[RELEASE]);
    node.pullgate.reload(&policy);
    for (name, log) in [("team/v1:1", Log::V1), ("team/v2:1", Log::V2)] {
        let image = node.push(name);
        keyless.sign_by_key(&image.by_digest(), &node.release, log).unwrap();
        let ran =
            node.kubelet().run(&Pod::of(image.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
        assert_eq!(ran.user, 1000, "{name}");
    }
    let image = node.push("team/unlogged:1");
    node.cosign().sign(&image.by_digest(), &node.release, Layout::Bundle, None);
    let waiting = node.kubelet().run(&Pod::of(image.by_tag())).unwrap_err();
    assert_eq!(waiting.code(), "no-log-entry", "{}", waiting.message);
}

/// T85: with one key, an attacker would have two logs. cosign accepts such a root.
#[test]
fn a_root_that_lists_one_key_as_two_logs_is_not_loaded() {
    let node = Node::start(Release::V2_1);
    let keyless = node.keyless();
    let mut root = keyless.services.sigstore.trusted_root();
    root["tlogs"] = json!([root["tlogs"][0], root["tlogs"][0]]);
    let etc = node.directory().join("one-key");
    let lines = format!("issuer = \"{ISSUER}\"\nsubject = \"{SUBJECT}\"");
    keyless.require_of(Policy::deny(), &root, &lines).require("**", &[CI]).write(&etc);
    let mut check = Command::new(programs::pullgate());
    let refused = process::run(check.arg("--config").arg(&etc).args(["policy", "check"])).unwrap_err();
    assert!(refused.contains("two of its logs have the same key"), "{refused}");
    let image = node.push("team/app:1");
    keyless.sign(&image.by_digest(), &Person::builder(), Log::V1, Layout::Bundle).unwrap();
    keyless.verify(&image.by_digest(), (SUBJECT, ISSUER), &root, &[]).unwrap();
}
