//! The public key in a key packet, and how it verifies.

use super::hash::Hash;
use super::reader::Reader;
use crate::digest::Digest;
use crate::trust::{Algorithm, Curve, HashFunction, KeyError, der_of_raw, ecdsa, ed25519, rsa, spki};

/// The object identifier of Ed25519 as gpg writes it, 1.3.6.1.4.1.11591.15.1 (RFC 9580 section 9.2).
const LEGACY_EDWARDS: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// The numbers of public-key algorithms (RFC 9580 section 9.1).
const RSA: u8 = 1;
const RSA_SIGN_ONLY: u8 = 3;
const ECDSA: u8 = 19;
const EDDSA_LEGACY: u8 = 22;
const ED25519: u8 = 27;

/// The same key with each hash.
#[derive(Clone)]
pub(super) struct PerHash<T> {
    sha256: T,
    sha384: T,
    sha512: T,
}

impl<T> PerHash<T> {
    fn new(read: impl Fn(HashFunction) -> Result<T, KeyError>) -> Result<Self, KeyError> {
        let [sha256, sha384, sha512] =
            [HashFunction::Sha256, HashFunction::Sha384, HashFunction::Sha512].map(read);
        Ok(Self { sha256: sha256?, sha384: sha384?, sha512: sha512? })
    }

    fn of(&self, hash: HashFunction) -> &T {
        match hash {
            HashFunction::Sha256 => &self.sha256,
            HashFunction::Sha384 => &self.sha384,
            HashFunction::Sha512 => &self.sha512,
        }
    }
}

/// A key that verifies signatures: the algorithm is that of the key, and the hash one of SHA-2.
#[derive(Clone)]
pub(super) enum Verifier {
    /// PKCS #1 v1.5; the last is with SHA-1.
    Rsa(Box<(PerHash<rsa::Public>, rsa::Public)>),
    Ecdsa(Curve, Box<PerHash<ecdsa::Public>>),
    /// Over the hash of the data; the number is that of the algorithm, of which there are two.
    Ed25519(ed25519::Public, u8),
}

/// Why a key does not verify anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoVerifier {
    /// Its packet is malformed.
    Malformed,
    /// An algorithm or a size that is not supported: encryption, DSA, other curves, short RSA keys.
    Unsupported,
}

impl Verifier {
    /// Reads the part of a key packet behind the number of the algorithm, completely.
    pub(super) fn read(algorithm: u8, mut body: Reader<'_>) -> Result<(Self, Vec<u8>), NoVerifier> {
        let der = match algorithm {
            RSA | RSA_SIGN_ONLY => {
                let numbers = body.integer().zip(body.integer()).ok_or(NoVerifier::Malformed)?;
                spki::rsa(numbers.0, numbers.1)
            }
            ECDSA => {
                let (curve, point) = curve_and_point(&mut body)?;
                let length = u8::try_from(curve.len()).map_err(|_| NoVerifier::Malformed)?;
                spki::ecdsa(&[&[0x06, length], curve].concat(), point)
            }
            EDDSA_LEGACY => match curve_and_point(&mut body)? {
                // The prefix of a point in its native form.
                (curve, [0x40, point @ ..]) if curve == LEGACY_EDWARDS => spki::ed25519(point),
                _ => None,
            },
            ED25519 => spki::ed25519(body.take(32).ok_or(NoVerifier::Malformed)?),
            _ => return Err(NoVerifier::Unsupported),
        };
        if !body.is_empty() {
            return Err(NoVerifier::Malformed);
        }
        let der = der.ok_or(NoVerifier::Unsupported)?;
        let verifier = Self::of_der(algorithm, &der).map_err(|_| NoVerifier::Unsupported)?;
        Ok((verifier, der))
    }

