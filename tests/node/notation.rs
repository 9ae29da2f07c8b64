//! Signatures by the real notation on a real node: T70, T86, T87.

use std::process::Command;
use std::time::Duration;

use pullgate_test::node::gpg::Lookaside;
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::notation::{Authority, FORMATS, KEYS, Notation, Signer};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process;
use pullgate_test::node::{Node, Release, directory};
use pullgate_test::programs;

use super::clock::start_at;
use super::rows::Decision::{Refused, Runs, Stricter};
use super::rows::{assert_evidence_decides, assert_row};
use pullgate::trust::pem;
use pullgate_test::node::keys::Kind;
use pullgate_test::node::signing;
use pullgate_test::node::timestamp_server::TimestampServer;
use pullgate_test::sigstore::{Services, Sigstore, root_of_timestamps};
use serde_json::{Value, json};

on_every_release!(signatures_by_notation_are_accepted);

const OURS: (&str, &str) = ("acme", "release");

/// Images are admitted by signers of `acme` below the CA; `more` has further options of the authenticator.
fn policy(authority: &Authority, more: &str) -> Policy {
    let ca = authority.certificate();
    Policy::deny()
        .add_lines(&format!(
            "[authenticator.notary]\ntype = \"notation\"\nca = [{:?}]\nidentities = [\"x509.subject: C=US, ST=WA, O=acme\"]\n{more}",
            ca.display().to_string()
        ))
        .require("**", &["notary"])
}

struct World {
    node: Node,
    notation: Notation,
    authority: Authority,
}

impl World {
    fn start(release: Release) -> Self {
        let node = Node::start(release);
        let authority = Authority::make(node.directory(), "acme");
        let notation = node.notation();
        node.pullgate.reload(&policy(&authority, ""));
        Self { node, notation, authority }
    }

    fn push_signed(&self, name: &str, signer: &Signer, format: &str) -> Image {
        let image = self.node.push(name);
        self.notation.sign(&image.by_digest(), signer, format, &[]);
        image
    }

    /// Asserts that kubelet gets no such image, for this reason, and that notation refuses it too.
    fn assert_refused(&self, image: &Image, code: &str) -> String {
        let waiting = self.node.kubelet().ensure_image(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), code, "{}", waiting.message);
        waiting.message
    }

    fn assert_runs(&self, image: &Image) {
        let ran = self.node.kubelet().run(&Pod::of(image.by_tag()));
        let ran = ran.unwrap_or_else(|waiting| panic!("{waiting:?}"));
        assert_eq!(ran.user, 1000);
    }
}

fn signatures_by_notation_are_accepted(release: Release) {
    let world = World::start(release);
    let signer = world.authority.issue(OURS, "p256", "");
    let evil = world.authority.issue(("evil", "evil"), "p256", "");
    let stranger = Authority::make(world.node.directory(), "stranger");
    let stranger = stranger.issue(OURS, "p256", "");
    world.notation.trust(&world.authority, "acme", "strict");
    for format in FORMATS {
        let image = world.push_signed(&format!("team/{format}:1"), &signer, format);
        world.assert_runs(&image);
        let verified = world.notation.verify(&image.by_digest());
        assert!(verified.is_ok(), "{verified:?}");
        for (who, by, code) in
            [("identity", &evil, "wrong-identity"), ("root", &stranger, "untrusted-certificate")]
        {
            let image = world.push_signed(&format!("team/{who}-{format}:1"), by, format);
            world.assert_refused(&image, code);
            assert!(world.notation.verify(&image.by_digest()).is_err(), "{who}");
        }
    }
    let unsigned = world.node.push("team/unsigned:1");
    world.assert_refused(&unsigned, "no-signature");
    assert!(world.notation.verify(&unsigned.by_digest()).is_err());
}

