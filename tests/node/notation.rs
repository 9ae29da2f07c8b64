//! Signatures by the real notation on a real node: T70, T71, T87.

use std::process::Command;

use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::notation::{Authority, FORMATS, KEYS, Notation, Signer};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process;
use pullgate_test::node::{Node, Release, directory};
use pullgate_test::programs;

use super::clock::start_at;
use pullgate::trust::pem;
use pullgate_test::node::keys::Kind;
use pullgate_test::node::signing;
use pullgate_test::node::timestamp_server::TimestampServer;
use pullgate_test::sigstore::{Services, Sigstore, root_of_timestamps};

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
    for (key, _) in KEYS {
        let signer = world.authority.issue(("acme", key), key, "");
        for format in FORMATS {
            let image = world.push_signed(&format!("team/{key}-{format}:1"), &signer, format);
            let pulled = world.node.kubelet().ensure_image(&Pod::of(image.by_tag()));
            assert!(pulled.is_ok(), "{key} {format}: {pulled:?}");
        }
    }
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
    for (level, organisation) in [("permissive", "acme"), ("permissive", "evil"), ("permissive", "nobody")] {
        world.notation.trust(&world.authority, organisation, level);
        let mut import = Command::new(programs::signer());
        import.args(["import", "notation"]);
        let imported = process::must_run(import.arg(world.notation.configuration().join("trustpolicy.json")));
        world.node.pullgate.reload(&Policy::text(&imported));
        for image in &images {
            let real = world.notation.verify(&image.by_digest());
            let ours = world.node.kubelet().ensure_image(&Pod::of(image.by_tag()));
            assert_eq!(ours.is_ok(), real.is_ok(), "{organisation}: {ours:?}, {real:?}");
        }
    }
    directory::write(&world.notation.configuration().join("trustpolicy.json"), "{}");
    let mut import = Command::new(programs::signer());
    import.args(["import", "notation"]);
    let refused = process::run(import.arg(world.notation.configuration().join("trustpolicy.json")));
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
