use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::digest::Digest;
use crate::reference::Reference;
use crate::signature::{
    Attachment, BUNDLE_MEDIA_TYPE, PREDICATE_TYPE, STATEMENT_MEDIA_TYPE, STATEMENT_TYPE,
    pre_authentication_encoding,
};
use crate::trust::{Algorithm, Authenticator, Key, PrivateKey, PssSalt};

const STABLE: &str = "r.example/fleet/policy:stable";

fn signer(name: &str) -> PrivateKey {
    let path = format!("{}/../../tests/fixtures/keys/throw-away-{name}.key.pem", env!("CARGO_MANIFEST_DIR"));
    let pem = std::fs::read_to_string(path).unwrap();
    let algorithm = if name == "p256" { Algorithm::EcdsaSha256 } else { Algorithm::EcdsaSha384 };
    PrivateKey::from_pem(&pem, algorithm, PssSalt::default()).unwrap()
}

fn authenticator(key: &PrivateKey) -> Authenticator {
    let origin = "policy.pub".to_owned();
    let key = Key { public: key.public(), not_before: None, not_after: None, origin, remote: None };
    Authenticator::new("follow".to_owned(), vec![key]).unwrap()
}

fn bundle(key: &PrivateKey, digest: &Digest) -> Attachment {
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "digest": { "sha256": digest.hex() } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {},
    });
    let statement = statement.to_string();
    let message = pre_authentication_encoding(STATEMENT_MEDIA_TYPE, statement.as_bytes());
    let signature = STANDARD.encode(key.sign(&message).unwrap());
    let document = json!({
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": { "publicKey": {} },
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement),
            "payloadType": STATEMENT_MEDIA_TYPE,
            "signatures": [{ "sig": signature }],
        },
    });
    Attachment::Bundle { place: "referrer".to_owned(), document: document.to_string().into() }
}

fn content(version: u64) -> Content {
    Content {
        version: Version::new(version).unwrap(),
        references: BTreeSet::from([Reference::parse(STABLE).unwrap()]),
        labels: BTreeSet::new(),
        expires: None,
        files: BTreeMap::from([(FilePath::parse("policy.toml").unwrap(), b"default = \"deny\"\n".to_vec())]),
    }
}

fn offer(document: Vec<u8>, key: &PrivateKey) -> Offer {
    let digest = Digest::of(&manifest(Kind::Policy, &document));
    let attachments = vec![bundle(key, &digest)];
    Offer { digest, document: document.into(), attachments }
}

fn check(offer: Offer, key: &PrivateKey) -> Result<Verified, FollowError> {
    let signer = authenticator(key);
    let reference = Reference::parse(STABLE).unwrap();
    let labels = BTreeSet::from([Label::parse("pool=edge").unwrap()]);
    let expected = Expected { kind: Kind::Policy, reference: &reference, labels: &labels, signer: &signer };
    verify(offer, expected, Timestamp::now())
}

fn verified(version: u64) -> Verified {
    verified_with(version, "default = \"deny\"\n")
}

fn verified_with(version: u64, policy: &str) -> Verified {
    let key = signer("p256");
    let mut content = content(version);
    content.files.insert(FilePath::parse("policy.toml").unwrap(), policy.as_bytes().to_vec());
    check(offer(Document::write(Kind::Policy, content).unwrap(), &key), &key).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let mut content = content(7);
    content.labels.insert(Label::parse("example.com/pool=edge").unwrap());
    content.expires = Some("2030-01-01T00:00:00Z".parse().unwrap());
    content.files.insert(FilePath::parse("keys/a.der").unwrap(), vec![0, 255]);
    let written = Document::write(Kind::Policy, content.clone()).unwrap();
    let read = Document::parse(Kind::Policy, &written).unwrap();
    assert_eq!(
        (read.version(), read.labels(), read.expires(), read.files()),
        (content.version, &content.labels, content.expires, &content.files)
    );
    assert!(read.is_for(&Reference::parse(STABLE).unwrap()));
    for other in
        ["r.example/fleet/policy:canary", "r.example/fleet/other:stable", "q.example/fleet/policy:stable"]
    {
        assert!(!read.is_for(&Reference::parse(other).unwrap()), "{other}");
    }
    let by_digest = Reference::parse(STABLE).unwrap().with_digest(&Digest::of(b""));
    assert!(!read.is_for(&by_digest));
    // The same reference with the default port.
    assert!(read.is_for(&Reference::parse("r.example:443/fleet/policy:stable").unwrap()));
}

