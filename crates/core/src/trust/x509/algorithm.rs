//! From the identifiers in certificates to our algorithms.

use ::rsa::pkcs1::RsaPssParamsOwned;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912 as oid;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::trust::kind::Kind;
use crate::trust::{Algorithm, Curve, HashFunction, Scheme, rsa};

/// The algorithm of a signature that a certificate or a CMS message names, by a key in `key` (SubjectPublicKeyInfo).
/// `digest` is what CMS names beside it. `None` for everything that is not supported, SHA-1 among it.
pub(crate) fn signature_algorithm(
    identifier: &AlgorithmIdentifierOwned,
    digest: Option<HashFunction>,
    key: &[u8],
) -> Option<Algorithm> {
    use HashFunction::{Sha256, Sha384, Sha512};
    let ecdsa = |hash| match Kind::of(key) {
        Some(Kind::Ec(curve)) => Some(Scheme::Ecdsa(curve, hash)),
        _ => None,
    };
    let scheme = match identifier.oid {
        oid::SHA_256_WITH_RSA_ENCRYPTION => Scheme::RsaPkcs1(Sha256),
        oid::SHA_384_WITH_RSA_ENCRYPTION => Scheme::RsaPkcs1(Sha384),
        oid::SHA_512_WITH_RSA_ENCRYPTION => Scheme::RsaPkcs1(Sha512),
        oid::RSA_ENCRYPTION => Scheme::RsaPkcs1(digest?),
        oid::ID_RSASSA_PSS => Scheme::RsaPss(hash_of_pss(identifier)?),
        oid::ECDSA_WITH_SHA_256 => ecdsa(Sha256)?,
        oid::ECDSA_WITH_SHA_384 => ecdsa(Sha384)?,
        oid::ECDSA_WITH_SHA_512 => ecdsa(Sha512)?,
        _ => return None,
    };
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.scheme() == scheme)
}

/// The hash with this identifier; `None` for others, SHA-1 among them.
pub(crate) fn hash_of(identifier: ObjectIdentifier) -> Option<HashFunction> {
    match identifier {
        oid::ID_SHA_256 => Some(HashFunction::Sha256),
        oid::ID_SHA_384 => Some(HashFunction::Sha384),
        oid::ID_SHA_512 => Some(HashFunction::Sha512),
        _ => None,
    }
}

/// The identifier of a hash.
pub(crate) fn hash_identifier(hash: HashFunction) -> ObjectIdentifier {
    match hash {
        HashFunction::Sha256 => oid::ID_SHA_256,
        HashFunction::Sha384 => oid::ID_SHA_384,
        HashFunction::Sha512 => oid::ID_SHA_512,
    }
}

/// The hash of PSS parameters: MGF1 must have the same, and the salt its length (RFC 4055 section 3.1).
fn hash_of_pss(identifier: &AlgorithmIdentifierOwned) -> Option<HashFunction> {
    let parameters = identifier.parameters.as_ref()?.decode_as::<RsaPssParamsOwned>().ok()?;
    let hash = hash_of(parameters.hash.oid)?;
    let mask = parameters.mask_gen.parameters.as_ref().and_then(|inner| hash_of(inner.oid));
    let fits = mask == Some(hash) && u16::from(parameters.salt_len) == hash.bytes();
    fits.then_some(hash)
}

/// The one algorithm that the key of a Notary leaf signs with (signature-specification.md, "Algorithm Selection"):
/// RSASSA-PSS for RSA with 2048, 3072 or 4096 bits, ECDSA for P-256, P-384 and P-521, with the hash of that size.
pub(crate) fn leaf_algorithm(key: &[u8]) -> Option<Algorithm> {
    match Kind::of(key)? {
        Kind::Rsa => match rsa::modulus_bytes(key)? {
            256 => Some(Algorithm::RsaPssSha256),
            384 => Some(Algorithm::RsaPssSha384),
            512 => Some(Algorithm::RsaPssSha512),
            _ => None,
        },
        Kind::Ec(Curve::P256) => Some(Algorithm::EcdsaSha256),
        Kind::Ec(Curve::P384) => Some(Algorithm::EcdsaSha384),
        Kind::Ec(Curve::P521) => Some(Algorithm::EcdsaSha512),
        _ => None,
    }
}

/// Whether it is the algorithm of some Notary leaf.
#[must_use]
pub fn is_notation_algorithm(algorithm: Algorithm) -> bool {
    use Algorithm::{EcdsaSha256, EcdsaSha384, EcdsaSha512, RsaPssSha256, RsaPssSha384, RsaPssSha512};
    matches!(algorithm, RsaPssSha256 | RsaPssSha384 | RsaPssSha512 | EcdsaSha256 | EcdsaSha384 | EcdsaSha512)
}

/// The algorithms that cosign and containers/image sign with, by a key of this kind: the padding of RSA is PKCS #1 v1.5, and
/// the hash depends on the release. Azure Key Vault signs with the hash of the key's size (sigstore/sigstore
/// `pkg/signature/kms/azure/client.go`).
pub(crate) fn signing_algorithms(key: &[u8]) -> Vec<Algorithm> {
    match Kind::of(key) {
        Some(Kind::Rsa) => match rsa::modulus_bytes(key) {
            Some(384) => vec![Algorithm::RsaPkcs1Sha256, Algorithm::RsaPkcs1Sha384],
            Some(512) => vec![Algorithm::RsaPkcs1Sha256, Algorithm::RsaPkcs1Sha512],
            _ => vec![Algorithm::RsaPkcs1Sha256],
        },
        Some(Kind::Ec(Curve::P256)) => vec![Algorithm::EcdsaSha256],
        Some(Kind::Ec(Curve::P384)) => vec![Algorithm::EcdsaSha384, Algorithm::EcdsaP384Sha256],
        Some(Kind::Ec(Curve::P521)) => vec![Algorithm::EcdsaSha512, Algorithm::EcdsaP521Sha256],
        Some(Kind::Ed25519) => vec![Algorithm::Ed25519, Algorithm::Ed25519ph],
        Some(Kind::Other(_)) | None => Vec::new(),
    }
}