#[test]
fn each_key_type_in_each_envelope_is_accepted() {
    let world = World::start(Release::V2_1);
    world.notation.trust(&world.authority, "acme", "strict");
    for (key, _) in KEYS {
        let signer = world.authority.issue(("acme", key), key, "");
        for format in FORMATS {
            let image = world.push_signed(&format!("team/{key}-{format}:1"), &signer, format);
            let real = world.notation.verify(&image.by_digest());
            assert_row(&world.node, (key, format), &image, Runs, &real);
        }
    }
}

/// The certificates name a list of revoked ones, which both pullgate and notation fetch.
#[test]
fn notation_and_pullgate_agree() {
    let mut world = World::start(Release::V2_1);
    let lists = world.node.directory().join("lists");
    directory::make(&lists);
    let server = Lookaside::serve(lists.clone());
    let listed = format!("crlDistributionPoints=URI:{}/acme.crl", server.url());
    let stranger = Authority::make(world.node.directory(), "stranger");
    let issue = |name: &str| world.authority.issue(("acme", name), "p256", &listed);
    let [signer, revoked] = ["release", "stolen"].map(issue);
    let evil = world.authority.issue(("evil", "evil"), "p256", &listed);
    let stranger = stranger.issue(OURS, "p256", &listed);
    world.authority.revoke(&revoked);
    world.authority.publish_list(&lists.join("acme.crl"));
    world.notation.trust(&world.authority, "acme", "strict");
    let fetching = policy(&world.authority, "distribution-points = \"fetch\"");
    world.node.pullgate.reload(&fetching);
    let mut good = Vec::new();
    for format in FORMATS {
        let name = |what: &str| format!("team/{what}-{format}:1");
        let signed = world.push_signed(&name("good"), &signer, format);
        let unsigned = world.node.push(&format!("team/good-{format}:2"));
        signing::graft_referrer(&world.node.registry, &signed, &unsigned);
        let copied = signed.push_as(&world.node.registry, &format!("elsewhere/{format}:1"));
        signing::graft_referrer(&world.node.registry, &signed, &copied);
        let ended = world.node.push(&name("ended"));
        world.notation.sign(&ended.by_digest(), &signer, format, &["--expiry", "1s"]);
        let expired = || world.notation.verify(&ended.by_digest()).is_err().then_some(());
        process::wait(Duration::from_secs(60), expired).expect("the signature expires");
        for (about, image, decision) in [
            ("good", &signed, Runs),
            ("wrong identity", &world.push_signed(&name("evil"), &evil, format), Refused("wrong-identity")),
            (
                "wrong root",
                &world.push_signed(&name("stranger"), &stranger, format),
                Refused("untrusted-certificate"),
            ),
            ("expired signature", &ended, Refused("signature-expired")),
            (
                "revoked",
                &world.push_signed(&name("revoked"), &revoked, format),
                Refused("certificate-revoked"),
            ),
            ("other digest", &unsigned, Refused("other-digest")),
            // The signature names no repository.
            ("other repository", &copied, Runs),
        ] {
            let real = world.notation.verify(&image.by_digest());
            assert_row(&world.node, (format, about), image, decision, &real);
        }
        good.push(signed);
    }
    // Unless the rule demands that it does.
    world.node.pullgate.reload(&fetching.continued("identity = \"required\""));
    for format in FORMATS {
        let image = world.node.push(&format!("team/named-{format}:1"));
        let named = format!("docker-reference={}/{}", image.host, image.repository);
        world.notation.sign(&image.by_digest(), &signer, format, &["--user-metadata", &named]);
        let copied = image.push_as(&world.node.registry, &format!("elsewhere/named-{format}:1"));
        signing::graft_referrer(&world.node.registry, &image, &copied);
        for (about, image, decision) in
            [("named", &image, Runs), ("other repository", &copied, Stricter("other-repository"))]
        {
            let real = world.notation.verify(&image.by_digest());
            assert_row(&world.node, (format, about), image, decision, &real);
        }
    }
    // notation does not sign with a certificate that has expired, and cannot be run at another time.
    world.node.pullgate.reload(&policy(&world.authority, ""));
    start_at(&mut world.node, 2);
    let kubelet = world.node.kubelet_through_pullgate();
    for image in &good {
        let waiting = kubelet.ensure_image(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "certificate-not-valid-now", "{}", waiting.message);
    }
}

