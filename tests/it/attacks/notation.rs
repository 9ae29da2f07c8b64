//! Signatures of the Notary Project that say something else: T70, T71.

use pullgate::digest::Digest;

use super::outcome::Expect;
use super::world::{World, node};
use pullgate_test::signer::{
    attach_notation, key_file, notation, notation_file, notation_image, notation_manifest, refer,
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
        world.outcome(&format!("{path}:1")).await.assert(&path, refused());
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

#[tokio::test]
async fn t71_certificates_count_only_below_the_ca_of_the_policy() {
    let world = World::start(node()).await;
    let digest = notation_image(&world.registry, "team/app");
    attach_notation(&world.registry, "team/app", &digest, &notation("p256.jws"));
    let pinned = world.pinned("team/app", &digest);
    let refused = || Expect { requests: REFERRED, ..Expect::refused("no-valid-signature") };
    for (name, settings, expected) in [
        ("another CA", below("p384.root.pem"), refused()),
        ("a CA of another scheme", below("p256.root.pem").replace("ca =", "signing-authority ="), refused()),
        (
            "another subject",
            below("p256.root.pem").replace("\"*\"", "\"x509.subject: C=US, ST=WA, O=evil\""),
            refused(),
        ),
        ("its CA", below("p256.root.pem"), Expect { requests: REFERRED, ..Expect::verified(&pinned) }),
    ] {
        trusting(&world, &settings);
        world.outcome("team/app:1").await.assert(name, expected);
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
    outcome.assert("keys", Expect { requests, ..Expect::refused("no-signature") });
    // What is known already is named in the refusal.
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("keys", Expect { requests, ..Expect::refused("no-valid-signature") });
    assert!(outcome.line.contains("Notation signature, which an authenticator of type `key` cannot verify"));
}
