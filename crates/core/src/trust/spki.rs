//! Makes SubjectPublicKeyInfos from the parts of a key that PKCS #11 tokens and key services return.

use p256::pkcs8::EncodePublicKey as _;

use super::rsa;

/// The curve P-256 as a DER object identifier, 1.2.840.10045.3.1.7.
pub const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// The curve P-384 as a DER object identifier, 1.3.132.0.34.
pub const P384: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// The curve P-521 as a DER object identifier, 1.3.132.0.35.
pub const P521: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
/// The curve of Ed25519 as a name, a PrintableString (PKCS #11 v3.0 section 2.3.10).
pub const EDWARDS_NAME: [u8; 14] = *b"\x13\x0cedwards25519";
/// The curve of Ed25519 as a DER object identifier, 1.3.101.112.
const EDWARDS: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];
/// The bytes before the 32 bytes of an Ed25519 key (RFC 8410 section 4).
const EDWARDS_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An RSA key with this modulus and exponent, both big-endian.
pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    rsa::public_der_of(modulus, exponent)
}

/// A point on the curve in `parameters`.
pub fn ecdsa(parameters: &[u8], point: &[u8]) -> Option<Vec<u8>> {
    if parameters == P256 {
        return Some(p256::PublicKey::from_sec1_bytes(point).ok()?.to_public_key_der().ok()?.into_vec());
    }
    if parameters == P384 {
        return Some(p384::PublicKey::from_sec1_bytes(point).ok()?.to_public_key_der().ok()?.into_vec());
    }
    if parameters == P521 {
        return Some(p521::PublicKey::from_sec1_bytes(point).ok()?.to_public_key_der().ok()?.into_vec());
    }
    if parameters == EDWARDS_NAME || parameters == EDWARDS {
        return ed25519(point);
    }
    None
}

/// An Ed25519 key of 32 bytes.
pub fn ed25519(point: &[u8]) -> Option<Vec<u8>> {
    (point.len() == 32).then(|| [&EDWARDS_PREFIX[..], point].concat())
}
