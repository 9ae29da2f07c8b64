//! Signatures of the Notary Project that say something else, or whose certificates do not count: T70, T87.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pullgate::digest::Digest;
use pullgate::trust::Algorithm;
use serde_json::{Value, json};

use super::outcome::Expect;
use super::world::{World, node};
use pullgate_test::notary::Notary;
use pullgate_test::registry::{INDEX, Registry, Scripted};
use pullgate_test::signer::{
    Signer, attach_notation, key_file, notation, notation_file, notation_image, notation_manifest, refer,
    sign_classic,
};

/// The requests of a pull by tag of an image with one referrer that is a signature.
const REFERRED: &str = "tag sig fallback referrers manifest blob";

fn trusting(world: &World, settings: &str) {
    let scope = world.image("team");
    world.set_policy(&format!(
        "default = \"deny\"\n[authenticator.notary]\ntype = \"notation\"\n{settings}\n\
         [[namespace]]\nscope = \"{scope}\"\nrequire = {{ all = [\"notary\"] }}\n"
    ));
}

fn below(root: &str) -> String {
    format!("ca = [\"{}\"]\nidentities = [\"*\"]", notation_file(root).display())
}

#[tokio::test]
async fn t70_a_notary_signature_of_something_else_is_not_valid() {
    let world = World::start(node()).await;
    trusting(&world, &below("p256.root.pem"));
    let refused = || Expect { requests: REFERRED, ..Expect::refused("no-valid-signature") };
    for format in ["jws", "cose"] {
        let envelope = notation(&format!("p256.{format}"));
        let good = format!("team/{format}");
        let digest = notation_image(&world.registry, &good);
        attach_notation(&world.registry, &good, &digest, &envelope);
        let pinned = world.pinned(&good, &digest);
        let outcome = world.outcome(&format!("{good}:1")).await;
        outcome.assert(&good, Expect { requests: REFERRED, ..Expect::verified(&pinned) });
        // The envelope of another image.
        let path = format!("team/moved-{format}");
        let other = world.registry.image(&path, "1", &path);
        attach_notation(&world.registry, &path, &other, &envelope);
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(&path, Expect { requests: REFERRED, ..Expect::refused("other-digest") });
        // A manifest whose subject is another image, listed for this one.
        let path = format!("team/subject-{format}");
        let digest = notation_image(&world.registry, &path);
        let manifest = notation_manifest(&world.registry, &path, &Digest::of(b"other"), &envelope);
        refer(&world.registry, &path, &digest, manifest);
        let requests = "tag sig fallback referrers manifest";
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(&path, Expect { requests, ..Expect::refused("no-valid-signature") });
        // One byte of the envelope.
        let path = format!("team/changed-{format}");
        let digest = notation_image(&world.registry, &path);
        let mut changed = envelope.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        attach_notation(&world.registry, &path, &digest, &changed);
        world.outcome(&format!("{path}:1")).await.assert(&path, refused());
    }
    // A signature of a file system is not one of an image (artifact type of notation's dm-verity proposal).
    let path = "team/verity";
    let digest = notation_image(&world.registry, path);
    let manifest = notation_manifest(&world.registry, path, &digest, &notation("p256.jws"));
    let manifest = String::from_utf8(manifest.to_vec()).unwrap();
    let verity = manifest.replace("vnd.cncf.notary.signature", "vnd.cncf.notary.signature.dm-verity");
    refer(&world.registry, path, &digest, verity.into());
    let requests = "tag sig fallback referrers manifest";
    let outcome = world.outcome("team/verity:1").await;
    outcome.assert(path, Expect { requests, ..Expect::refused("no-signature") });
}

