//! Documents that are signed or attached but cannot be read, or say less than a signature has to: T66, T67.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate_test::notary::Notary;
use pullgate_test::policy::RELEASE;
use pullgate_test::registry::Registry;
use pullgate_test::signer::{
    attach_bundle, attach_classic, attach_notation, attestation_bundle, bundle, notation, payload,
};
use serde_json::{Value, json};

use super::outcome::{Expect, FETCHED, SIGNED};
use super::world::{World, node, p256};

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// The requests of a pull by tag of an image with one referrer that is a signature.
const REFERRED: &str = "tag sig fallback referrers manifest blob";

/// Attaches a document to an image in a repository.
type Attach<'a> = &'a dyn Fn(&Registry, &str, &Digest, &str);
/// What would be valid, for an image in a repository.
type Good<'a> = &'a dyn Fn(&str, &Digest) -> String;

#[tokio::test]
async fn t66_what_cannot_be_parsed_is_not_valid() {
    let world = World::start(node()).await;
    let notary = Notary::of_key(pullgate_test::secrets::new_key());
    let root = world.directory.path().join("root.pem");
    std::fs::write(&root, &notary.root).unwrap();
    world.set_policy(&format!(
        "default = \"deny\"\n{RELEASE}[authenticator.notary]\ntype = \"notation\"\nca = [{root:?}]\nidentities = [\"*\"]\n\
         [[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ any = [\"release\", \"notary\"] }}\n"
    ));
    let manifest_of = |path: &str| world.registry.tagged(path, "1").unwrap();
    // By a trusted key over the document, or the document in the place of the whole.
    let carriers: [(&str, Attach<'_>, &str, Good<'_>); 6] = [
        (
            "payload",
            &|registry, path, digest, text| {
                let text = Bytes::from(text.to_owned());
                attach_classic(registry, path, digest, &[(text.clone(), p256().sign(&text))]);
            },
            FETCHED,
            &|path, digest| String::from_utf8(payload(&world.image(path), digest).to_vec()).unwrap(),
        ),
        (
            "statement",
            &|registry, path, digest, text| {
                attach_bundle(registry, path, digest, &attestation_bundle(text, &p256()))
            },
            REFERRED,
            &|_, digest| statement_of(&[json!({ "sha256": digest.hex() })]),
        ),
        (
            "protected",
            &|registry, path, digest, text| {
                let (_, payload) = Notary::content(&manifest_of(path));
                attach_notation(registry, path, digest, &notary.envelope(text, &payload.to_string()));
            },
            REFERRED,
            &|path, _| Notary::content(&manifest_of(path)).0.to_string(),
        ),
        (
            "target",
            &|registry, path, digest, text| {
                let (protected, _) = Notary::content(&manifest_of(path));
                attach_notation(registry, path, digest, &notary.envelope(&protected.to_string(), text));
            },
            REFERRED,
            &|path, _| Notary::content(&manifest_of(path)).1.to_string(),
        ),
        ("bundle", &attach_bundle, REFERRED, &|_, digest| bundle(digest, SIGN, &p256())),
        (
            "envelope",
            &|registry, path, digest, text| attach_notation(registry, path, digest, text.as_bytes()),
            REFERRED,
            &|path, _| String::from_utf8(notary.sign(&manifest_of(path))).unwrap(),
        ),
    ];
    for (carrier, attach, requests, good) in carriers {
        for (number, (about, change)) in
            CHANGES.into_iter().chain([("good", (|good| good.to_owned()) as Change)]).enumerate()
        {
            let path = format!("team/{carrier}-{number}");
            let digest = world.registry.image(&path, "1", &path);
            attach(&world.registry, &path, &digest, &change(&good(&path, &digest)));
            let pinned = world.pinned(&path, &digest);
            let expect = match about {
                "good" => Expect::verified(&pinned),
                _ => Expect::refused("no-valid-signature"),
            };
            // The payload of cosign need not be fetched if it is the usual one.
            let requests = if (carrier, about) == ("payload", "good") { SIGNED } else { requests };
            let outcome = world.outcome(&format!("{path}:1")).await;
            outcome.assert((carrier, about), Expect { requests, bytes: 1..=64 << 10, ..expect });
        }
    }
    // An envelope in COSE, which is not text.
    let good = notation("p256.cose");
    let end = good.len();
    for (number, bytes) in
        [&good[..1], &good[..end / 2], &good[..end - 1], &[&good[..], &[0]].concat()].into_iter().enumerate()
    {
        let path = format!("team/cose-{number}");
        let digest = world.registry.image(&path, "1", &path);
        attach_notation(&world.registry, &path, &digest, bytes);
        let outcome = world.outcome(&format!("{path}:1")).await;
        let refused = Expect::refused("no-valid-signature");
        outcome.assert(("COSE", number), Expect { requests: REFERRED, ..refused });
    }
}

