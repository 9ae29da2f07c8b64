//! Simple signing: every payload here has a valid signature, so only its content can be refused.

use super::*;

#[test]
fn a_payload_must_name_this_digest_and_repository() {
    let cosign = "cosign container image signature";
    let upper = DIGEST.to_uppercase().replace("SHA256", "sha256");
    for (reference, digest, kind, expected) in [
        (REPOSITORY, DIGEST, cosign, "ok"),
        (REPOSITORY, DIGEST, "atomic container signature", "ok"),
        // skopeo writes the tag.
        ("registry.example:5000/payments/app:1.0", DIGEST, cosign, "ok"),
        // The policy accepts this name as an alias.
        ("docker.io/library/other", DIGEST, cosign, "ok"),
        (REPOSITORY, OTHER, cosign, "OtherDigest"),
        (REPOSITORY, upper.as_str(), cosign, "OtherDigest"),
        (REPOSITORY, Digest::parse(DIGEST).unwrap().hex(), cosign, "OtherDigest"),
        (REPOSITORY, "", cosign, "OtherDigest"),
        (REPOSITORY, "sha512:00\n\u{1b}[2J", cosign, "OtherDigest"),
        ("registry.example:5000/payments/app2", DIGEST, cosign, "OtherRepository"),
        ("registry.example:5000/payments", DIGEST, cosign, "OtherRepository"),
        ("registry.example/payments/app", DIGEST, cosign, "OtherRepository"),
        ("Registry.example:05000/payments/app", DIGEST, cosign, "ok"),
        ("registry.example:443/payments/app", DIGEST, cosign, "OtherRepository"),
        ("registry.example:5000/payments/app@sha256:00", DIGEST, cosign, "OtherRepository"),
        ("registry.example:5000/payments/app/", DIGEST, cosign, "OtherRepository"),
        // cosign's name for docker.io, and others.
        ("index.docker.io/library/other", DIGEST, cosign, "ok"),
        ("registry-1.docker.io/library/other:1", DIGEST, cosign, "ok"),
        ("docker.io/other", DIGEST, cosign, "ok"),
        ("registry-1.docker.io/other", DIGEST, cosign, "OtherRepository"),
        ("registry-1.docker.io/library/other2", DIGEST, cosign, "OtherRepository"),
        ("other", DIGEST, cosign, "OtherRepository"),
        ("library/other", DIGEST, cosign, "OtherRepository"),
        ("registry.example:5000", DIGEST, cosign, "OtherRepository"),
        ("", DIGEST, cosign, "OtherRepository"),
        (REPOSITORY, DIGEST, "Cosign container image signature", "WrongType"),
        (REPOSITORY, DIGEST, "Google cloud binauthz container signature", "WrongType"),
        (REPOSITORY, DIGEST, "", "WrongType"),
    ] {
        let attachment = Party::release().simple(&claim(reference, digest, kind));
        assert_eq!(outcome(&Party::release().verify(&attachment)), expected, "{reference} {digest} {kind}");
    }
}

