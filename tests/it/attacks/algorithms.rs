//! Signatures in another form or by another algorithm than the policy fixes, and keys that are too weak: T68.

use p256::ecdsa::Signature;
use pullgate::trust::Algorithm;
use pullgate_test::policy::{Authenticator, RELEASE, SECURITY};
use pullgate_test::signer::{Signer, attach_classic, key_file, payload, sign_classic};

use super::outcome::{Expect, SIGNED};
use super::world::{World, node, p256};

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[tokio::test]
async fn t68_a_signature_counts_in_one_encoding_only() {
    let world = World::start(node()).await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let good = p256().sign(&text);
    let signature = Signature::from_der(&good).unwrap();
    let (r, s) = (signature.r().to_bytes().to_vec(), signature.s().to_bytes().to_vec());
    let twin = Signature::from_scalars(*signature.r(), -*signature.s()).unwrap();
    let sequence = |content: &[u8]| [&[0x30, length(content)], content].concat();
    let of = |r: &[u8], s: &[u8]| sequence(&[integer(r), integer(s)].concat());
    assert_eq!(of(&r, &s), good);
    for (name, bytes, expected) in [
        ("r is zero", of(&[0], &s), "no-valid-signature"),
        ("s is zero", of(&r, &[0]), "no-valid-signature"),
        ("both are zero", of(&[0], &[0]), "no-valid-signature"),
        ("both are one", of(&[1], &[1]), "no-valid-signature"),
        ("r is the order", of(&ORDER, &s), "no-valid-signature"),
        ("s is the order", of(&r, &ORDER), "no-valid-signature"),
        ("exchanged", of(&s, &r), "no-valid-signature"),
        ("a byte behind it", [&good[..], &[0]].concat(), "no-valid-signature"),
        ("a byte inside behind it", sequence(&[&good[2..], &[0]].concat()), "no-valid-signature"),
        ("a third number", sequence(&[&good[2..], &integer(&[1])].concat()), "no-valid-signature"),
        ("a long length", [&[0x30, 0x81], &good[1..]].concat(), "no-valid-signature"),
        ("an indefinite length", [&[0x30, 0x80], &good[2..], &[0, 0]].concat(), "no-valid-signature"),
        (
            "a leading zero",
            sequence(&[raw_integer(&[&[0, 0], &r[..]].concat()), integer(&s)].concat()),
            "no-valid-signature",
        ),
        ("both numbers side by side", [r.clone(), s.clone()].concat(), "no-valid-signature"),
        ("nothing", Vec::new(), "no-valid-signature"),
        // The twin of every ECDSA signature: Go, cosign and key services make both. It is no second signature.
        ("the other s", twin.to_der().as_bytes().to_vec(), "verified"),
        ("good", good.clone(), "verified"),
    ] {
        let path = format!("team/{}", name.replace(' ', "-"));
        let digest = world.registry.image(&path, "1", "app");
        let text = payload(&world.image("team/app"), &digest);
        attach_classic(&world.registry, &path, &digest, &[(text, bytes)]);
        alias(&world, &path);
        let pinned = world.pinned(&path, &digest);
        let outcome = world.outcome(&format!("{path}:1")).await;
        let requests = "tag sig fallback referrers blob";
        outcome.assert(name, Expect { requests, ..Expect::decided(expected, &pinned) });
    }
    world.require("at-least = 2, of = [\"release\", \"security\"]", &[RELEASE, SECURITY]);
    let both = [(text.clone(), good), (text, twin.to_der().as_bytes().to_vec())];
    attach_classic(&world.registry, "team/app", &digest, &both);
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("both forms", Expect { requests: SIGNED, ..Expect::refused("not-enough-signatures") });
}

/// What was signed for `team/app` counts for this repository too.
fn alias(world: &World, path: &str) {
    world.set_policy(&format!(
        "default = \"deny\"\n{RELEASE}[[namespace]]\nscope = \"%HOST/{path}\"\nrequire = {{ all = [\"release\"] }}\n\
         aliases = [\"{}\"]\n",
        world.image("team/app")
    ));
}

