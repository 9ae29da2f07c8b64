//! Envelopes that notation does not make: each is signed well, and says something that must not count.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use coset::cbor::Value as Cbor;
use coset::{
    CborSerializable as _, CoseSign1Builder, HeaderBuilder, Label, TaggedCborSerializable as _, iana,
};
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use super::*;
use crate::trust::{Algorithm, PrivateKey, PssSalt};

pub(super) const NOW: &str = "2026-12-01T00:00:00Z";
const SCHEME: &str = "io.cncf.notary.signingScheme";
const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
const AUTHENTIC: &str = "io.cncf.notary.authenticSigningTime";
const EXPIRY: &str = "io.cncf.notary.expiry";
const PLUGIN: &str = "io.cncf.notary.verificationPlugin";
const TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";

/// A signer with a self-signed certificate that is trusted under both schemes.
pub(super) struct Author {
    pub(super) key: PrivateKey,
    pub(super) certificate: Vec<u8>,
    pub(super) trust: NotationSet,
}

impl Author {
    pub(super) fn new() -> Self {
        Self::named("signer")
    }

    fn named(name: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&pair).unwrap().der().to_vec();
        let mut store = Store::default();
        store.add(&certificate).unwrap();
        let key = PrivateKey::from_pem(&pair.serialize_pem(), Algorithm::EcdsaSha256, PssSalt::default());
        let trust = NotationSet { signing_authority: store.clone(), ..trust(store) };
        Self { key: key.unwrap(), certificate, trust }
    }

    /// r and s side by side.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let der = self.key.sign(message).unwrap();
        p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes().to_vec()
    }

    fn jws(&self, protected: &Value, payload: &str) -> Value {
        self.jws_of(&protected.to_string(), payload)
    }

    fn jws_of(&self, protected: &str, payload: &str) -> Value {
        let (protected, payload) = (URL_SAFE_NO_PAD.encode(protected), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(format!("{protected}.{payload}").as_bytes()));
        json!({
            "payload": payload,
            "protected": protected,
            "signature": signature,
            "header": { "x5c": [STANDARD.encode(&self.certificate)] },
        })
    }

    fn cose(&self, header: HeaderBuilder, payload: &str, chain: Cbor) -> Vec<u8> {
        let unprotected = HeaderBuilder::new().value(33, chain).build();
        CoseSign1Builder::new()
            .protected(header.build())
            .unprotected(unprotected)
            .payload(payload.as_bytes().to_vec())
            .create_signature(&[], |message| self.sign(message))
            .build()
            .to_tagged_vec()
            .unwrap()
    }

    pub(super) fn judge(&self, envelope: &[u8]) -> String {
        let digest = digest();
        let subject = subject(&digest, "m/t", 7);
        outcome(&verify(envelope, &self.trust, &subject, at(NOW)))
    }
}

/// A quorum of two is not met by one signer who renewed a certificate.
#[test]
fn a_signer_is_a_subject_whatever_its_key() {
    let identity = |name: &str| {
        let (author, digest) = (Author::named(name), digest());
        let envelope = author.jws(&protected(), &payload()).to_string();
        let subject = subject(&digest, "m/t", 7);
        verify(envelope.as_bytes(), &author.trust, &subject, at(NOW)).unwrap().identity().clone()
    };
    let one = identity("the signer");
    assert!(!one.is_key());
    assert_eq!(one.as_str(), "x509.subject: cn=the signer");
    assert_eq!(one, identity("the signer"), "with another key");
    assert_eq!(one, identity("The  Signer"), "the same name (RFC 5280 section 7.1)");
    assert_ne!(one, identity("the signer 2"));
}

#[test]
fn a_signature_names_its_repository_where_the_rule_requires_it() {
    let (author, digest) = (Author::named("signer"), digest());
    let repositories = ["r.example/app".to_owned()];
    let judge = |annotations: &Value, identity| {
        let mut payload: Value = serde_json::from_str(&payload()).unwrap();
        payload["targetArtifact"]["annotations"] = annotations.clone();
        let envelope = author.jws(&protected(), &payload.to_string()).to_string();
        let subject = Subject { repositories: &repositories, identity, ..subject(&digest, "m/t", 7) };
        outcome(&verify(envelope.as_bytes(), &author.trust, &subject, at(NOW)))
    };
    for (annotations, expected) in [
        (json!({ "docker-reference": "r.example/app" }), "ok"),
        (json!({ "docker-reference": "r.example/app:1", "team": "x" }), "ok"),
        (json!({ "docker-reference": "r.example/other" }), "OtherRepository"),
        (json!({ "docker-reference": ["r.example/app"] }), "NoRepository"),
        (json!({}), "NoRepository"),
    ] {
        assert_eq!(judge(&annotations, RepositoryIdentity::Required), expected, "{annotations}");
        assert_eq!(judge(&annotations, RepositoryIdentity::Optional), "ok", "{annotations}");
    }
}

