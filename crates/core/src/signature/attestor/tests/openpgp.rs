//! Attestations by OpenPGP keys: attached and detached signatures of the real gpg.

use super::*;

/// An occurrence of v1 with this signature, and this payload beside it.
pub(super) fn occurrence_of(signature: &[u8], payload: Option<&[u8]>) -> Value {
    let signatures = json!([{ "signature": STANDARD.encode(signature) }]);
    json!({ "attestation": { "signatures": signatures, "serializedPayload": payload.map(|it| STANDARD.encode(it)) } })
}

fn beta(signature: &str) -> Value {
    let signed = json!({ "contentType": "SIMPLE_SIGNING_JSON", "pgpKeyId": "x", "signature": signature });
    json!({ "attestation": { "attestation": { "pgpSignedAttestation": signed } } })
}

fn armored(kind: &str, bytes: &[u8]) -> Vec<u8> {
    format!("-----BEGIN PGP {kind}-----\n\n{}\n-----END PGP {kind}-----\n", STANDARD.encode(bytes)).into()
}

#[test]
fn attached_and_detached_signatures_of_gpg_count() {
    let set = attestor(&[], &["ed25519"]);
    let identity = read_keyring(&gpg("ed25519.keyring.gpg")).unwrap()[0].fingerprint().to_string();
    let identity = format!("openpgp4fpr:{identity}");
    let payload = gpg("payload.json");
    let message = gpg("armored.signature");
    let text = String::from_utf8(message.clone()).unwrap();
    let (binary, detached) = (gpg("ed25519.signature"), gpg("detached.signature"));
    // A second literal packet behind the message, which nobody signed.
    let rest: &[u8] = &[0xcb, 0x07, b'b', 0, 0, 0, 0, 0, b'x'];
    let tail = [&gpg("uncompressed.signature"), rest].concat();
    let behind_compressed = [&binary, rest].concat();
    for (name, document, expected) in [
        ("armored", occurrence_of(&message, None), identity.as_str()),
        ("with its payload", occurrence_of(&message, Some(&payload)), &identity),
        ("binary", occurrence_of(&binary, None), &identity),
        ("v1beta1", beta(&text), &identity),
        ("v1beta1 of kritis", beta(&STANDARD.encode(&text)), &identity),
        ("detached", occurrence_of(&detached, Some(&payload)), &identity),
        ("detached and armored", occurrence_of(&armored("SIGNATURE", &detached), Some(&payload)), &identity),
        ("with another payload", occurrence_of(&message, Some(good().as_bytes())), "OtherPayload"),
        ("detached, with another payload", occurrence_of(&detached, Some(good().as_bytes())), "Untrusted"),
        ("detached, without a payload", occurrence_of(&detached, None), "NoPayload"),
        ("a tail", occurrence_of(&tail, None), "Form"),
        ("a tail of compressed data", occurrence_of(&behind_compressed, None), "Compression"),
        ("a tail in the armor", occurrence_of(&armored("MESSAGE", &tail), None), "Form"),
        (
            "a tail of the detached",
            occurrence_of(&[&detached[..], &detached[..]].concat(), Some(&payload)),
            "Form",
        ),
        ("two armors", occurrence_of(&[&message[..], &message[..]].concat(), None), "Malformed"),
        ("text around", occurrence_of(format!("x\n{text}").as_bytes(), None), "Malformed"),
        ("text behind", occurrence_of(format!("{text}x").as_bytes(), None), "Malformed"),
        ("clear text", occurrence_of(&gpg("cleartext.signature"), None), "Malformed"),
        ("encrypted", occurrence_of(&gpg("symmetric.signature"), None), "Form"),
        ("not signed", occurrence_of(&gpg("unsigned.signature"), None), "Form"),
        ("another key", occurrence_of(&gpg("nistp256.signature"), None), "UnknownKey"),
        ("in the future", occurrence_of(&gpg("future.signature"), None), "Future"),
        ("an armor of keys", occurrence_of(&gpg("ed25519.keyring.asc"), None), "Malformed"),
    ] {
        assert_eq!(outcome(document.to_string(), &set), expected, "{name}");
    }
}

#[test]
fn an_attestor_of_other_keys_accepts_no_message() {
    let key = p256();
    let both = attestor(&[&key], &["nistp256"]);
    let document = |signature: &[u8]| occurrence_of(signature, Some(&gpg("payload.json"))).to_string();
    assert_eq!(outcome(document(&gpg("armored.signature")), &attestor(&[&key], &[])), "Untrusted");
    assert_eq!(outcome(document(&gpg("armored.signature")), &both), "UnknownKey");
    let payload = String::from_utf8(gpg("payload.json")).unwrap();
    assert_eq!(outcome(signed(&key, &payload).to_string(), &both), key.public().fingerprint());
    assert_eq!(outcome(signed(&key, &payload).to_string(), &attestor(&[], &["nistp256"])), "Malformed");
    let envelope =
        json!({ "payloadType": ENVELOPE_PAYLOAD_TYPE, "payload": "", "signatures": [{ "sig": "" }] });
    assert_eq!(outcome(envelope.to_string(), &attestor(&[], &["nistp256"])), "OtherKey");
}
