//! Sigstore bundles. Unless a row says otherwise, the signature in the bundle is valid.

use super::*;

/// The valid bundle after `change`.
fn bundle_with(change: impl FnOnce(&mut Value)) -> Attachment {
    let mut bundle = Party::release().bundle(&statement().to_string());
    change(&mut bundle);
    document(bundle.to_string())
}

/// A bundle of the valid statement after `change`.
fn statement_with(change: impl FnOnce(&mut Value)) -> Attachment {
    let mut statement = statement();
    change(&mut statement);
    document(Party::release().bundle(&statement.to_string()).to_string())
}

fn check(attachment: &Attachment, expected: &str, what: &str) {
    assert_eq!(outcome(&Party::release().verify(attachment)), expected, "{what}");
}

#[test]
fn a_bundle_needs_only_a_key() {
    check(&bundle_with(|_| {}), "ok", "as it is");
    for (pointer, value, expected) in [
        ("/mediaType", json!("application/vnd.dev.sigstore.bundle+json;version=0.3"), "ok"),
        ("/mediaType", json!("application/vnd.dev.sigstore.bundle+json;version=0.2"), "WrongType"),
        ("/mediaType", json!("application/vnd.dev.sigstore.bundle.v0.3+json; charset=utf-8"), "WrongType"),
        ("/mediaType", json!(3), "Malformed"),
        // Unsigned fields do not choose a key or an algorithm.
        ("/verificationMaterial/publicKey/hint", json!("another"), "ok"),
        ("/verificationMaterial/publicKey/algorithm", json!("none"), "ok"),
        ("/verificationMaterial/publicKey", json!({}), "ok"),
        ("/dsseEnvelope/signatures/0/keyid", json!("another"), "ok"),
        ("/dsseEnvelope/signatures/0/alg", json!("none"), "ok"),
        // A key needs no proof of time, and such a proof is ignored.
        ("/verificationMaterial/tlogEntries", json!([{ "logIndex": "1" }]), "ok"),
        ("/verificationMaterial/timestampVerificationData", json!({ "rfc3161Timestamps": [] }), "ok"),
        ("/verificationMaterial/certificate", json!({ "rawBytes": "AAAA" }), "ByCertificate"),
        ("/verificationMaterial/x509CertificateChain", json!({ "certificates": [] }), "ByCertificate"),
        ("/verificationMaterial/publicKey", json!(null), "Malformed"),
        ("/verificationMaterial", json!({}), "Malformed"),
        ("/verificationMaterial", json!([]), "Malformed"),
        ("/messageSignature", json!({ "signature": "AAAA" }), "Unsupported"),
        ("/dsseEnvelope", json!(null), "Malformed"),
        ("/dsseEnvelope/payloadType", json!("application/json"), "WrongType"),
        ("/dsseEnvelope/payloadType", json!("application/vnd.in-toto+JSON"), "WrongType"),
        ("/dsseEnvelope/payload", json!("e30="), "Untrusted"),
        ("/dsseEnvelope/payload", json!("e30"), "Base64"),
        ("/dsseEnvelope/payload", json!({}), "Malformed"),
        ("/dsseEnvelope/signatures", json!([]), "Count"),
        ("/dsseEnvelope/signatures", json!({}), "Malformed"),
        ("/dsseEnvelope/signatures/0/sig", json!("AAAA\n"), "Base64"),
        ("/dsseEnvelope/signatures/0/sig", json!("AAAA"), "Untrusted"),
        ("/dsseEnvelope/signatures/0/sig", json!("A".repeat(1372)), "TooLarge"),
        ("/dsseEnvelope/signatures/0/sig", json!(null), "Malformed"),
        ("/unknown", json!({ "a": [1] }), "ok"),
    ] {
        let what = format!("{pointer} = {value}");
        let attachment = bundle_with(|bundle| {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            bundle.pointer_mut(parent).unwrap()[field] = value;
        });
        check(&attachment, expected, &what);
    }
}

#[test]
fn an_envelope_has_one_signature() {
    let untrusted = Party::untrusted().bundle(&statement().to_string());
    let foreign = untrusted.pointer("/dsseEnvelope/signatures/0").unwrap();
    let signatures = |bundle: &mut Value| bundle.pointer_mut("/dsseEnvelope/signatures").unwrap().take();
    for foreign_first in [true, false] {
        let attachment = bundle_with(|bundle| {
            let own = signatures(bundle)[0].clone();
            let both = if foreign_first { json!([foreign, own]) } else { json!([own, foreign]) };
            bundle["dsseEnvelope"]["signatures"] = both;
        });
        check(&attachment, "Count", "two signatures");
    }
    check(&document(untrusted.to_string()), "Untrusted", "an untrusted signature only");
}

