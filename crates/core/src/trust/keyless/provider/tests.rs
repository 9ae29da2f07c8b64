//! The provider under Project Wycheproof, through what sigstore-verify calls it by.

use sigstore_verify::crypto::{SigningScheme, VerificationKey};
use sigstore_verify::types::{DerPublicKey, SignatureBytes};

use super::install;
use crate::trust::tests::wycheproof::{Counts, Group, Made, Way, count};
use crate::trust::{HashFunction, pem};

const SCHEMES: [(SigningScheme, Made); 11] = {
    use HashFunction::{Sha256, Sha384, Sha512};
    [
        (SigningScheme::EcdsaP256Sha256, Made::Ecdsa(Sha256)),
        (SigningScheme::EcdsaP256Sha384, Made::Ecdsa(Sha384)),
        (SigningScheme::EcdsaP384Sha256, Made::Ecdsa(Sha256)),
        (SigningScheme::EcdsaP384Sha384, Made::Ecdsa(Sha384)),
        (SigningScheme::Ed25519, Made::EdDsa),
        (SigningScheme::RsaPssSha256, Made::Pss(Sha256, 32)),
        (SigningScheme::RsaPssSha384, Made::Pss(Sha384, 48)),
        (SigningScheme::RsaPssSha512, Made::Pss(Sha512, 64)),
        (SigningScheme::RsaPkcs1Sha256, Made::Pkcs1(Sha256)),
        (SigningScheme::RsaPkcs1Sha384, Made::Pkcs1(Sha384)),
        (SigningScheme::RsaPkcs1Sha512, Made::Pkcs1(Sha512)),
    ]
};

fn key(group: &Group, scheme: SigningScheme) -> Result<VerificationKey, String> {
    if group.raw {
        return Err("r and s side by side, which Sigstore does not have".to_owned());
    }
    let der = pem::read_one(&group.pem).unwrap().der;
    VerificationKey::from_spki_with_scheme(&DerPublicKey::new(der.to_vec()), scheme)
        .map_err(|error| error.to_string())
}

fn of_messages() -> Counts {
    count(&SCHEMES.map(|(scheme, made)| Way {
        name: scheme.name(),
        is_own: Box::new(move |group| group.made == Some(made)),
        open: Box::new(move |group| {
            let key = key(group, scheme)?;
            Ok(Box::new(move |case| {
                key.verify(&case.message, &SignatureBytes::new(case.signature.clone())).is_ok()
            }))
        }),
    }))
}

/// Only with the hash that a signature was made with: the message has no other.
fn of_hashes() -> Counts {
    let hashed = SCHEMES.into_iter().filter_map(|(scheme, made)| {
        let (Made::Ecdsa(hash) | Made::Pkcs1(hash)) = made else { return None };
        Some(Way {
            name: scheme.name(),
            is_own: Box::new(move |group| group.made == Some(made)),
            open: Box::new(move |group| {
                let key = key(group, scheme)?;
                if group.made != Some(made) {
                    return Err("another hash or scheme".to_owned());
                }
                Ok(Box::new(move |case| {
                    let signature = SignatureBytes::new(case.signature.clone());
                    key.verify_prehashed(&hash.digest(&case.message), &signature).is_ok()
                }))
            }),
        })
    });
    count(&hashed.collect::<Vec<_>>())
}

#[test]
fn messages_are_verified_as_wycheproof_says() {
    install();
    let mut counts = of_messages();
    // Its change is that the salt has 32 bytes, which is what this scheme requires: so it is valid in it.
    let salt = counts
        .wrong
        .iter()
        .position(|case| case == "RSA_PSS_SHA256 RsaPss2048Sha256Mgf1SaltLen0 69 [ModifiedSignature]");
    counts.wrong.remove(salt.unwrap());
    let expected = [
        ("ECDSA_P256_SHA256", [174, 310, 0, 2064]),
        ("ECDSA_P256_SHA384", [0, 0, 0, 2548]),
        ("ECDSA_P384_SHA256", [162, 310, 0, 2624]),
        ("ECDSA_P384_SHA384", [194, 310, 0, 2592]),
        ("ED25519", [88, 63, 0, 0]),
        ("RSA_PKCS1_SHA256", [31, 1003, 37, 7537]),
        ("RSA_PKCS1_SHA384", [28, 1007, 22, 7551]),
        ("RSA_PKCS1_SHA512", [30, 1007, 22, 7549]),
        ("RSA_PSS_SHA256", [190, 135, 5, 8278]),
        ("RSA_PSS_SHA384", [191, 92, 4, 8321]),
        ("RSA_PSS_SHA512", [133, 47, 4, 8424]),
    ];
    let unused = [
        // RSASSA-PSS alone, Ed448, and curves without a scheme.
        ("Invalid key: unsupported key algorithm OID: 1.2.840.113549.1.1.10", 1091),
        ("Invalid key: unsupported key algorithm OID: 1.3.101.113", 87),
        ("Invalid key: unsupported or invalid EC curve parameters", 16711),
        ("r and s side by side, which Sigstore does not have", 7548),
    ];
    counts.check("Wycheproof: messages, by the provider of sigstore-verify", &expected, &unused);
}

#[test]
fn hashes_are_verified_as_wycheproof_says() {
    install();
    let expected = [
        ("ECDSA_P256_SHA256", [174, 310, 0, 0]),
        ("ECDSA_P256_SHA384", [0; 4]),
        ("ECDSA_P384_SHA256", [162, 310, 0, 0]),
        ("ECDSA_P384_SHA384", [194, 310, 0, 0]),
        ("RSA_PKCS1_SHA256", [31, 1003, 0, 0]),
        ("RSA_PKCS1_SHA384", [28, 1007, 0, 0]),
        ("RSA_PKCS1_SHA512", [30, 1007, 0, 0]),
    ];
    let mut counts = of_hashes();
    // Those that the other test counts, Ed25519 and PSS among them: their schemes have no form over a hash.
    counts.unused.clear();
    counts.check("Wycheproof: hashes, by the provider of sigstore-verify", &expected, &[]);
}
