//! Malleable signatures: other encodings of a valid signature.

use super::*;

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// DER of two numbers in their shortest form.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len() - 1);
        let number = &number[zeros..];
        let padding = usize::from(number[0] >= 0x80);
        body.extend([0x02, u8::try_from(number.len() + padding).unwrap()]);
        body.extend(std::iter::repeat_n(0, padding));
        body.extend(number);
    }
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}

/// r and s of a P-256 signature.
fn numbers(signature: &[u8]) -> ([u8; 32], [u8; 32]) {
    let signature = p256::ecdsa::Signature::from_der(signature).unwrap();
    let (r, s) = signature.split_bytes();
    (r.into(), s.into())
}

/// ORDER - s
fn negated(s: [u8; 32]) -> [u8; 32] {
    let mut difference = [0; 32];
    let mut borrow = 0;
    for index in (0..32).rev() {
        let value = i32::from(ORDER[index]) - i32::from(s[index]) - borrow;
        borrow = i32::from(value < 0);
        difference[index] = u8::try_from(value.rem_euclid(256)).unwrap();
    }
    difference
}

#[test]
fn ecdsa_is_der_of_two_numbers_in_range() {
    let key = public(fixture!("throw-away-p256.pub.pem"), Algorithm::EcdsaSha256);
    let good = by_openssl("p256");
    let (r, s) = numbers(&good);
    let (one, zero) = ([1], [0]);
    let mut trailing = good.clone();
    trailing.push(0);
    let mut inner_trailing = good.clone();
    inner_trailing[1] += 2;
    inner_trailing.extend([0x05, 0x00]);
    let long_length = [vec![0x30, 0x81, good[1]], good[2..].to_vec()].concat();
    let indefinite = [vec![0x30, 0x80], good[2..].to_vec(), vec![0, 0]].concat();
    let padded = {
        let mut body = good[2..].to_vec();
        body[1] += 1;
        body.insert(2, 0);
        [vec![0x30, good[1] + 1], body].concat()
    };
    for (signature, verified, what) in [
        (good.clone(), true, "as OpenSSL made it"),
        (der(&r, &s), true, "as this test encodes it"),
        // Both forms of s are in use.
        (der(&r, &negated(s)), true, "with the other s"),
        ([r, s].concat(), false, "raw r and s"),
        (trailing, false, "with a byte behind"),
        (inner_trailing, false, "with a third element"),
        (long_length, false, "with a length in two bytes"),
        (indefinite, false, "with an indefinite length"),
        (padded, false, "with r padded by zero"),
        (der(&zero, &s), false, "r = 0"),
        (der(&r, &zero), false, "s = 0"),
        (der(&zero, &zero), false, "r = s = 0"),
        (der(&one, &one), false, "r = s = 1"),
        (der(&ORDER, &ORDER), false, "r = s = the order"),
        (der(&r, &ORDER), false, "s = the order"),
        (good[..good.len() - 1].to_vec(), false, "cut off"),
        (Vec::new(), false, "empty"),
        (vec![0; MAX_SIGNATURE_BYTES], false, "zeros"),
    ] {
        assert_eq!(key.verify(MESSAGE, &signature).is_ok(), verified, "{what}");
    }
    assert_eq!(
        key.verify(MESSAGE, &vec![0; MAX_SIGNATURE_BYTES + 1]),
        Err(TrustError::TooLong { found: MAX_SIGNATURE_BYTES + 1 })
    );
}

#[test]
fn rsa_is_as_long_as_the_modulus() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_rsa()) {
        let name = made_for(algorithm);
        let key = public(fixture!("throw-away-rsa-2048.pub.pem"), algorithm);
        let good = by_openssl(name);
        for (signature, form) in [
            ([&[0], good.as_slice()].concat(), true),
            ([good.as_slice(), &[0]].concat(), true),
            (good[1..].to_vec(), true),
            (Vec::new(), true),
            (vec![0; 256], false),
            (vec![0xff; 256], false),
        ] {
            let error = key.verify(MESSAGE, &signature).unwrap_err();
            assert_eq!(matches!(error, TrustError::Form { .. }), form, "{algorithm} {error:?}");
        }
    }
}

#[test]
fn ed25519_refuses_other_encodings() {
    let key = public(fixture!("throw-away-ed25519.pub.pem"), Algorithm::Ed25519);
    let good = by_openssl("ed25519");
    // s plus the order of the group: the same number to a verifier that reduces it.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut high = good.clone();
    let mut carry = 0;
    for (byte, add) in high[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    let small_order = [&[1], [0; 31].as_slice(), &[0; 32]].concat();
    for signature in [high, small_order, vec![0; 64], good[..63].to_vec(), [good.as_slice(), &[0]].concat()] {
        assert!(key.verify(MESSAGE, &signature).is_err());
    }
    assert!(key.verify(MESSAGE, &good).is_ok());
}