/// CVE-2023-25656 and others: an envelope that is correctly signed, and says something that must not be ignored.
#[tokio::test]
async fn t70_an_envelope_counts_only_if_all_that_it_demands_is_met() {
    let world = World::start(node()).await;
    let notary = Notary::of_key(pullgate_test::secrets::new_key());
    let root = world.directory.path().join("root.pem");
    std::fs::write(&root, &notary.root).unwrap();
    trusting(&world, &format!("ca = [{root:?}]\nidentities = [\"*\"]"));
    type Change = fn(&mut Value, &mut Value);
    let cases: [(&str, Change, &str); 13] = [
        ("good", |_, _| {}, "verified"),
        ("another size", |_, payload| payload["targetArtifact"]["size"] = json!(1), "other-digest"),
        (
            "another media type",
            |_, payload| payload["targetArtifact"]["mediaType"] = json!(INDEX),
            "other-digest",
        ),
        ("no target", |_, payload| *payload = json!({}), "no-valid-signature"),
        (
            "another content type",
            |protected, _| protected["cty"] = json!("application/json"),
            "no-valid-signature",
        ),
        (
            "an unknown critical attribute",
            |protected, _| {
                protected["crit"] = json!(["io.cncf.notary.signingScheme", "io.example.unknown"]);
                protected["io.example.unknown"] = json!("x");
            },
            "no-valid-signature",
        ),
        ("an unknown attribute", |protected, _| protected["io.example.unknown"] = json!("x"), "verified"),
        (
            "a critical attribute that is not there",
            |protected, _| {
                protected["crit"] = json!(["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"])
            },
            "no-valid-signature",
        ),
        ("nothing is critical", |protected, _| protected["crit"] = json!([]), "no-valid-signature"),
        (
            "another scheme",
            |protected, _| protected["io.cncf.notary.signingScheme"] = json!("notary.x509.other"),
            "no-valid-signature",
        ),
        ("another algorithm", |protected, _| protected["alg"] = json!("ES384"), "no-valid-signature"),
        ("no algorithm", |protected, _| protected["alg"] = json!("none"), "no-valid-signature"),
        (
            "a plug-in",
            |protected, _| protected["io.cncf.notary.verificationPlugin"] = json!("com.example.plugin"),
            "verification-plugin",
        ),
    ];
    for (name, change, expected) in cases {
        let path = format!("team/{}", name.replace(' ', "-"));
        let digest = notation_image(&world.registry, &path);
        let (mut protected, mut payload) = Notary::content(&notation("manifest.json"));
        change(&mut protected, &mut payload);
        let envelope = notary.envelope(&protected.to_string(), &payload.to_string());
        attach_notation(&world.registry, &path, &digest, &envelope);
        let pinned = world.pinned(&path, &digest);
        let expect = Expect::decided(expected, &pinned);
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(name, Expect { requests: REFERRED, ..expect });
    }
}

#[tokio::test]
async fn t70_certificates_count_only_below_the_ca_of_the_policy() {
    let world = World::start(node()).await;
    let named =
        |subject: &str| below("p256.root.pem").replace("\"*\"", &format!("\"x509.subject: {subject}\""));
    for (name, settings, expected) in [
        ("another CA", below("p384.root.pem"), "untrusted-certificate"),
        (
            "a CA of another scheme",
            below("p256.root.pem").replace("ca =", "signing-authority ="),
            "untrusted-certificate",
        ),
        ("another subject", named("C=US, ST=WA, O=evil"), "wrong-identity"),
        ("more than its subject", named("C=US, ST=WA, O=pullgate, OU=x"), "wrong-identity"),
        ("a longer name", named("C=US, ST=WA, O=pullgates"), "wrong-identity"),
        ("a part of its subject", named("C=US, ST=WA, O=pullgate"), "verified"),
        ("its subject", named("CN=p256-leaf, O=pullgate, ST=WA, C=US"), "verified"),
        ("its CA", below("p256.root.pem"), "verified"),
    ] {
        let path = format!("team/{}", name.to_lowercase().replace(' ', "-"));
        let digest = notation_image(&world.registry, &path);
        attach_notation(&world.registry, &path, &digest, &notation("p256.jws"));
        let pinned = world.pinned(&path, &digest);
        trusting(&world, &settings);
        let expect = Expect::decided(expected, &pinned);
        world.outcome(&format!("{path}:1")).await.assert(name, Expect { requests: REFERRED, ..expect });
    }
    // Bytes in the place of a text, for which notation once took any memory (CVE-2023-25656), and too little of a subject.
    for (subject, is_valid) in [
        ("C=US, ST=WA, O=pullgate", true),
        ("C=US, ST=WA, O=#0401", false),
        ("C=#16025553, ST=WA, O=pullgate", false),
        ("O=pullgate", false),
        ("", false),
    ] {
        let text =
            format!("default = \"deny\"\n[authenticator.notary]\ntype = \"notation\"\n{}\n", named(subject));
        let problems = world.problems(&text);
        assert_eq!(problems.is_none(), is_valid, "{subject}: {problems:?}");
    }
    // Where no authenticator reads it, it is not fetched.
    let digest = notation_image(&world.registry, "team/unread");
    attach_notation(&world.registry, "team/unread", &digest, &notation("p256.jws"));
    let key = key_file("p256", "pub");
    let scope = world.image("team");
    world.set_policy(&format!(
        "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ file = \"{}\" }}]\n\
         [[namespace]]\nscope = \"{scope}\"\nrequire = {{ all = [\"release\"] }}\n",
        key.display()
    ));
    let requests = "tag sig fallback referrers manifest";
    let outcome = world.outcome("team/unread:1").await;
    outcome.assert("keys", Expect { requests, ..Expect::refused("other-signature-kind") });
    let found = "found 1 Notation signature, but no authenticator of this rule can verify Notation";
    assert!(outcome.line.contains(found), "{}", outcome.line);
    // Nor a second time, and it is not counted twice where it is known already.
    for name in ["team/unread:1", "team/its-ca:1"] {
        let outcome = world.outcome(name).await;
        outcome.assert("again", Expect { requests, ..Expect::refused("other-signature-kind") });
        assert!(outcome.line.contains(found), "{}", outcome.line);
    }
    // A signature that is read says more than one that is not.
    let other = Signer::of("ed25519", Algorithm::Ed25519);
    sign_classic(&world.registry, "team/unread", &digest, &other);
    let outcome = world.outcome("team/unread:1").await;
    outcome.assert("both", Expect { requests, ..Expect::refused("no-valid-signature") });
}