#[test]
fn evidence_of_notation_signatures_decides_without_the_registry() {
    let mut world = World::start(Release::V2_1);
    let signer = world.authority.issue(OURS, "p256", "");
    let images = FORMATS.map(|format| world.push_signed(&format!("team/{format}:1"), &signer, format));
    images.iter().for_each(|image| world.assert_runs(image));
    let stranger = Authority::make(world.node.directory(), "stranger");
    assert_evidence_decides(&mut world.node, "", &images.each_ref(), &policy(&stranger, ""));
}

/// By a clock that is two years fast or slow. A scan does not remove such images: another clock would admit them.
#[test]
fn t86_what_is_out_of_its_time_is_told_as_that() {
    let mut world = World::start(Release::V2_1);
    let signer = world.authority.issue(OURS, "p256", "");
    let image = world.push_signed("team/app:1", &signer, "jws");
    let expiring = world.node.push("team/expiring:1");
    world.notation.sign(&expiring.by_digest(), &signer, "cose", &["--expiry", "24h"]);
    world.assert_runs(&image);
    world.assert_runs(&expiring);
    for (years, codes) in [
        (2, ["certificate-not-valid-now", "signature-expired"]),
        (-2, ["certificate-not-valid-now", "certificate-not-valid-now"]),
    ] {
        start_at(&mut world.node, years);
        let kubelet = world.node.kubelet_through_pullgate();
        for (image, code) in [&image, &expiring].into_iter().zip(codes) {
            let waiting = kubelet.ensure_image(&Pod::of(image.by_tag())).unwrap_err();
            assert_eq!(waiting.code(), code, "{years}: {}", waiting.message);
        }
    }
}

#[test]
fn t87_a_revoked_certificate_is_refused() {
    let world = World::start(Release::V2_1);
    let signer = world.authority.issue(OURS, "p256", "");
    let revoked = world.authority.issue(("acme", "stolen"), "p256", "");
    let image = world.push_signed("team/app:1", &signer, "jws");
    let stolen = world.push_signed("team/stolen:1", &revoked, "cose");
    world.assert_runs(&stolen);
    world.authority.revoke(&revoked);
    let list = world.authority.list();
    world
        .node
        .pullgate
        .reload(&policy(&world.authority, &format!("crl = [{:?}]", list.display().to_string())));
    world.assert_runs(&image);
    let message = world.assert_refused(&stolen, "certificate-revoked");
    assert!(message.contains("was revoked by its issuer at "), "{message}");
    // The list of another CA says nothing about these.
    let stranger = Authority::make(world.node.directory(), "stranger");
    let other = stranger.list();
    world
        .node
        .pullgate
        .reload(&policy(&world.authority, &format!("crl = [{:?}]", other.display().to_string())));
    world.assert_refused(&image, "revocation-unknown");
    let known = format!("crl = [{:?}]\nrevocation = \"if-known\"", other.display().to_string());
    world.node.pullgate.reload(&policy(&world.authority, &known));
    world.assert_runs(&image);
}