type Change = fn(&str) -> String;

/// What makes a document in JSON unreadable.
const CHANGES: [(&str, Change); 8] = [
    ("a word", |_| "verified".to_owned()),
    ("null", |_| "null".to_owned()),
    ("an empty object", |_| "{}".to_owned()),
    ("in an array", |good| format!("[{good}]")),
    ("cut", |good| good[..good.len() - 1].to_owned()),
    ("twice", |good| format!("{good}{good}")),
    ("a byte order mark", |good| format!("\u{feff}{good}")),
    ("nested deeply", |good| {
        good.replacen('{', &format!("{{\"a\":{}1{},", "[".repeat(5000), "]".repeat(5000)), 1)
    }),
];

#[tokio::test]
async fn t67_an_envelope_has_one_signature_of_a_statement_about_the_image() {
    let world = World::start(node()).await;
    let digest = world.registry.image("team/app", "1", "app");
    let good = || bundle(&digest, SIGN, &p256());
    let changed = |pointer: &str, value: Value| {
        let mut bundle: Value = serde_json::from_str(&good()).unwrap();
        *bundle.pointer_mut(pointer).unwrap() = value;
        bundle.to_string()
    };
    let signature = serde_json::from_str::<Value>(&good()).unwrap()["dsseEnvelope"]["signatures"][0].clone();
    // Correctly signed, as something else.
    let of_kind = |kind: &str| {
        let mut bundle: Value = serde_json::from_str(&good()).unwrap();
        let envelope = &mut bundle["dsseEnvelope"];
        let statement = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        let message =
            [format!("DSSEv1 {} {kind} {} ", kind.len(), statement.len()).as_bytes(), &statement].concat();
        envelope["payloadType"] = json!(kind);
        envelope["signatures"][0]["sig"] = json!(STANDARD.encode(p256().sign(&message)));
        bundle.to_string()
    };
    let about = |subjects: &[Value]| attestation_bundle(&statement_of(subjects), &p256());
    let ours = json!({ "sha256": digest.hex() });
    let other = json!({ "sha256": Digest::of(b"other").hex() });
    let many = |count: usize| about(&[vec![other.clone(); count - 1], vec![ours.clone()]].concat());
    for (name, bundle, expected) in [
        ("good", good(), "verified"),
        ("another payload type, signed", of_kind("application/json"), "no-valid-signature"),
        (
            "another payload type",
            changed("/dsseEnvelope/payloadType", json!("text/plain")),
            "no-valid-signature",
        ),
        ("no payload type", changed("/dsseEnvelope/payloadType", json!("")), "no-valid-signature"),
        ("no signature", changed("/dsseEnvelope/signatures", json!([])), "no-valid-signature"),
        (
            "two signatures",
            changed("/dsseEnvelope/signatures", json!([signature, signature])),
            "no-valid-signature",
        ),
        ("no subject", about(&[]), "no-valid-signature"),
        ("another subject", about(std::slice::from_ref(&other)), "other-digest"),
        ("the digest as SHA-512", about(&[json!({ "sha512": digest.hex() })]), "other-digest"),
        ("the digest as SHA-1", about(&[json!({ "sha1": digest.hex() })]), "other-digest"),
        ("the digest as an annotation", about(&[json!({ "gitCommit": digest.hex() })]), "other-digest"),
        (
            "the digest in upper case",
            about(&[json!({ "sha256": digest.hex().to_uppercase() })]),
            "other-digest",
        ),
        ("the digest is a number", about(&[json!({ "sha256": 1 })]), "no-valid-signature"),
        ("the last of many subjects", many(1024), "verified"),
        ("the last of too many subjects", many(1025), "no-valid-signature"),
    ] {
        let path = format!("team/{}", name.to_lowercase().replace([' ', ','], "-").replace("--", "-"));
        assert_eq!(world.registry.image(&path, "1", "app"), digest);
        attach_bundle(&world.registry, &path, &digest, &bundle);
        let pinned = world.pinned(&path, &digest);
        let expect = Expect::decided(expected, &pinned);
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(name, Expect { requests: REFERRED, bytes: 1..=512 << 10, ..expect });
    }
}

/// A statement that signs images, by the digests of each.
fn statement_of(subjects: &[Value]) -> String {
    let subjects: Vec<_> = subjects.iter().map(|digest| json!({ "digest": digest })).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": SIGN,
        "predicate": {},
    })
    .to_string()
}
