//! RSA behind a byte interface. `ring` signs and verifies, several times faster; the `rsa` crate, which blinds, is for the
//! few keys and salts that `ring` does not support.

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaParameters, RsaPublicKeyComponents,
};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::sha2::digest::common::getrandom::SysRng;
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, PrivateKey as RsaPrivateKey, Pss, PublicKey as RsaPublicKey, pkcs1, pkcs8};

use zeroize::Zeroizing;

use super::PssSalt;
use super::hash::HashFunction;
use super::key_error::{KeyError, MAX_BITS, MIN_BITS};

/// The same expression with each hash as a type.
macro_rules! with_hash {
    ($hash:expr, $Hash:ident => $expression:expr) => {
        match $hash {
            HashFunction::Sha256 => {
                type $Hash = Sha256;
                $expression
            }
            HashFunction::Sha384 => {
                type $Hash = Sha384;
                $expression
            }
            HashFunction::Sha512 => {
                type $Hash = Sha512;
                $expression
            }
        }
    };
}

#[derive(Clone)]
pub(super) enum Public {
    /// PKCS #1 v1.5, or PSS with a salt of the length of the hash.
    Usual(RsaPublicKey, &'static RsaParameters),
    /// PSS with any other salt, of this many bytes.
    Pss(RsaPublicKey, HashFunction, usize),
}

impl Public {
    /// A key for RSASSA-PSS; `salt` must fit the modulus.
    pub(super) fn pss(der: &[u8], hash: HashFunction, salt: PssSalt) -> Result<Self, KeyError> {
        let key = read(der)?;
        let salt = salt_bytes(&key, hash, salt)?;
        if salt != usize::from(hash.bytes()) {
            return Ok(Self::Pss(key, hash, salt));
        }
        let parameters = match hash {
            HashFunction::Sha256 => &RSA_PSS_2048_8192_SHA256,
            HashFunction::Sha384 => &RSA_PSS_2048_8192_SHA384,
            HashFunction::Sha512 => &RSA_PSS_2048_8192_SHA512,
        };
        Ok(Self::Usual(key, parameters))
    }

    /// A key for RSASSA-PKCS1-v1_5.
    pub(super) fn pkcs1(der: &[u8], hash: HashFunction) -> Result<Self, KeyError> {
        let parameters = match hash {
            HashFunction::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            HashFunction::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
            HashFunction::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        };
        Ok(Self::Usual(read(der)?, parameters))
    }

    /// A key for RSASSA-PKCS1-v1_5 with SHA-1, whose signatures must not grant anything.
    pub(super) fn pkcs1_sha1(der: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::Usual(read(der)?, &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY))
    }

    pub(super) fn der(&self) -> Option<Vec<u8>> {
        Some(self.key().to_public_key_der().ok()?.into_vec())
    }

    /// Length of a signature, in bytes: that of the modulus.
    pub(super) fn signature_bytes(&self) -> usize {
        self.key().size()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Usual(key, parameters) => {
                let key = RsaPublicKeyComponents { n: key.n_bytes(), e: key.e_bytes() };
                key.verify(parameters, message, signature).is_ok()
            }
            Self::Pss(key, hash, salt) => {
                let digest = hash.digest(message);
                with_hash!(hash, H => key.verify(Pss::<H>::new_with_salt(*salt), &digest, signature).is_ok())
            }
        }
    }

    fn key(&self) -> &RsaPublicKey {
        match self {
            Self::Usual(key, _) | Self::Pss(key, ..) => key,
        }
    }
}