/// What notation decides by a trust policy, pullgate decides by what it imports of it.
#[test]
fn an_imported_trust_policy_decides_as_notation() {
    let world = World::start(Release::V2_1);
    let signer = world.authority.issue(OURS, "p256", "");
    let evil = world.authority.issue(("evil", "evil"), "p256", "");
    let images = [
        world.push_signed("team/good:1", &signer, "jws"),
        world.push_signed("team/evil:1", &evil, "cose"),
        world.node.push("team/unsigned:1"),
    ];
    let file = world.notation.configuration().join("trustpolicy.json");
    let notations = |image: &Image| world.notation.verify(&image.by_digest()).is_ok();
    // The exit code says that something is stricter or wider than in notation; the import is complete.
    let import = |options: &[&str]| {
        let mut import = Command::new(programs::signer());
        import.args(["import", "notation"]).args(options);
        let imported = process::output(import.arg(&file));
        assert!(!imported.stdout.is_empty(), "{imported:?}");
        world.node.pullgate.reload(&Policy::text(&String::from_utf8(imported.stdout).unwrap()));
    };
    let decisions =
        || images.each_ref().map(|image| world.node.kubelet().ensure_image(&Pod::of(image.by_tag())).is_ok());
    for (level, organisation, expected) in [
        ("strict", "acme", [true, false, false]),
        ("strict", "evil", [false, true, false]),
        ("strict", "nobody", [false, false, false]),
        ("permissive", "acme", [true, false, false]),
        ("permissive", "evil", [false, true, false]),
        ("permissive", "nobody", [false, false, false]),
    ] {
        world.notation.trust(&world.authority, organisation, level);
        import(&[]);
        assert_eq!(images.each_ref().map(notations), expected, "notation: {level}, {organisation}");
        assert_eq!(decisions(), expected, "pullgate: {level}, {organisation}");
    }
    // notation skips verification of some repositories.
    world.notation.trust(&world.authority, "acme", "strict");
    let mut statements: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let scopes = images[1..].iter().map(|image| format!("{}/{}", image.host, image.repository));
    let skipped = json!({
        "name": "skipped",
        "registryScopes": scopes.collect::<Vec<_>>(),
        "signatureVerification": { "level": "skip" },
    });
    statements["trustPolicies"].as_array_mut().unwrap().push(skipped);
    directory::write(&file, statements.to_string());
    import(&[]);
    assert_eq!(images.each_ref().map(notations), [true; 3], "notation: skip");
    assert_eq!(decisions(), [true; 3], "pullgate: skip");
    // Where notation only logs a wrong signer, pullgate has no such rule: one is stricter, the other wider.
    world.notation.trust(&world.authority, "acme", "audit");
    assert_eq!(images.each_ref().map(notations), [true, true, false]);
    for (options, expected) in [(&[][..], [true, false, false]), (&["--widen"], [true, true, true])] {
        import(options);
        assert_eq!(decisions(), expected, "audit, {options:?}");
    }
    directory::write(&file, "{}");
    let mut import = Command::new(programs::signer());
    import.args(["import", "notation"]);
    let refused = process::run(import.arg(&file));
    assert!(refused.is_err_and(|error| error.contains("nothing was imported")), "notation refuses it too");
}

#[test]
fn what_pullgate_signer_signs_is_verified_by_notation() {
    let world = World::start(Release::V2_1);
    world.notation.trust(&world.authority, "acme", "strict");
    for (key, _) in KEYS {
        let signer = world.authority.issue(("acme", key), key, "");
        for format in FORMATS {
            let image = world.node.push(&format!("team/{key}-{format}:1"));
            let signed =
                signing::sign_notation(&image.by_digest(), &signer, format, &["-a", "team=payments"]);
            assert!(signed.starts_with("signed: "), "{key} {format}: {signed}");
            let again = signing::sign_notation(&image.by_digest(), &signer, format, &["-a", "team=payments"]);
            assert!(again.starts_with("already signed: "), "{key} {format}: {again}");
            world.assert_runs(&image);
            let verified = world.notation.verify(&image.by_digest());
            assert!(
                verified.as_ref().is_ok_and(|text| text.contains("payments")),
                "{key} {format}: {verified:?}"
            );
        }
    }
    // By a signer of another organisation, and of another CA.
    let evil = world.authority.issue(("evil", "evil"), "p256", "");
    let stranger = Authority::make(world.node.directory(), "stranger");
    let stranger = stranger.issue(OURS, "p256", "");
    for (by, code) in [(&evil, "wrong-identity"), (&stranger, "untrusted-certificate")] {
        let image = world.node.push(&format!("team/{code}:1"));
        signing::sign_notation(&image.by_digest(), by, "jws", &[]);
        world.assert_refused(&image, code);
        assert!(world.notation.verify(&image.by_digest()).is_err(), "{code}");
    }
}