pub(super) fn digest() -> Digest {
    Digest::of(b"the image")
}

fn payload() -> String {
    json!({ "targetArtifact": { "digest": digest().as_str(), "mediaType": "m/t", "size": 7 } }).to_string()
}

fn protected() -> Value {
    json!({
        "alg": "ES256", "cty": TYPE, "crit": [SCHEME],
        SCHEME: "notary.x509", SIGNING_TIME: "2026-11-01T00:00:00Z",
    })
}

/// The protected header with some fields changed; null removes one.
fn with(changes: Value) -> Value {
    let mut header = protected();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
            value => header[name] = value.clone(),
        }
    }
    header
}

#[test]
fn signed_attributes_of_jws_are_strict() {
    let signer = Author::new();
    let authority = |crit: &[&str]| {
        with(json!({
            SCHEME: "notary.x509.signingAuthority", SIGNING_TIME: null, AUTHENTIC: "2026-11-01T00:00:00Z", "crit": crit,
        }))
    };
    let expiring = |expiry: &str, crit: &[&str]| with(json!({ EXPIRY: expiry, "crit": crit }));
    for (name, header, expected) in [
        ("the usual", protected(), "ok"),
        ("an unknown attribute", with(json!({ "x": 1 })), "ok"),
        ("an unknown critical attribute", with(json!({ "x": 1, "crit": [SCHEME, "x"] })), "UnknownCritical"),
        ("a critical attribute that is missing", with(json!({ "crit": [SCHEME, EXPIRY] })), "CriticalList"),
        ("a critical attribute twice", with(json!({ "crit": [SCHEME, SCHEME] })), "CriticalList"),
        ("a critical registered name", with(json!({ "crit": [SCHEME, "alg"] })), "UnknownCritical"),
        ("a critical signing time", with(json!({ "crit": [SCHEME, SIGNING_TIME] })), "UnknownCritical"),
        ("no critical scheme", with(json!({ "crit": [] })), "NotCritical"),
        ("no crit", with(json!({ "crit": null })), "Malformed"),
        ("crit is text", with(json!({ "crit": SCHEME })), "Malformed"),
        ("a critical number", with(json!({ "crit": [SCHEME, 1] })), "Malformed"),
        ("another scheme", with(json!({ SCHEME: "notary.x509.other" })), "Scheme"),
        ("no scheme", with(json!({ SCHEME: null })), "CriticalList"),
        ("no signing time", with(json!({ SIGNING_TIME: null })), "Attribute"),
        ("an invalid time", with(json!({ SIGNING_TIME: "yesterday" })), "Attribute"),
        ("a time that is a number", with(json!({ SIGNING_TIME: 1 })), "Attribute"),
        ("the time of the other scheme", with(json!({ AUTHENTIC: "2026-11-01T00:00:00Z" })), "Forbidden"),
        ("a signing authority", authority(&[SCHEME, AUTHENTIC]), "ok"),
        ("a signing authority whose time is not critical", authority(&[SCHEME]), "NotCritical"),
        ("an expiry", expiring("2027-01-01T00:00:00Z", &[SCHEME, EXPIRY]), "ok"),
        ("an expiry that is not critical", expiring("2027-01-01T00:00:00Z", &[SCHEME]), "NotCritical"),
        ("an expiry now", expiring(NOW, &[SCHEME, EXPIRY]), "Expired"),
        ("an expiry before the signature", expiring("2026-10-01T00:00:00Z", &[SCHEME, EXPIRY]), "Attribute"),
        ("a plug-in", with(json!({ PLUGIN: "com.amazonaws.signer", "crit": [SCHEME, PLUGIN] })), "Plugin"),
        ("a plug-in that is not critical", with(json!({ PLUGIN: "x" })), "Plugin"),
        ("a plug-in without a name", with(json!({ PLUGIN: 1 })), "Attribute"),
        (
            "a version of a plug-in",
            with(json!({ "io.cncf.notary.verificationPluginMinVersion": "1.0.0" })),
            "Attribute",
        ),
        ("the algorithm of another key", with(json!({ "alg": "ES384" })), "Algorithm"),
        ("no signature", with(json!({ "alg": "none" })), "Algorithm"),
        ("a secret key", with(json!({ "alg": "HS256" })), "Algorithm"),
        ("RSA with PKCS #1", with(json!({ "alg": "RS256" })), "Algorithm"),
        ("no algorithm", with(json!({ "alg": null })), "Malformed"),
        ("another content type", with(json!({ "cty": "application/json" })), "WrongType"),
        ("no content type", with(json!({ "cty": null })), "Malformed"),
    ] {
        assert_eq!(signer.judge(signer.jws(&header, &payload()).to_string().as_bytes()), expected, "{name}");
    }
    let twice = format!("{{\"alg\":\"none\",{}", &protected().to_string()[1..]);
    assert_eq!(signer.judge(signer.jws_of(&twice, &payload()).to_string().as_bytes()), "Malformed");
}