#[test]
fn a_document_that_is_not_exactly_one_is_refused() {
    let file = json!({ "path": "policy.toml", "text": "" });
    let good = json!({ "kind": "policy", "version": 1, "for": [STABLE], "files": [file] });
    Document::parse(Kind::Policy, good.to_string().as_bytes()).unwrap();
    let many = |one: Value, count: usize| Value::Array(vec![one; count]);
    let named = |count: usize| {
        (0..count).map(|at| json!({ "path": format!("{at}.toml"), "text": "" })).collect::<Vec<_>>()
    };
    for (field, value, expected) in [
        ("kind", json!("deny-list"), "document is a deny list, not a policy"),
        ("kind", json!("x"), "no valid `kind`"),
        ("version", json!(0), "`version`"),
        ("version", json!(-1), "`version`"),
        ("version", json!(1.0), "`version`"),
        ("version", json!("1"), "`version`"),
        ("version", json!(1_u64 << 53), "`version`"),
        ("version", json!(u64::MAX), "`version`"),
        ("for", json!([]), "or none"),
        ("for", many(json!(STABLE), 33), "more than 32 references"),
        ("for", json!(["r.example/fleet/policy"]), "is not a reference with a tag"),
        ("for", json!([format!("r.example/p@{}", Digest::of(b""))]), "is not a reference with a tag"),
        ("for", json!(["UPPER CASE"]), "is not a reference with a tag"),
        ("for", json!([1]), "no valid `for`"),
        ("labels", json!(["x"]), "is not a label"),
        ("labels", json!(["=x"]), "is not a label"),
        ("labels", many(json!("a=b"), 17), "more than 16 labels"),
        ("expires", json!("tomorrow"), "no valid `expires`"),
        ("expires", json!(1), "no valid `expires`"),
        ("files", json!([]), "or none"),
        ("files", Value::Array(named(1101)), "more than 1100 files"),
        ("files", json!([file, file]), "has two files"),
        ("files", json!([{ "path": "a", "text": "" }, { "path": "a/b", "text": "" }]), "has two files"),
        ("files", json!([{ "path": "a", "text": "", "base64": "" }]), "neither text nor base64"),
        ("files", json!([{ "path": "a" }]), "neither text nor base64"),
        ("files", json!([{ "path": "a", "base64": "*" }]), "neither text nor base64"),
        ("files", json!([{ "path": "a", "text": "", "mode": 1 }]), "unknown field"),
        ("files", json!("x"), "no valid `files`"),
        ("more", json!(1), "unknown field"),
    ] {
        let mut document = good.clone();
        document[field] = value.clone();
        let error = Document::parse(Kind::Policy, document.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{field} {value}: {error}");
    }
    for path in ["/etc/passwd", "../x", "a/../b", ".hidden", "a//b", "a/", "", "a b", "ü", "a\u{0}"] {
        let mut document = good.clone();
        document["files"] = json!([{ "path": path, "text": "" }]);
        let error = Document::parse(Kind::Policy, document.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains("plain relative path"), "{path}: {error}");
    }
    for (text, expected) in [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("{\"kind\":\"policy\",\"kind\":\"policy\"}", "duplicate key"),
        ("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}", "nested too deeply"),
    ] {
        let error = Document::parse(Kind::Policy, text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    let large = vec![b' '; MAX_DOCUMENT_BYTES + 1];
    assert_eq!(Document::parse(Kind::Policy, &large), Err(DocumentError::TooLarge));
    let mut two = content(1);
    assert_eq!(Document::write(Kind::DenyList, two.clone()), Err(DocumentError::NotADenyList));
    two.files = BTreeMap::from([(FilePath::deny_list(), b"[deny]".to_vec())]);
    let deny = Document::write(Kind::DenyList, two).unwrap();
    assert_eq!(Document::parse(Kind::DenyList, &deny).unwrap().deny_list(), Some("[deny]"));
}

#[test]
fn only_what_the_signer_signed_for_this_node_is_verified() {
    let (own, other) = (signer("p256"), signer("p384"));
    let document = |change: &dyn Fn(&mut Content)| {
        let mut content = content(1);
        change(&mut content);
        Document::write(Kind::Policy, content).unwrap()
    };
    let plain = || document(&|_| {});
    let good = check(offer(plain(), &own), &own).unwrap();
    assert_eq!(good.signer(), own.public().fingerprint());
    assert_eq!((good.document().version().number(), good.kind()), (1, Kind::Policy));
    let labelled = |label: &'static str| {
        document(&move |content| {
            content.labels.insert(Label::parse(label).unwrap());
        })
    };
    let _ = check(offer(labelled("pool=edge"), &own), &own).unwrap();
    let elsewhere = document(&|content| {
        content.references = BTreeSet::from([Reference::parse("r.example/fleet/policy:canary").unwrap()]);
    });
    let digest_of = |document: &[u8]| Digest::of(&manifest(Kind::Policy, document));
    let swapped = Offer { attachments: vec![bundle(&own, &Digest::of(b"x"))], ..offer(plain(), &own) };
    let classic = Attachment::SimpleSigning {
        place: String::new(),
        payload: Bytes::new(),
        signature: String::new(),
        certificate: None,
    };
    let as_deny_list = Digest::of(&manifest(Kind::DenyList, &plain()));
    for (name, offer, expected) in [
        ("of another signer", offer(plain(), &other), "none of them by the signer"),
        ("signature of another artifact", swapped, "none of them by the signer"),
        ("unsigned", Offer { attachments: Vec::new(), ..offer(plain(), &own) }, "no signature"),
        ("classic", Offer { attachments: vec![classic], ..offer(plain(), &own) }, "no signature"),
        (
            "document exchanged",
            Offer { digest: digest_of(&plain()), ..offer(elsewhere.clone(), &own) },
            "its manifest is not that of its document",
        ),
        (
            "half a document",
            Offer { document: plain()[..40].to_vec().into(), ..offer(plain(), &own) },
            "its manifest is not that of its document",
        ),
        (
            "another kind",
            Offer {
                digest: as_deny_list.clone(),
                attachments: vec![bundle(&own, &as_deny_list)],
                document: plain().into(),
            },
            "its manifest is not that of its document",
        ),
        (
            "another reference",
            offer(elsewhere, &own),
            "it is for other references than r.example/fleet/policy:stable",
        ),
        ("another label", offer(labelled("pool=core"), &own), "other labels"),
        ("signed nonsense", offer(b"{}".to_vec(), &own), "no valid `kind`"),
    ] {
        let error = check(offer, &own).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[test]
fn nothing_older_is_accepted_and_nothing_else_of_the_same_version() {
    let (accepted, highest) = Highest::accept(None, verified(5)).unwrap();
    assert_eq!((accepted.verified().document().version().number(), highest.version().number()), (5, 5));
    let again = Highest::accept(Some(&highest), verified(5)).unwrap();
    assert_eq!(again.1, highest);
    let rollback = Highest::accept(Some(&highest), verified(4)).unwrap_err();
    assert_eq!(rollback.to_string(), "its version 4 is lower than 5, which was seen before");
    let conflict = Highest::accept(Some(&highest), verified_with(5, "default = \"deny\" #\n")).unwrap_err();
    assert_eq!(conflict.to_string(), "its version 5 was seen before with another content");
    let (_, higher) = Highest::accept(Some(&highest), verified(Version::MAX)).unwrap();
    assert_eq!(higher.version().number(), Version::MAX);
    for version in [1, 5, 6, Version::MAX - 1] {
        assert!(
            matches!(Highest::accept(Some(&higher), verified(version)), Err(FollowError::Rollback { .. })),
            "{version}"
        );
    }
    assert_eq!((Version::new(0), Version::new(Version::MAX + 1)), (None, None));
    let stored = Highest::stored(highest.version(), highest.digest().clone());
    assert_eq!(stored, highest);
}