/// By OpenSSL's timestamp authority and by sigstore's.
#[test]
fn timestamps_of_pullgate_signer_are_verified_by_notation_and_cosign() {
    let world = World::start(Release::V2_1);
    let (openssl, server) = (Services::start(), TimestampServer::start(world.node.directory()));
    let openssl = (openssl.timestamp_url(), openssl.sigstore.timestamp_chain(), Some(openssl));
    let key = world.node.key("stamped", Kind::P256);
    for (name, (url, chain, _running)) in
        [("openssl", openssl), ("sigstore", (server.url(), server.chain(), None))]
    {
        let root = pem::write("CERTIFICATE", chain.last().unwrap());
        let file = world.node.directory().join(format!("{name}.pem"));
        directory::write(&file, &root);
        let roots = file.display().to_string();
        let options = ["--timestamp", &url, "--timestamp-ca", &roots];
        world.node.pullgate.reload(&policy(&world.authority, &format!("tsa = [{roots:?}]")));
        world.notation.trust_timestamps(&world.authority, "acme", &root);
        for kind in ["p384", "rsa3072"] {
            let signer = world.authority.issue(("acme", &format!("{name}-{kind}")), kind, "");
            for format in FORMATS {
                let image = world.node.push(&format!("team/{name}-{kind}-{format}:1"));
                signing::sign_notation(&image.by_digest(), &signer, format, &[]);
                world.assert_refused(&image, "no-signing-time");
                assert!(world.notation.verify(&image.by_digest()).is_err(), "{name}: there is no timestamp");
                let signed = signing::sign_notation(&image.by_digest(), &signer, format, &options);
                assert!(signed.starts_with("signed: "), "{name} {kind} {format}: {signed}");
                world.assert_runs(&image);
                let verified = world.notation.verify(&image.by_digest());
                assert!(verified.is_ok(), "{name} {kind} {format}: {verified:?}");
            }
        }
        // A bundle by a key, where cosign wants a timestamp.
        let require = Policy::deny().authenticator("keyed", &[&key]).require("**", &["keyed"]);
        world.node.pullgate.reload(&require);
        let image = world.node.push(&format!("team/{name}-bundle:1"));
        let layout = ["--layout", "bundle"];
        let [own, other] =
            [root_of_timestamps(&chain), root_of_timestamps(&Sigstore::new().timestamp_chain())]
                .map(|root| root.to_string());
        let [own_file, other_file] = ["own.json", "other.json"].map(|file| world.node.directory().join(file));
        directory::write(&own_file, own);
        directory::write(&other_file, other);
        let verify = |root: &std::path::Path| {
            let root = root.display().to_string();
            let stamped = ["--use-signed-timestamps", "--trusted-root", &root];
            world.node.cosign().verify(&image.by_digest(), &key, &stamped)
        };
        signing::sign_with(&image.by_digest(), &key, &layout);
        assert!(verify(&own_file).is_err(), "{name}: there is no timestamp");
        let signed = signing::sign_with(&image.by_digest(), &key, &[&layout[..], &options].concat());
        assert!(signed.starts_with("signed: "), "{name}: {signed}");
        let verified = verify(&own_file);
        assert!(verified.is_ok(), "{name}: {verified:?}");
        assert!(verify(&other_file).is_err(), "{name}: the timestamp is of another authority");
        let pulled = world.node.kubelet().ensure_image(&Pod::of(image.by_tag()));
        assert!(pulled.is_ok(), "{name}: {pulled:?}");
    }
}