#[test]
fn payloads_are_strict() {
    let signer = Author::new();
    let good = digest();
    let target = |target: Value| json!({ "targetArtifact": target }).to_string();
    for (name, payload, expected) in [
        ("the usual", payload(), "ok"),
        (
            "more than the target",
            json!({ "targetArtifact": { "digest": good.as_str(), "mediaType": "m/t", "size": 7 }, "x": 1 })
                .to_string(),
            "ok",
        ),
        ("no target", "{}".to_owned(), "Malformed"),
        ("not JSON", "x".to_owned(), "Malformed"),
        ("nothing", String::new(), "Malformed"),
        ("two targets", format!("{{\"targetArtifact\":{{}},{}", &payload()[1..]), "Malformed"),
        (
            "another digest",
            target(json!({ "digest": Digest::of(b"x").as_str(), "mediaType": "m/t", "size": 7 })),
            "OtherDigest",
        ),
        (
            "an upper-case digest",
            target(json!({ "digest": good.as_str().to_uppercase(), "mediaType": "m/t", "size": 7 })),
            "OtherDigest",
        ),
        (
            "another media type",
            target(json!({ "digest": good.as_str(), "mediaType": "M/T", "size": 7 })),
            "OtherTarget",
        ),
        (
            "another size",
            target(json!({ "digest": good.as_str(), "mediaType": "m/t", "size": 8 })),
            "OtherTarget",
        ),
        (
            "a size that is text",
            target(json!({ "digest": good.as_str(), "mediaType": "m/t", "size": "7" })),
            "OtherTarget",
        ),
        (
            "a size that is negative",
            target(json!({ "digest": good.as_str(), "mediaType": "m/t", "size": -7 })),
            "OtherTarget",
        ),
        ("no size", target(json!({ "digest": good.as_str(), "mediaType": "m/t" })), "Malformed"),
    ] {
        assert_eq!(
            signer.judge(signer.jws(&protected(), &payload).to_string().as_bytes()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn envelopes_of_jws_are_strict() {
    let signer = Author::new();
    let good = signer.jws(&protected(), &payload());
    let own = STANDARD.encode(&signer.certificate);
    let change = |field: &str, value: Value| {
        let mut envelope = good.clone();
        *envelope.pointer_mut(field).unwrap() = value;
        envelope.to_string()
    };
    let signature = good["signature"].as_str().unwrap();
    let der = {
        let text = format!("{}.{}", good["protected"].as_str().unwrap(), good["payload"].as_str().unwrap());
        URL_SAFE_NO_PAD.encode(signer.key.sign(text.as_bytes()).unwrap())
    };
    let other = Author::new();
    for (name, envelope, expected) in [
        ("the usual", good.to_string(), "ok"),
        ("padding", change("/signature", json!(format!("{signature}=="))), "Base64Url"),
        ("white space", change("/signature", json!(format!("{signature}\n"))), "Base64Url"),
        ("a signature in DER", change("/signature", json!(der)), "Signature"),
        ("no signature", change("/signature", json!("")), "Signature"),
        ("zeros", change("/signature", json!(URL_SAFE_NO_PAD.encode([0; 64]))), "Signature"),
        ("no certificate", change("/header/x5c", json!([])), "EmptyChain"),
        ("nine certificates", change("/header/x5c", json!(vec![own.clone(); 9])), "LongChain"),
        (
            "the certificate of another",
            change("/header/x5c", json!([STANDARD.encode(&other.certificate)])),
            "Signature",
        ),
        ("an invalid certificate", change("/header/x5c", json!(["AAAA"])), "Malformed"),
        ("a certificate that is text", change("/header/x5c", json!([1])), "Malformed"),
        ("a certificate in base64url", change("/header/x5c", json!(["-_-_"])), "Base64"),
        ("an array", "[]".to_owned(), "Malformed"),
        ("nothing", String::new(), "Malformed"),
        ("a second document", format!("{good}{{}}"), "Malformed"),
        ("a second payload", format!("{{\"payload\":\"\",{}", &good.to_string()[1..]), "Malformed"),
        ("deep", "[".repeat(100_000), "Malformed"),
        ("too large", " ".repeat(MAX_ENVELOPE_BYTES + 1), "TooLarge"),
    ] {
        assert_eq!(signer.judge(envelope.as_bytes()), expected, "{name}");
    }
    // The same envelope is nothing to somebody who does not trust its certificate.
    assert_eq!(other.judge(good.to_string().as_bytes()), "Untrusted");
}

fn cose_header() -> HeaderBuilder {
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::ES256)
        .content_type(TYPE.to_owned())
        .add_critical_label(coset::RegisteredLabelWithPrivate::Text(SCHEME.to_owned()))
        .text_value(SCHEME.to_owned(), Cbor::from("notary.x509"))
}

fn time(seconds: i64) -> Cbor {
    Cbor::Tag(1, Box::new(Cbor::from(seconds)))
}

#[test]
fn envelopes_of_cose_are_strict() {
    let signer = Author::new();
    let own = || Cbor::Bytes(signer.certificate.clone());
    let chain = || Cbor::Array(vec![own()]);
    let timed = || cose_header().text_value(SIGNING_TIME.to_owned(), time(1_793_491_200));
    let make = |header| signer.cose(header, &payload(), chain());
    let good = make(timed());
    let critical = |name: &str| coset::RegisteredLabelWithPrivate::Text(name.to_owned());
    let unprotected = |label: Label, value: Cbor| {
        let mut message = coset::CoseSign1::from_tagged_slice(&good).unwrap();
        message.unprotected.rest.push((label, value));
        message.to_tagged_vec().unwrap()
    };
    let untagged = coset::CoseSign1::from_tagged_slice(&good).unwrap().to_vec().unwrap();
    let mut detached = coset::CoseSign1::from_tagged_slice(&good).unwrap();
    detached.payload = None;
    for (name, envelope, expected) in [
        ("the usual", good.clone(), "ok"),
        ("without its tag", untagged, "Malformed"),
        ("without its payload", detached.to_tagged_vec().unwrap(), "Attribute"),
        ("bytes behind it", [&good[..], &[0]].concat(), "Cbor"),
        ("cut", good[..good.len() - 1].to_vec(), "Cbor"),
        ("no time", make(cose_header()), "Attribute"),
        (
            "a time without a tag",
            make(cose_header().text_value(SIGNING_TIME.to_owned(), Cbor::from(1))),
            "Attribute",
        ),
        (
            "a time as text",
            make(cose_header().text_value(
                SIGNING_TIME.to_owned(),
                Cbor::Tag(0, Box::new(Cbor::from("2026-11-01T00:00:00Z"))),
            )),
            "Attribute",
        ),
        (
            "a time that is too large",
            make(cose_header().text_value(SIGNING_TIME.to_owned(), time(i64::MAX))),
            "Attribute",
        ),
        (
            "an unknown critical attribute",
            make(timed().add_critical_label(critical("x")).text_value("x".to_owned(), Cbor::from(1))),
            "UnknownCritical",
        ),
        ("a critical number", make(timed().add_critical(iana::HeaderParameter::Kid)), "UnknownCritical"),
        ("an unknown attribute", make(timed().value(1000, Cbor::from(1))), "ok"),
        (
            "a plug-in",
            make(timed().add_critical_label(critical(PLUGIN)).text_value(PLUGIN.to_owned(), Cbor::from("x"))),
            "Plugin",
        ),
        ("another algorithm", make(timed().algorithm(iana::Algorithm::ES384)), "Algorithm"),
        ("another content type", make(timed().content_type("application/json".to_owned())), "WrongType"),
        (
            "a content type that is a number",
            make(timed().content_format(iana::CoapContentFormat::Json)),
            "Attribute",
        ),
        (
            "an algorithm that is not signed",
            {
                let mut message = coset::CoseSign1::from_tagged_slice(&good).unwrap();
                message.unprotected.alg =
                    Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256));
                message.to_tagged_vec().unwrap()
            },
            "Attribute",
        ),
        ("a certificate without an array", signer.cose(timed(), &payload(), own()), "Attribute"),
        (
            "a certificate that is text",
            signer.cose(timed(), &payload(), Cbor::Array(vec![Cbor::from("x")])),
            "Attribute",
        ),
        ("no certificate", signer.cose(timed(), &payload(), Cbor::Array(vec![])), "EmptyChain"),
        ("nine certificates", signer.cose(timed(), &payload(), Cbor::Array(vec![own(); 9])), "LongChain"),
        (
            "a timestamp that is text",
            unprotected(Label::Text("io.cncf.notary.timestampSignature".to_owned()), Cbor::from("x")),
            "Attribute",
        ),
        ("deep", [&[0xd2][..], &vec![0x81; 100_000]].concat(), "Cbor"),
        (
            "many values",
            [&[0xd2, 0x84, 0x40, 0xa0, 0x9a, 0, 1, 0xff, 0][..], &vec![0; 100_000]].concat(),
            "Cbor",
        ),
        ("a length of 2^63", [0xd2, 0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff].to_vec(), "Cbor"),
    ] {
        assert_eq!(signer.judge(&envelope), expected, "{name}");
    }
}

#[test]
fn a_revoked_or_changed_time_is_judged_by_the_scheme() {
    // The certificate of a signing authority counts at the time that it states, any other now.
    let signer = Author::new();
    let authority = |time: &str| {
        with(json!({
            SCHEME: "notary.x509.signingAuthority", SIGNING_TIME: null, AUTHENTIC: time, "crit": [SCHEME, AUTHENTIC],
        }))
    };
    for (header, expected) in [
        (authority("1975-01-01T00:00:00Z"), "ok"),
        (authority("1974-12-31T23:59:59Z"), "Outside"),
        (authority("5000-01-01T00:00:00Z"), "Outside"),
    ] {
        assert_eq!(
            signer.judge(signer.jws(&header, &payload()).to_string().as_bytes()),
            expected,
            "{header}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Either the signed parts are untouched, or it is not valid.
    #[test]
    fn a_mutated_envelope_signs_the_same_or_nothing(
        format in prop::sample::select(vec!["jws", "cose"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let manifest = fixture("cli/manifest.json");
        let trust = trust(store(["cli/p256.root.pem"]));
        let mut envelope = fixture(&format!("cli/p256.{format}"));
        for (at, byte) in edits {
            let at = at.index(envelope.len());
            envelope[at] = byte;
        }
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let (digest, other) = (Digest::of(&manifest), Digest::of(b"other"));
        let _ = outcome(&verify(&envelope, &trust, &subject(&digest, media_type, manifest.len()), at(NOW)));
        let other = subject(&other, media_type, manifest.len());
        prop_assert!(verify(&envelope, &trust, &other, at(NOW)).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_envelope(bytes in prop::collection::vec(any::<u8>(), 0..300), tagged: bool) {
        let signer = Author::new();
        let envelope = if tagged { [&[0xd2, 0x84][..], &bytes].concat() } else { bytes };
        prop_assert_ne!(signer.judge(&envelope), "ok");
    }

    /// The trusted signer signs nonsense, so that the parsers behind its signature are reached.
    #[test]
    fn signed_nonsense_does_not_panic(header in "\\PC{0,80}", payload in "\\PC{0,80}") {
        let signer = Author::new();
        prop_assert_ne!(signer.judge(signer.jws_of(&header, &payload).to_string().as_bytes()), "ok");
        prop_assert_ne!(signer.judge(signer.jws(&protected(), &payload).to_string().as_bytes()), "ok");
    }
}