#[test]
fn critical_is_exact_and_optional_is_arbitrary() {
    let good = payload();
    let optional = |value: &str| good.replace("\"optional\":null", &format!("\"optional\":{value}"));
    let rename = |from: &str, to: &str| good.replace(&format!("\"{from}\""), &format!("\"{to}\""));
    let deep = |levels: usize| optional(&format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)));
    let critical = good.split_once("\"critical\":").unwrap().1.split_once(",\"optional\"").unwrap().0;
    for (payload, expected) in [
        (good.clone(), "ok"),
        (format!(" {good}\n"), "ok"),
        (optional("{}"), "ok"),
        (optional(r#"{"creator":"skopeo 1.22","timestamp":1,"type":"x","critical":{}}"#), "ok"),
        (good.replace(",\"optional\":null", ""), "ok"),
        (deep(14), "ok"),
        (deep(15), "Malformed"),
        (optional("[]"), "Malformed"),
        (optional("\"x\""), "Malformed"),
        (optional("1"), "Malformed"),
        (optional(r#"{"a":1,"a":1}"#), "Malformed"),
        (rename("critical", "Critical"), "Malformed"),
        (rename("identity", "Identity"), "Malformed"),
        (rename("docker-reference", "Docker-Reference"), "Malformed"),
        (rename("docker-manifest-digest", "digest"), "Malformed"),
        (rename("type", "Type"), "Malformed"),
        (good.replace("\"type\":", "\"more\":1,\"type\":"), "Malformed"),
        (good.replace("{\"docker-reference\":", "{\"more\":1,\"docker-reference\":"), "Malformed"),
        (
            good.replace("{\"docker-manifest-digest\":", "{\"more\":1,\"docker-manifest-digest\":"),
            "Malformed",
        ),
        (good.replace("\"optional\"", "\"more\":1,\"optional\""), "Malformed"),
        // Duplicate keys, in both orders and spelled differently.
        (good.replace("\"optional\":null", &format!("\"critical\":{critical}")), "Malformed"),
        (good.replace("\"optional\":null", &format!("\"\\u0063ritical\":{critical}")), "Malformed"),
        (
            good.replace(
                "\"docker-manifest-digest\"",
                &format!("\"docker-manifest-digest\":\"{OTHER}\",\"docker-manifest-digest\""),
            ),
            "Malformed",
        ),
        (good.replace(&format!("\"{DIGEST}\""), "null"), "Malformed"),
        (good.replace(&format!("\"{DIGEST}\""), &format!("[\"{DIGEST}\"]")), "Malformed"),
        (good.replace(critical, "null"), "Malformed"),
        (good.replace(critical, "[]"), "Malformed"),
        (format!("{good}{good}"), "Malformed"),
        (format!("{good}x"), "Malformed"),
        (format!("[{good}]"), "Malformed"),
        (format!("\u{feff}{good}"), "Malformed"),
        ("{}".to_owned(), "Malformed"),
        ("null".to_owned(), "Malformed"),
        (String::new(), "Malformed"),
    ] {
        let attachment = Party::release().simple(&payload);
        assert_eq!(outcome(&Party::release().verify(&attachment)), expected, "{payload}");
    }
}

#[test]
fn a_payload_is_bounded_and_utf8() {
    let party = Party::release();
    let padded = |length: usize| format!("{}{}", payload(), " ".repeat(length - payload().len()));
    assert_eq!(outcome(&party.verify(&party.simple(&padded(MAX_PAYLOAD_BYTES)))), "ok");
    assert_eq!(outcome(&party.verify(&party.simple(&padded(MAX_PAYLOAD_BYTES + 1)))), "TooLarge");

    let mut bytes = payload().replace("null", "{\"a\":\"_\"}").into_bytes();
    let place = bytes.iter().rposition(|byte| *byte == b'_').unwrap();
    bytes[place] = 0xff;
    let signature = STANDARD.encode(party.key.sign(&bytes).unwrap());
    let attachment = Attachment::SimpleSigning {
        place: String::new(),
        payload: bytes.into(),
        signature,
        certificate: None,
    };
    assert_eq!(outcome(&party.verify(&attachment)), "Malformed");
}

#[test]
fn the_annotation_has_one_encoding() {
    let party = Party::release();
    let Attachment::SimpleSigning { signature: good, .. } = party.simple(&payload()) else {
        panic!("not simple")
    };
    let with = |signature: String| Attachment::SimpleSigning {
        place: String::new(),
        payload: payload().into(),
        signature,
        certificate: None,
    };
    // The last group of a P-256 signature may have padding or not; this makes a signature that has it.
    let ed25519 = Party::untrusted();
    let Attachment::SimpleSigning { signature: padded, .. } = ed25519.simple(&payload()) else {
        panic!("not simple")
    };
    assert!(padded.ends_with("=="));
    let unused_bits = {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = padded.clone().into_bytes();
        let last = bytes.len() - 3;
        let value = alphabet.iter().position(|byte| *byte == bytes[last]).unwrap();
        bytes[last] = alphabet[value | 1];
        String::from_utf8(bytes).unwrap()
    };
    for (party, signature, expected) in [
        (&party, good.clone(), "ok"),
        (&ed25519, padded.clone(), "ok"),
        (&party, format!("{good}\n"), "Base64"),
        (&party, format!(" {good}"), "Base64"),
        (&party, format!("{}\n{}", &good[..64], &good[64..]), "Base64"),
        (&ed25519, padded.trim_end_matches('=').to_owned(), "Base64"),
        (&ed25519, format!("{padded}="), "Base64"),
        (&ed25519, unused_bits, "Base64"),
        (&party, format!("-_{}", &good[2..]), "Base64"),
        (&party, String::new(), "Untrusted"),
        (&party, "AAAA".to_owned(), "Untrusted"),
        (&party, "A".repeat(1368), "Untrusted"),
        (&party, "A".repeat(1372), "TooLarge"),
    ] {
        assert_eq!(outcome(&party.verify(&with(signature.clone()))), expected, "{signature}");
    }
}

#[test]
fn the_signature_covers_the_exact_bytes() {
    let party = Party::release();
    let Attachment::SimpleSigning { place, signature, .. } = party.simple(&payload()) else {
        panic!("not simple")
    };
    let same_meaning = payload().replace("\"optional\":null", "\"optional\": null");
    let attachment =
        Attachment::SimpleSigning { place, payload: same_meaning.into(), signature, certificate: None };
    assert_eq!(outcome(&party.verify(&attachment)), "Untrusted");
}
