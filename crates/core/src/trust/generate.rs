//! New private keys in PKCS#8, from the random numbers of the operating system.

use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use zeroize::Zeroizing;

use super::rsa;

/// A new RSA key with a modulus of `bits` bits.
pub fn rsa(bits: usize) -> Option<Zeroizing<Vec<u8>>> {
    rsa::generate(bits)
}

/// A new key on P-256.
pub fn p256() -> Option<Zeroizing<Vec<u8>>> {
    // A number from the order of the curve on is not a key: fewer than one in 2^32.
    (0..4).find_map(|_| {
        let secret = p256::SecretKey::from_slice(&*rsa::random::<32>()?).ok()?;
        Some(Zeroizing::new(secret.to_pkcs8_der().ok()?.as_bytes().to_vec()))
    })
}

/// A new key on P-384.
pub fn p384() -> Option<Zeroizing<Vec<u8>>> {
    (0..4).find_map(|_| {
        let secret = p384::SecretKey::from_slice(&*rsa::random::<48>()?).ok()?;
        Some(Zeroizing::new(secret.to_pkcs8_der().ok()?.as_bytes().to_vec()))
    })
}

/// A new key on P-521.
pub fn p521() -> Option<Zeroizing<Vec<u8>>> {
    // 521 bits; the other seven of 66 bytes are zero.
    let mut bytes = rsa::random::<66>()?;
    if let Some(first) = bytes.first_mut() {
        *first &= 1;
    }
    let secret = p521::SecretKey::from_slice(&*bytes).ok()?;
    Some(Zeroizing::new(secret.to_pkcs8_der().ok()?.as_bytes().to_vec()))
}

/// A new Ed25519 key.
pub fn ed25519() -> Option<Zeroizing<Vec<u8>>> {
    let key = ed25519_dalek::SigningKey::from_bytes(&*rsa::random::<32>()?);
    // Without the public key (RFC 8410 section 7): OpenSSL does not read version 2 of the format.
    let secret = ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    Some(Zeroizing::new(secret.to_pkcs8_der().ok()?.as_bytes().to_vec()))
}