    fn of_der(algorithm: u8, der: &[u8]) -> Result<Self, KeyError> {
        match algorithm {
            ECDSA => {
                let curve = [Curve::P256, Curve::P384, Curve::P521]
                    .into_iter()
                    .find(|curve| ecdsa::Public::read(der, *curve, HashFunction::Sha256).is_ok())
                    .ok_or(KeyError::Malformed)?;
                Ok(Self::Ecdsa(curve, Box::new(PerHash::new(|hash| ecdsa::Public::read(der, curve, hash))?)))
            }
            EDDSA_LEGACY | ED25519 => Ok(Self::Ed25519(ed25519::Public::read(der, false)?, algorithm)),
            _ => {
                let keys = PerHash::new(|hash| rsa::Public::pkcs1(der, hash))?;
                Ok(Self::Rsa(Box::new((keys, rsa::Public::pkcs1_sha1(der)?))))
            }
        }
    }

    /// Whether `values` of the signature algorithm `algorithm` sign `message` with this hash.
    pub(super) fn verifies(&self, algorithm: u8, hash: Hash, message: &[u8], values: &Values) -> bool {
        match (self, algorithm, values) {
            (Self::Rsa(keys), RSA | RSA_SIGN_ONLY, Values::One(value)) => {
                let (keys, with_sha1) = keys.as_ref();
                let key = match hash {
                    Hash::Strong(hash) => keys.of(hash),
                    Hash::Sha1 => with_sha1,
                    Hash::Other(_) => return false,
                };
                padded(value, key.signature_bytes()).is_some_and(|value| key.verifies(message, &value))
            }
            (Self::Ecdsa(curve, keys), ECDSA, Values::Two(r, s)) => {
                let Hash::Strong(hash) = hash else { return false };
                let (size, named) = match curve {
                    Curve::P256 => (32, Algorithm::EcdsaSha256),
                    Curve::P384 => (48, Algorithm::EcdsaSha384),
                    Curve::P521 => (66, Algorithm::EcdsaSha512),
                };
                let raw = pair(r, s, size);
                let der = raw.and_then(|raw| der_of_raw(named, &raw));
                der.is_some_and(|der| keys.of(hash).verifies(message, &der) == Some(true))
            }
            (Self::Ed25519(key, own), _, values) if *own == algorithm => {
                let Hash::Strong(hash) = hash else { return false };
                let raw = match values {
                    Values::Two(r, s) => pair(r, s, 32),
                    Values::One(value) => Some(value.clone()),
                    Values::Unread => None,
                };
                raw.is_some_and(|raw| key.verifies(&hash.digest(message), &raw) == Some(true))
            }
            _ => false,
        }
    }
}

/// The numbers of a signature, not checked.
#[derive(Clone, Debug)]
pub(super) enum Values {
    One(Vec<u8>),
    Two(Vec<u8>, Vec<u8>),
    /// Of an algorithm that is not supported.
    Unread,
}

impl Values {
    /// Reads the end of a signature packet, completely.
    pub(super) fn read(algorithm: u8, mut body: Reader<'_>) -> Option<Self> {
        let values = match algorithm {
            RSA | RSA_SIGN_ONLY => Self::One(body.integer()?.to_vec()),
            ECDSA | EDDSA_LEGACY => Self::Two(body.integer()?.to_vec(), body.integer()?.to_vec()),
            ED25519 => Self::One(body.take(64)?.to_vec()),
            _ => return Some(Self::Unread),
        };
        body.is_empty().then_some(values)
    }
}

fn curve_and_point<'a>(body: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), NoVerifier> {
    let length = body.byte().ok_or(NoVerifier::Malformed)?;
    body.take(length.into()).zip(body.integer()).ok_or(NoVerifier::Malformed)
}

/// A number with `size` bytes: integers are written without leading zeros.
fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let zeros = size.checked_sub(number.len())?;
    Some([&vec![0; zeros][..], number].concat())
}

fn pair(r: &[u8], s: &[u8], size: usize) -> Option<Vec<u8>> {
    Some([padded(r, size)?, padded(s, size)?].concat())
}

/// The SHA-256 of a SubjectPublicKeyInfo, by which a deny list names a key.
pub(super) fn digest_of(der: &[u8]) -> String {
    Digest::of(der).to_string()
}