#[test]
fn a_statement_signs_this_digest_and_attests_nothing() {
    let other = Digest::parse(OTHER).unwrap().hex().to_owned();
    let digest = Digest::parse(DIGEST).unwrap().hex().to_owned();
    let named = |hex: &str| json!({ "digest": { "sha256": hex } });
    let many = |count: usize| {
        let mut subjects = vec![named(&other); count - 1];
        subjects.push(named(&digest));
        json!(subjects)
    };
    for (field, value, expected) in [
        ("predicate", json!({ "anything": [1, 2] }), "ok"),
        ("predicate", json!(null), "ok"),
        ("unknown", json!(1), "ok"),
        ("_type", json!("https://in-toto.io/Statement/v0.1"), "WrongType"),
        ("_type", json!("https://in-toto.io/statement/v1"), "WrongType"),
        ("_type", json!(null), "Malformed"),
        ("predicateType", json!("https://slsa.dev/provenance/v1"), "WrongPredicate"),
        ("predicateType", json!("https://sigstore.dev/cosign/sign/v1/"), "WrongPredicate"),
        ("predicateType", json!("https://cosign.sigstore.dev/attestation/v1\n"), "WrongPredicate"),
        ("predicateType", json!(""), "WrongPredicate"),
        ("predicateType", json!(["https://sigstore.dev/cosign/sign/v1"]), "Malformed"),
        ("subject", json!([named(&other)]), "OtherDigest"),
        ("subject", json!([named(&other), named(&digest)]), "ok"),
        ("subject", json!([named(&digest), named(&other)]), "ok"),
        ("subject", json!([named(&digest.to_uppercase())]), "OtherDigest"),
        ("subject", json!([named(DIGEST)]), "OtherDigest"),
        ("subject", json!([{ "name": DIGEST, "digest": {} }]), "OtherDigest"),
        ("subject", json!([{ "digest": { "sha512": digest.repeat(2) } }]), "OtherDigest"),
        ("subject", json!([{ "digest": { "sha512": digest } }]), "OtherDigest"),
        ("subject", json!([{ "digest": { "SHA256": digest } }]), "OtherDigest"),
        ("subject", json!([{ "digest": { "sha256": digest, "sha512": digest.repeat(2) } }]), "ok"),
        ("subject", json!([{ "digest": { "sha256": [digest] } }]), "Malformed"),
        ("subject", json!([{ "digest": digest }]), "Malformed"),
        ("subject", json!([named(&digest), { "name": "no digest" }]), "Malformed"),
        ("subject", json!(named(&digest)), "Malformed"),
        ("subject", json!([]), "Count"),
        ("subject", many(MAX_SUBJECTS), "ok"),
        ("subject", many(MAX_SUBJECTS + 1), "Count"),
    ] {
        let what = format!("{field} = {value}");
        check(&statement_with(|statement| statement[field] = value), expected, &what);
    }
    for field in ["_type", "predicateType", "subject"] {
        let attachment = statement_with(|statement| {
            statement.as_object_mut().unwrap().remove(field);
        });
        check(&attachment, "Malformed", field);
    }
}

#[test]
fn duplicate_keys_are_refused() {
    let good = statement().to_string();
    let digest = Digest::parse(DIGEST).unwrap().hex().to_owned();
    let twice = [
        good.replace("\"predicate\":", "\"predicateType\":\"https://slsa.dev/provenance/v1\",\"predicate\":"),
        good.replace("\"sha256\":", &format!("\"sha256\":\"{digest}\",\"sha256\":")),
        good.replace("\"predicate\":{}", "\"predicate\":{\"a\":{\"b\":1,\"\\u0062\":1}}"),
        format!("{good}{good}"),
        format!("{good}\0"),
    ];
    for statement in twice {
        assert_ne!(statement, good);
        check(&document(Party::release().bundle(&statement).to_string()), "Malformed", &statement);
    }
    let good = Party::release().bundle(&good).to_string();
    check(&document(good.clone()), "ok", &good);
    for bundle in [
        good.replace("\"payloadType\"", "\"payloadType\":\"application/vnd.in-toto+json\",\"payloadType\""),
        good.replace("\"sig\"", "\"sig\":\"AAAA\",\"sig\""),
        good.replace("\"hint\"", "\"hint\":\"\",\"hint\""),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
    ] {
        assert_ne!(bundle, good);
        check(&document(bundle.clone()), "Malformed", &bundle);
    }
}

#[test]
fn a_bundle_is_bounded() {
    let good = Party::release().bundle(&statement().to_string()).to_string();
    let padded = |length: usize| document(format!("{good}{}", " ".repeat(length - good.len())));
    check(&padded(MAX_BUNDLE_BYTES), "ok", "at the bound");
    check(&padded(MAX_BUNDLE_BYTES + 1), "TooLarge", "over the limit");
    let deep = |levels: usize| format!("{{\"x\":{}{},{}", "[".repeat(levels), "]".repeat(levels), &good[1..]);
    check(&document(deep(31)), "ok", "32 levels");
    check(&document(deep(32)), "Malformed", "33 levels");
}

#[test]
fn the_payload_type_is_signed_too() {
    let party = Party::release();
    let statement = statement().to_string();
    let unframed = STANDARD.encode(party.key.sign(statement.as_bytes()).unwrap());
    let attachment = bundle_with(|bundle| bundle["dsseEnvelope"]["signatures"][0]["sig"] = json!(unframed));
    check(&attachment, "Untrusted", "signed without its encoding");
    // A signature over a payload is not one over an envelope, and vice versa.
    check(&party.simple(&statement), "Malformed", "a statement as a payload");
}