pub(super) enum Private {
    /// Checked against the public key before use. `ring` does not wipe its numbers.
    ConstantTime(ring::rsa::KeyPair, &'static dyn RsaEncoding),
    /// Keys that `ring` does not support (an exponent below 65537, primes whose length is not a multiple of 512 bits),
    /// and salts of another length than the hash. The crate wipes its numbers.
    Pss(RsaPrivateKey, HashFunction, usize),
    /// As `Pss`.
    Pkcs1(RsaPrivateKey, HashFunction),
}

impl Private {
    pub(super) fn pss(key: RsaPrivateKey, hash: HashFunction, salt: PssSalt) -> Result<Self, KeyError> {
        let salt = salt_bytes(&key.to_public_key(), hash, salt)?;
        let encoding: &'static dyn RsaEncoding = match hash {
            HashFunction::Sha256 => &RSA_PSS_SHA256,
            HashFunction::Sha384 => &RSA_PSS_SHA384,
            HashFunction::Sha512 => &RSA_PSS_SHA512,
        };
        // `ring` supports only salts of the length of the hash.
        let pair = if salt == usize::from(hash.bytes()) { constant_time(&key) } else { None };
        Ok(match pair {
            Some(pair) => Self::ConstantTime(pair, encoding),
            None => Self::Pss(key, hash, salt),
        })
    }

    pub(super) fn pkcs1(key: RsaPrivateKey, hash: HashFunction) -> Self {
        let encoding: &'static dyn RsaEncoding = match hash {
            HashFunction::Sha256 => &RSA_PKCS1_SHA256,
            HashFunction::Sha384 => &RSA_PKCS1_SHA384,
            HashFunction::Sha512 => &RSA_PKCS1_SHA512,
        };
        match constant_time(&key) {
            Some(pair) => Self::ConstantTime(pair, encoding),
            None => Self::Pkcs1(key, hash),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::ConstantTime(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Pss(key, hash, salt) => {
                with_hash!(hash, H => key.sign(Pss::<H>::new_with_salt(*salt), &hash.digest(message)).ok())
            }
            Self::Pkcs1(key, hash) => with_hash!(hash, H => key.pkcs1v15_sign::<H>(message).ok()),
        }
    }
}

/// The same key for `ring`, made from the parsed key: two parsers of one file could find two keys.
fn constant_time(key: &RsaPrivateKey) -> Option<ring::rsa::KeyPair> {
    ring::rsa::KeyPair::from_der(key.to_pkcs1_der().ok()?.as_bytes()).ok()
}

/// Parses a private key in PKCS#8, or in PKCS#1 when `pkcs1` is set.
pub(super) fn read_private(der: &[u8], pkcs1: bool) -> Option<RsaPrivateKey> {
    if pkcs1 { RsaPrivateKey::from_pkcs1_der(der).ok() } else { RsaPrivateKey::from_pkcs8_der(der).ok() }
}

/// A new private key as PKCS#8.
pub(super) fn generate(bits: usize) -> Option<Zeroizing<Vec<u8>>> {
    let key = RsaPrivateKey::new(&mut SysRng, bits).ok()?;
    Some(Zeroizing::new(key.to_pkcs8_der().ok()?.as_bytes().to_vec()))
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

/// The SubjectPublicKeyInfo of a private key.
pub(super) fn public_der(key: &RsaPrivateKey) -> Option<Vec<u8>> {
    Some(key.to_public_key().to_public_key_der().ok()?.into_vec())
}

/// The SubjectPublicKeyInfo of a modulus and an exponent, not validated.
pub(super) fn public_der_of(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let number = BoxedUint::from_be_slice_vartime;
    let key = RsaPublicKey::new(number(modulus), number(exponent)).ok()?;
    Some(key.to_public_key_der().ok()?.into_vec())
}

fn read(der: &[u8]) -> Result<RsaPublicKey, KeyError> {
    let spki = pkcs8::SubjectPublicKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed)?;
    let numbers = spki
        .subject_public_key
        .as_bytes()
        .and_then(|bytes| pkcs1::RsaPublicKeyRef::try_from(bytes).ok())
        .ok_or(KeyError::Malformed)?;
    let bits = bit_length(numbers.modulus.as_bytes());
    // Whole bytes only: PSS treats other moduli differently (RFC 8017), and no key service makes them.
    if !(MIN_BITS..=MAX_BITS).contains(&bits) || !bits.is_multiple_of(8) {
        return Err(KeyError::Modulus { bits });
    }
    let exponent = numbers.public_exponent.as_bytes();
    let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
    // The crate accepts 2 to 33 bits; with an exponent of 1, RSA is the identity.
    if !odd || !(2..=33).contains(&bit_length(exponent)) {
        return Err(KeyError::Exponent);
    }
    RsaPublicKey::try_from(spki).map_err(|_| KeyError::Malformed)
}

