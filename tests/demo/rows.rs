//! Images that run or are refused.

use std::sync::OnceLock;

use pullgate_test::node::gpg::{Gpg, Lookaside};
use pullgate_test::node::images::Image;
use pullgate_test::node::keyless::Keyless;
use pullgate_test::node::keys::Kind;
use pullgate_test::node::notation::Authority;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::seen::RUNS;
use pullgate_test::node::signing::{self, Layout};
use pullgate_test::node::{Node, Release, attested, require_release};
use pullgate_test::sigstore::{Log, Person};

/// One image, how it is made, and the expected outcome.
pub(crate) struct Row {
    pub(crate) image: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) prepare: fn(&Node) -> Image,
}

pub(crate) const ROWS: &[Row] = &[
    Row { image: "signed", expected: RUNS, prepare: |node| node.push_signed("demo/signed:1") },
    Row {
        image: "signed by cosign, classic",
        expected: RUNS,
        prepare: |node| signed_by_cosign(node, "demo/cosign:classic", Layout::Classic),
    },
    Row {
        image: "signed by cosign, bundle",
        expected: RUNS,
        prepare: |node| signed_by_cosign(node, "demo/cosign:bundle", Layout::Bundle),
    },
    Row {
        image: "signed keyless, logged by Rekor v1",
        expected: RUNS,
        prepare: |node| signed_keyless(node, "keyless/v1:1", &Person::builder(), Log::V1),
    },
    Row {
        image: "signed keyless, logged by Rekor v2",
        expected: RUNS,
        prepare: |node| signed_keyless(node, "keyless/v2:1", &Person::builder(), Log::V2),
    },
    Row {
        image: "signed by notation",
        expected: RUNS,
        prepare: |node| signed_by_notation(node, "notary/signed:1", "acme"),
    },
    Row {
        image: "signed by skopeo with GPG",
        expected: RUNS,
        prepare: |node| signed_by_gpg(node, "gpg/signed:1", "release"),
    },
    Row {
        image: "unsigned",
        expected: "refused: no-signature",
        prepare: |node| node.push("demo/unsigned:1"),
    },
    Row {
        image: "signed keyless, wrong identity",
        expected: "refused: wrong-identity",
        prepare: |node| {
            let subjects = vec!["https://git.example/mallory".to_owned()];
            let mallory = Person { subjects, ..Person::builder() };
            signed_keyless(node, "keyless/wrong:1", &mallory, Log::V1)
        },
    },
    Row {
        image: "signed by pullgate-signer as notation signs",
        expected: RUNS,
        prepare: |node| {
            let authority = AUTHORITY.get().expect("the node was started with a CA");
            let signer = authority.issue(("acme", "ours"), "p384", "");
            let image = node.push("notary/ours:1");
            signing::sign_notation(&image.by_digest(), &signer, "cose", &[]);
            image
        },
    },
    Row {
        image: "signed by notation, wrong identity",
        expected: "refused: wrong-identity",
        prepare: |node| signed_by_notation(node, "notary/wrong:1", "mallory"),
    },
    Row {
        image: "signed by skopeo with GPG, wrong key",
        expected: "refused: unknown-key",
        prepare: |node| signed_by_gpg(node, "gpg/wrong:1", "mallory"),
    },
    Row {
        image: "wrong key",
        expected: "refused: no-valid-signature",
        prepare: |node| {
            let image = node.push("demo/wrong-key:1");
            signing::sign(&image.by_digest(), &node.key("mallory", Kind::P256));
            image
        },
    },
    Row {
        image: "tampered signature",
        expected: "refused: no-valid-signature",
        prepare: |node| {
            let image = node.push_signed("demo/tampered:1");
            signing::tamper_with_signature(&node.registry, &image);
            image
        },
    },
    Row {
        image: "signature of another repository",
        expected: "refused: other-repository",
        prepare: |node| {
            let signed = node.push_signed("demo/original:1");
            let image = signed.push_as(&node.registry, "demo/copy:1");
            signing::copy_signatures(&signed, &image);
            image
        },
    },
    Row {
        image: "scanned, nothing severe found",
        expected: RUNS,
        prepare: |node| scanned(node, "demo-scanned/clean:1", "Low"),
    },
    Row {
        image: "scanned, a critical vulnerability",
        expected: "refused: attestation-not-met",
        prepare: |node| scanned(node, "demo-scanned/severe:1", "Critical"),
    },
    Row {
        image: "tag, while it is the signed image",
        expected: RUNS,
        prepare: |node| node.push_signed("demo/moved:1"),
    },
    Row {
        image: "tag, moved to an unsigned image",
        expected: "refused: no-signature",
        prepare: |node| node.push("demo/moved:1"),
    },
];

