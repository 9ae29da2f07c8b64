//! Keyless signatures: real cosign signs with services of the tests, and both pullgate and cosign judge what there is.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use pullgate::digest::Digest;
use pullgate_test::node::images::Image;
use pullgate_test::node::keyless::{CI, Keyless};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::{self, Layout};
use pullgate_test::node::{Node, RELEASE, Release, process};
use pullgate_test::programs;
use pullgate_test::signer::payload;
use pullgate_test::sigstore::{ISSUER, Log, Person, SUBJECT, Sigstore};
use serde_json::{Value, json};

use super::rows::{Decision, assert_evidence_decides, assert_row, copied};

on_every_release!(images_signed_by_the_named_identity_run);

fn images_signed_by_the_named_identity_run(release: Release) {
    let node = Node::start(release);
    let keyless = node.keyless();
    node.pullgate.reload(&keyless.require(Policy::deny(), "**"));
    let other =
        Person { subjects: vec![format!("{SUBJECT}-rc1").replace("app", "apq")], ..Person::builder() };
    for Form { name, log, layout, .. } in FORMS {
        let name = format!("team/{name}");
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
struct Case<'a> {
    about: &'static str,
    image: &'a Image,
    root: &'a Value,
    subject: &'static str,
    issuer: &'static str,
    decision: Decision,
}

impl Case<'_> {
    fn assert(&self, node: &Node, keyless: &Keyless, form: &Form) {
        let Self { about, image, root, subject, issuer, decision } = self;
        let lines = format!("issuer = \"{issuer}\"\nsubject = \"{subject}\"");
        node.pullgate.reload(&keyless.require_of(Policy::deny(), root, &lines).require("**", &[CI]));
        let verified = keyless.verify(&image.by_digest(), (subject, issuer), root, form.options);
        assert_row(node, (form.name, about), image, *decision, &verified);
    }
}

/// A form of signatures, and what `cosign verify` must be told.
struct Form {
    name: &'static str,
    log: Log,
    layout: Layout,
    options: &'static [&'static str],
}

const FORMS: [Form; 3] = [
    Form { name: "v1", log: Log::V1, layout: Layout::Bundle, options: &[] },
    Form { name: "v2", log: Log::V2, layout: Layout::Bundle, options: &["--use-signed-timestamps"] },
    Form { name: "classic", log: Log::V1, layout: Layout::Classic, options: &["--new-bundle-format=false"] },
];

impl Form {
    /// Attaches a signature that no client would make.
    fn forge(&self, node: &Node, sigstore: &Sigstore, image: &Image, person: &Person) {
        let digest = Digest::parse(&image.digest).unwrap();
        let bundle = match (self.layout, self.log) {
            (Layout::Classic, _) => {
                let text = payload(&format!("{}/{}", image.host, image.repository), &digest);
                let annotations = sigstore.classic(person, &text);
                return signing::attach_annotated(&node.registry, image, &text, &annotations);
            }
            (Layout::Bundle, Log::V1) => sigstore.bundle(person, &digest),
            (Layout::Bundle, Log::V2) => sigstore.bundle_v2(person, &digest),
        };
        signing::attach_bundle(&node.registry, image, &bundle);
    }

    /// Replaces the log entry of a signature by the one of another.
    fn exchange_entry(&self, node: &Node, image: &Image, other: &Image) {
        const ENTRY: &str = "dev.sigstore.cosign/bundle";
        match self.layout {
            Layout::Classic => {
                let donor = node.registry.manifest(&other.repository, &other.signature_tag());
                let donor: Value = serde_json::from_slice(&donor).unwrap();
                let entry = &donor["layers"][0]["annotations"][ENTRY];
                signing::edit(&node.registry, image, |_, layer| layer["annotations"][ENTRY] = entry.clone());
            }
            Layout::Bundle => {
                let mut bundle = signing::bundle_of(&node.registry, image);
                let donor = signing::bundle_of(&node.registry, other);
                *bundle.pointer_mut(ENTRIES).unwrap() = donor.pointer(ENTRIES).unwrap().clone();
                signing::attach_bundle(&node.registry, image, &bundle);
            }
        }
    }
}

const ENTRIES: &str = "/verificationMaterial/tlogEntries";

