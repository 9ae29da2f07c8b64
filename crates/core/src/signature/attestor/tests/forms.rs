//! The forms in which an attestation is written.

use super::*;

#[test]
fn an_occurrence_and_an_envelope_are_read_in_every_form() {
    let key = p256();
    let set = attestor(&[&key], &[]);
    let (payload, id) = (good(), key.public().fingerprint().to_owned());
    let encoded = |kind: &str| key.sign(&pre_authentication_encoding(kind, payload.as_bytes())).unwrap();
    let plain = signed(&key, &payload);
    let envelope = |kind: &str, signature: &[u8]| {
        json!({
            "payloadType": kind,
            "payload": STANDARD.encode(&payload),
            "signatures": [{ "keyid": "x", "sig": STANDARD.encode(signature) }],
        })
    };
    let good = envelope(ENVELOPE_PAYLOAD_TYPE, &encoded(ENVELOPE_PAYLOAD_TYPE));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = plain.clone();
        change(&mut document["attestation"]);
        document
    };
    let url_safe = URL_SAFE.encode(key.sign(payload.as_bytes()).unwrap());
    let beta = |kind: &str| {
        let mut generic = plain["attestation"].clone();
        generic["contentType"] = json!(kind);
        json!({ "resource": {}, "attestation": { "attestation": { "genericSignedAttestation": generic } } })
    };
    for (name, document, expected) in [
        ("v1", plain.clone(), id.as_str()),
        ("v1beta1", beta("SIMPLE_SIGNING_JSON"), &id),
        ("v1beta1, another content", beta("CONTENT_TYPE_UNSPECIFIED"), "ContentType"),
        ("encoded for DSSE", occurrence(&payload, &encoded(ENVELOPE_PAYLOAD_TYPE)), &id),
        (
            "encoded with another type",
            occurrence(&payload, &encoded("application/vnd.in-toto+json")),
            "Untrusted",
        ),
        ("an envelope", good.clone(), &id),
        ("an envelope in an occurrence", json!({ "dsseAttestation": { "envelope": good } }), &id),
        (
            "an envelope with a statement",
            envelope("application/vnd.in-toto+json", &encoded("application/vnd.in-toto+json")),
            "WrongType",
        ),
        (
            "an envelope with another type signed",
            envelope(ENVELOPE_PAYLOAD_TYPE, &encoded("application/vnd.in-toto+json")),
            "Untrusted",
        ),
        (
            "an envelope with the payload signed",
            envelope(ENVELOPE_PAYLOAD_TYPE, &key.sign(payload.as_bytes()).unwrap()),
            "Untrusted",
        ),
        ("the URL-safe alphabet", with(&|it| it["signatures"][0]["signature"] = json!(url_safe)), &id),
        ("no payload", with(&|it| it["serializedPayload"] = Value::Null), "NoPayload"),
        ("an empty payload", with(&|it| it["serializedPayload"] = json!("")), "NoPayload"),
        ("no padding", with(&|it| it["serializedPayload"] = json!("YQ")), "Base64"),
        ("a line break", with(&|it| it["serializedPayload"] = json!("YWFh\n")), "Base64"),
        ("no signature", with(&|it| it["signatures"] = json!([])), "NoSignature"),
        ("no list", with(&|it| it["signatures"] = json!("x")), "Malformed"),
        ("an empty signature", with(&|it| it["signatures"][0]["signature"] = json!("")), "Untrusted"),
        ("tokens", json!({ "attestation": { "jwts": [{ "compactJwt": "a.b.c" }] } }), "Tokens"),
        ("something else", json!({ "vulnerability": {} }), "Malformed"),
        ("a list", json!([plain]), "Malformed"),
    ] {
        assert_eq!(outcome(document.to_string(), &set), expected, "{name}");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(MAX_GRAFEAS_BYTES));
    assert_eq!(outcome(large, &set), "TooLarge");
    let twice = plain.to_string().replacen('{', "{\"attestation\":{},", 1);
    assert_eq!(outcome(twice, &set), "Malformed");
}

#[test]
fn envelopes_are_told_apart_by_their_payload_type() {
    for (document, expected) in [
        (json!({ "payloadType": ENVELOPE_PAYLOAD_TYPE, "payload": "x" }), true),
        (json!({ "payloadType": "application/vnd.in-toto+json" }), false),
        (json!({ "payloadType": 1 }), false),
        (json!([]), false),
    ] {
        assert_eq!(is_envelope(document.to_string().as_bytes()), expected, "{document}");
    }
    assert!(!is_envelope(b"x"));
}