/// Length of the modulus of a SubjectPublicKeyInfo, in bytes.
pub(super) fn modulus_bytes(der: &[u8]) -> Option<usize> {
    Some(read(der).ok()?.size())
}

/// Length of a big-endian number, in bits.
fn bit_length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros).map_or(0, |first| {
        let leading = usize::try_from(first.leading_zeros()).unwrap_or(0);
        (number.len() - zeros) * 8 - leading
    })
}

/// Length of `salt` for `key`: at most emLen - hLen - 2 (RFC 8017 section 9.1.1).
fn salt_bytes(key: &RsaPublicKey, hash: HashFunction, salt: PssSalt) -> Result<usize, KeyError> {
    let longest = key.size().saturating_sub(usize::from(hash.bytes()) + 2);
    let length = match salt {
        PssSalt::Maximum => return Ok(longest),
        PssSalt::OfHash => hash.bytes(),
        PssSalt::Length(length) => length,
    };
    if usize::from(length) <= longest { Ok(length.into()) } else { Err(KeyError::Salt { length, longest }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_keys_sign_in_constant_time() {
        let read = |text: &str| RsaPrivateKey::from_pkcs8_pem(text).unwrap();
        let usual = read(include_str!("../../../../tests/fixtures/keys/throw-away-rsa-2048.key.pem"));
        let larger = read(include_str!("../../../../tests/fixtures/keys/throw-away-rsa-3072.key.pem"));
        let unusual = RsaPrivateKey::new_with_exp(&mut SysRng, 2048, BoxedUint::from(3_u8)).unwrap();
        for (key, hash, salt, expected) in [
            (&usual, HashFunction::Sha256, PssSalt::default(), true),
            (&usual, HashFunction::Sha384, PssSalt::default(), true),
            (&usual, HashFunction::Sha512, PssSalt::Length(64), true),
            (&larger, HashFunction::Sha256, PssSalt::default(), true),
            (&usual, HashFunction::Sha256, PssSalt::Length(20), false),
            (&usual, HashFunction::Sha384, PssSalt::Length(32), false),
            (&usual, HashFunction::Sha512, PssSalt::Maximum, false),
            (&usual, HashFunction::Sha256, PssSalt::Maximum, false),
            (&unusual, HashFunction::Sha256, PssSalt::default(), false),
            (&unusual, HashFunction::Sha384, PssSalt::default(), false),
            (&unusual, HashFunction::Sha512, PssSalt::default(), false),
        ] {
            let public = key.to_public_key().to_public_key_der().unwrap();
            for (private, public, expected) in [
                (
                    Private::pss(key.clone(), hash, salt).unwrap(),
                    Public::pss(public.as_bytes(), hash, salt).unwrap(),
                    expected,
                ),
                (
                    Private::pkcs1(key.clone(), hash),
                    Public::pkcs1(public.as_bytes(), hash).unwrap(),
                    !std::ptr::eq(key, &unusual),
                ),
            ] {
                assert_eq!(matches!(private, Private::ConstantTime(..)), expected, "{hash:?} {salt:?}");
                let signature = private.sign(b"message").unwrap();
                assert!(public.verifies(b"message", &signature), "{hash:?} {salt:?}");
                assert!(!public.verifies(b"massage", &signature), "{hash:?} {salt:?}");
            }
        }
    }
}