/// The list of revoked certificates is where the certificate says; whoever is there can send anything.
#[tokio::test]
async fn t87_a_list_of_revoked_certificates_counts_only_if_its_issuer_signed_it() {
    let world = World::start(node()).await;
    let server = Registry::start().await;
    let address = |name: &str| format!("http://{}/{name}", server.host());
    let lists: Arc<Mutex<BTreeMap<String, Scripted>>> = Arc::default();
    let served = Arc::clone(&lists);
    server.hook(move |request| served.lock().unwrap().get(request.uri.path()).cloned());
    let list = |bytes: Vec<u8>| Scripted::ok("application/pkix-crl", bytes);
    let stranger = Notary::new(&address("stranger"));
    let refused = |code| Expect { requests: REFERRED, ..Expect::refused(code) };
    let fetch = "distribution-points = \"fetch\"";
    let soft = format!("{fetch}\nrevocation = \"if-known\"");
    type Answer<'a> = &'a dyn Fn(&Notary) -> Scripted;
    let cases: [(&str, &str, Answer<'_>, Option<&'static str>); 10] = [
        ("good", fetch, &|notary| list(notary.list(false, 2100)), None),
        ("revoked", fetch, &|notary| list(notary.list(true, 2100)), Some("certificate-revoked")),
        ("revoked-soft", &soft, &|notary| list(notary.list(true, 2100)), Some("certificate-revoked")),
        ("old", fetch, &|notary| list(notary.list(false, 2026)), Some("revocation-unknown")),
        ("other", fetch, &|_| list(stranger.list(false, 2100)), Some("revocation-unknown")),
        ("nothing", fetch, &|_| list(Vec::new()), Some("revocation-unknown")),
        ("large", fetch, &|_| list(vec![0x30; 5 << 20]), Some("revocation-unknown")),
        ("moved", fetch, &|_| Scripted::redirect("http://other.example/"), Some("revocation-unknown")),
        ("gone", fetch, &|_| Scripted::status(404), Some("revocation-unknown")),
        ("gone-soft", &soft, &|_| Scripted::status(404), None),
    ];
    for (name, settings, answer, code) in cases {
        let notary = Notary::new(&address(name));
        lists.lock().unwrap().insert(format!("/{name}"), answer(&notary));
        let root = world.directory.path().join(format!("{name}.pem"));
        std::fs::write(&root, &notary.root).unwrap();
        trusting(
            &world,
            &format!("ca = [{:?}]\nidentities = [\"*\"]\n{settings}", root.display().to_string()),
        );
        let path = format!("team/{name}");
        let digest = notation_image(&world.registry, &path);
        attach_notation(&world.registry, &path, &digest, &notary.sign(&notation("manifest.json")));
        let pinned = world.pinned(&path, &digest);
        let expected = match code {
            Some(code) => refused(code),
            None => Expect { requests: REFERRED, ..Expect::verified(&pinned) },
        };
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(name, expected);
        // The answer is remembered, whatever it was.
        server.forget_requests();
        let again = world.outcome(&format!("{path}:1")).await;
        assert_eq!(again.line, outcome.line, "{name}");
        assert_eq!(server.lines(), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn each_key_type_in_each_envelope_is_verified() {
    let world = World::start(node()).await;
    for key in ["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521"] {
        trusting(&world, &below(&format!("{key}.root.pem")));
        for format in ["jws", "cose"] {
            let path = format!("team/{key}-{format}");
            let digest = notation_image(&world.registry, &path);
            attach_notation(&world.registry, &path, &digest, &notation(&format!("{key}.{format}")));
            let pinned = world.pinned(&path, &digest);
            let outcome = world.outcome(&format!("{path}:1")).await;
            // The chain of RSA keys of 4096 bits takes some kilobytes.
            let bytes = 1..=16 << 10;
            outcome.assert(&path, Expect { requests: REFERRED, bytes, ..Expect::verified(&pinned) });
        }
    }
}