fn scanned(node: &Node, name: &str, severity: &str) -> Image {
    let image = node.push_signed(name);
    let report = attested::report(jiff::Timestamp::now(), severity);
    node.cosign().attest(&image.by_digest(), &node.release, Layout::Classic, ("vuln", &report));
    image
}

/// The instance of Sigstore of the keyless signers.
static KEYLESS: OnceLock<Keyless> = OnceLock::new();

/// The CA of the signers by notation.
static AUTHORITY: OnceLock<Authority> = OnceLock::new();

/// A node that requires the node's release key, below `notary` a Notation signature of the organisation `acme`, below
/// `demo-scanned` a scan, and below `gpg` a GPG signature, which is on the server that is returned too.
pub(crate) fn node(release: Release) -> (Node, Lookaside) {
    let mut node = Node::start(release);
    let (gpg, host) = (gpg(&node), node.registry.host().to_owned());
    let (key, lookaside) = (gpg.key("release"), Lookaside::serve(gpg.signatures()));
    gpg.registries(&lookaside.url());
    let authority = AUTHORITY.get_or_init(|| Authority::make(node.directory(), "acme"));
    let ca = authority.certificate().display().to_string();
    let identities = "identities = [\"x509.subject: C=US, ST=WA, O=acme\"]";
    let policy = require_release(Policy::deny(), &node.release);
    let policy = attested::require_scans(policy, "*/demo-scanned")
        .add_lines(&format!("[authenticator.notary]\ntype = \"notation\"\nca = [{ca:?}]\n{identities}"))
        .require(&format!("{host}/notary"), &["notary"])
        .add_lines(&format!("[authenticator.gpg]\ntype = \"gpg\"\nkeyrings = [{key:?}]"))
        .require(&format!("{host}/gpg"), &["gpg"]);
    let keyless = KEYLESS.get_or_init(|| node.keyless());
    node.pullgate.restart_with(&keyless.require(policy, &format!("{host}/keyless")));
    node.pullgate.restart_configured(&format!(
        "[[registry.signatures]]\nscope = {host:?}\nimage = true\nlookaside = {:?}",
        lookaside.url()
    ));
    (node, lookaside)
}

fn signed_keyless(node: &Node, name: &str, person: &Person, log: Log) -> Image {
    let keyless = KEYLESS.get().expect("the node was started with an instance of Sigstore");
    let image = node.push(name);
    keyless.sign(&image.by_digest(), person, log, Layout::Bundle).expect("cosign signs");
    image
}

fn signed_by_notation(node: &Node, name: &str, organisation: &str) -> Image {
    let authority = AUTHORITY.get().expect("the node was started with a CA");
    let signer = authority.issue((organisation, organisation), "p256", "");
    let image = node.push(name);
    node.notation().sign(&image.by_digest(), &signer, "jws", &[]);
    image
}

fn signed_by_cosign(node: &Node, name: &str, layout: Layout) -> Image {
    let image = node.push(name);
    node.cosign().sign(&image.by_digest(), &node.release, layout, None);
    image
}

fn signed_by_gpg(node: &Node, name: &str, key: &str) -> Image {
    let (image, gpg) = (node.push(name), gpg(node));
    gpg.key(key);
    gpg.sign(&image, key);
    image
}

fn gpg(node: &Node) -> Gpg {
    Gpg::of(node.directory().join("gpg"))
}
