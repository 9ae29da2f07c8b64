use std::fs;

use super::*;

/// A real token over `notation`, of 2024, and its root.
fn old() -> (Vec<u8>, Store) {
    let upstream = |path: &str| {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/notation/upstream/");
        fs::read(format!("{fixtures}{path}")).unwrap()
    };
    let mut roots = Store::default();
    roots.add(&upstream("tspclient-go/testdata/GlobalSignRootCA.crt")).unwrap();
    (upstream("tspclient-go/testdata/TimeStampToken.p7s"), roots)
}

fn response(status: u8, token: &[u8]) -> Vec<u8> {
    let status = encoded_sequence(&[status.to_der().unwrap()]).unwrap();
    encoded_sequence(&[status, token.to_vec()]).unwrap()
}

#[test]
fn the_request_is_the_one_of_rfc_3161() {
    let hashed = HashFunction::Sha256.digest(b"signature");
    let mut expected =
        b"\x30\x4b\x02\x01\x01\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
            .to_vec();
    expected.extend(&hashed);
    // A leading byte, because an INTEGER with the high bit set would be negative.
    expected
        .extend(b"\x02\x11\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\xff");
    expected[1] = u8::try_from(expected.len() - 2).unwrap();
    let request = TimestampRequest::new(HashFunction::Sha256, b"signature", [0xff; NONCE_BYTES]);
    assert_eq!(request.der().unwrap(), expected);
}

#[test]
fn an_answer_must_be_granted_and_one_to_this_request() {
    let (token, roots) = old();
    let request = |message: &[u8], hash| TimestampRequest::new(hash, message, [7; NONCE_BYTES]);
    let good = request(b"notation", HashFunction::Sha256);
    let check = |request: &TimestampRequest, answer: &[u8], roots: &Store| {
        request.check(answer, roots, Timestamp::UNIX_EPOCH).unwrap_err()
    };
    // It is a good token, and not an answer to this nonce.
    assert_eq!(check(&good, &response(0, &token), &roots), StampError::OtherNonce);
    assert_eq!(check(&good, &response(1, &token), &roots), StampError::OtherNonce);
    for status in 2..=6 {
        assert_eq!(check(&good, &response(status, &token), &roots), StampError::Refused { status });
    }
    let other = request(b"notatiom", HashFunction::Sha256);
    let invalid = |error| StampError::Invalid(error);
    assert_eq!(check(&other, &response(0, &token), &roots), invalid(TimestampError::OtherMessage));
    let longer = request(b"notation", HashFunction::Sha512);
    assert_eq!(check(&longer, &response(0, &token), &roots), StampError::OtherHash);
    let untrusted = check(&good, &response(0, &token), &Store::default());
    assert_eq!(untrusted, StampError::Untrusted);
    for malformed in [&b""[..], b"\x30\x00", b"<html>", &token] {
        assert_eq!(check(&good, malformed, &roots), invalid(TimestampError::Malformed), "{malformed:?}");
    }
    assert_eq!(check(&good, &response(0, b""), &roots), invalid(TimestampError::Malformed));
}