/// A number that is not negative, in DER.
fn integer(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len() - 1);
    let number = &number[start..];
    let sign = if number[0] >= 0x80 { &[0][..] } else { &[] };
    raw_integer(&[sign, number].concat())
}

/// The length in DER, of less than 128 bytes.
fn length(content: &[u8]) -> u8 {
    u8::try_from(content.len()).unwrap()
}

fn raw_integer(bytes: &[u8]) -> Vec<u8> {
    [&[0x02, length(bytes)], bytes].concat()
}

#[tokio::test]
async fn t68_a_key_counts_only_with_the_algorithm_of_the_policy() {
    use Algorithm::{
        EcdsaP384Sha256, EcdsaP521Sha256, EcdsaSha384, EcdsaSha512, Ed25519, Ed25519ph, RsaPkcs1Sha256,
        RsaPkcs1Sha512, RsaPssSha256, RsaPssSha512,
    };
    let world = World::start(node()).await;
    for (key, algorithms) in [
        ("p384", [EcdsaSha384, EcdsaP384Sha256].as_slice()),
        ("p521", &[EcdsaSha512, EcdsaP521Sha256]),
        ("ed25519", &[Ed25519, Ed25519ph]),
        ("rsa-2048", &[RsaPkcs1Sha256, RsaPkcs1Sha512, RsaPssSha256, RsaPssSha512]),
    ] {
        for pinned in algorithms {
            for signed in algorithms {
                let about = format!("{} as {}", signed.name(), pinned.name());
                let algorithm = pinned.name();
                world.require("all = [\"k\"]", &[Authenticator { name: "k", key, algorithm }]);
                let path = format!("team/{}", about.to_lowercase().replace(' ', "-"));
                let digest = world.registry.image(&path, "1", &path);
                sign_classic(&world.registry, &path, &digest, &Signer::of(key, *signed));
                let verdict = world.pinned(&path, &digest);
                let expected = if signed == pinned { "verified" } else { "no-valid-signature" };
                let outcome = world.outcome(&format!("{path}:1")).await;
                outcome.assert(about, Expect { requests: SIGNED, ..Expect::decided(expected, &verdict) });
            }
        }
    }
}

/// The policy in force stays what it was.
#[tokio::test]
async fn t68_weak_keys_are_not_loaded() {
    let world = World::start(node()).await;
    let digest = world.signed();
    let good = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    assert_eq!(world.problems(&good), None);
    let used = key_file("p256", "pub");
    for (key, algorithm, why) in [
        ("rsa-1024", "RSA_PKCS1_SHA_256", "1024 bits"),
        ("rsa-1024", "RSA_PSS_SHA_256", "1024 bits"),
        ("rsa-2048-exponent-1", "RSA_PKCS1_SHA_256", "exponent"),
        ("rsa-2048-exponent-2", "RSA_PSS_SHA_256", "exponent"),
        ("ed25519-small-order", "ED25519", "weak"),
        ("ed25519-not-canonical", "ED25519PH", "weak"),
        ("secp256k1", "ECDSA_SHA_256", "secp256k1"),
        ("p384", "ECDSA_SHA_256", "P-384"),
        ("p256", "ED25519", "P-256"),
    ] {
        let text = good
            .replace(&format!("{used:?}"), &format!("{:?}", key_file(key, "pub")))
            .replace("\"ECDSA_SHA_256\"", &format!("{algorithm:?}"));
        assert_ne!(text, good, "{key}");
        let problems = world.problems(&text).unwrap();
        assert!(problems.contains(why), "{key}: {problems}");
    }
    let outcome = world.outcome("team/app:1").await;
    let pinned = world.pinned("team/app", &digest);
    outcome.assert("good", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}