/// There is no row for a certificate that was revoked: a certificate of Fulcio names no list of revoked ones, and is valid for
/// ten minutes. An identity is revoked by the policy; a key, by the deny list.
#[test]
fn cosign_and_pullgate_agree() {
    let node = Node::start(Release::V2_1);
    let keyless = node.keyless();
    let (sigstore, stranger) = (&keyless.services.sigstore, Sigstore::new().trusted_root());
    let (root, person) = (sigstore.trusted_root(), Person::builder());
    let old = Person { issued: Timestamp::now() - SignedDuration::from_hours(1), ..person.clone() };
    let late = Person { signed_after: SignedDuration::from_mins(11), ..old.clone() };
    let unlogged = Person { logged: false, ..old.clone() };
    for form in &FORMS {
        let name = |what: &str| format!("team/{}{what}", form.name);
        let signed = |name: &str| {
            let image = node.push(name);
            keyless.sign(&image.by_digest(), &person, form.log, form.layout).unwrap();
            image
        };
        let forged = |name: &str, person: &Person| {
            let image = node.push(name);
            form.forge(&node, sigstore, &image, person);
            image
        };
        let image = signed(&name(":1"));
        let ([unsigned, copied], named) = copied(&node, form.layout, &image);
        let exchanged = signed(&name("-entry:1"));
        // Signed later, so that its time is one at which the certificate of this one is valid.
        form.exchange_entry(&node, &exchanged, &signed(&name(":2")));
        let row = |about, image, decision| Case {
            about,
            image,
            root: &root,
            subject: SUBJECT,
            issuer: ISSUER,
            decision,
        };
        let bad = |about, image, code| row(about, image, Decision::Refused(code));
        for case in [
            row("good", &image, Decision::Runs),
            Case {
                subject: "https://git.example/team/apq",
                ..bad("wrong identity", &image, "wrong-identity")
            },
            Case { issuer: "https://other.example", ..bad("wrong issuer", &image, "wrong-identity") },
            Case { root: &stranger, ..bad("wrong root", &image, "untrusted-timestamp") },
            bad("expired", &forged(&name("-late:1"), &late), "certificate-expired"),
            bad("no SCT", &forged(&name("-unlogged:1"), &unlogged), "no-certificate-log"),
            bad("other digest", &unsigned, "other-digest"),
            row("other repository", &copied, named),
            bad("log entry of another artifact", &exchanged, "other-log-entry"),
        ] {
            case.assert(&node, &keyless, form);
        }
        if form.layout == Layout::Bundle {
            let policy = keyless.require(Policy::deny(), "**").continued("identity = \"required\"");
            node.pullgate.reload(&policy);
            let real = keyless.verify(&copied.by_digest(), (SUBJECT, ISSUER), &root, form.options);
            let decision = Decision::Stricter("other-repository");
            assert_row(&node, (form.name, "identity required"), &copied, decision, &real);
        }
    }
    // What only one of the logs has.
    let [v1, v2, _] = &FORMS;
    for (form, about, pointer, value, code) in [
        (v1, "no log entry", ENTRIES, json!([]), "no-log-entry"),
        (v2, "no timestamp", "/verificationMaterial/timestampVerificationData", json!({}), "no-signing-time"),
    ] {
        let image = node.push(&format!("team/{}-without:1", form.name));
        keyless.sign(&image.by_digest(), &person, form.log, form.layout).unwrap();
        let mut bundle = signing::bundle_of(&node.registry, &image);
        *bundle.pointer_mut(pointer).unwrap() = value;
        signing::attach_bundle(&node.registry, &image, &bundle);
        let decision = Decision::Refused(code);
        Case { about, image: &image, root: &root, subject: SUBJECT, issuer: ISSUER, decision }
            .assert(&node, &keyless, form);
    }
}

#[test]
fn evidence_of_keyless_signatures_decides_without_the_registry() {
    let mut node = Node::start(Release::V2_1);
    let keyless = node.keyless();
    node.pullgate.reload(&keyless.require(Policy::deny(), "**"));
    let images = FORMS.map(|form| {
        let image = node.push(&format!("team/{}:1", form.name));
        keyless.sign(&image.by_digest(), &Person::builder(), form.log, form.layout).unwrap();
        node.kubelet().run(&Pod::of(image.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
        image
    });
    let lines = format!("issuer = \"{ISSUER}\"\nsubject = \"{SUBJECT}\"");
    let other = keyless.require_of(Policy::deny(), &Sigstore::new().trusted_root(), &lines);
    drop(keyless);
    assert_evidence_decides(&mut node, "", &images.each_ref(), &other.require("**", &[CI]));
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
    for form in FORMS.iter().filter(|form| form.layout == Layout::Bundle) {
        let signed = |tag: u32| {
            let image = node.push(&format!("team/{}:{tag}", form.name));
            keyless.sign_by_key(&image.by_digest(), &node.release, form.log).unwrap();
            image
        };
        let image = signed(1);
        let ran =
            node.kubelet().run(&Pod::of(image.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
        assert_eq!(ran.user, 1000, "{}", form.name);
        // T82: the log entry of another image.
        let image = signed(2);
        form.exchange_entry(&node, &image, &signed(3));
        let waiting = node.kubelet().ensure_image(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "other-log-entry", "{}: {}", form.name, waiting.message);
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
