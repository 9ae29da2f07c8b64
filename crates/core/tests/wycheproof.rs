//! Every signature of Project Wycheproof, with every algorithm that takes its key.
//!
//! A signature is accepted by the one algorithm that it was made with, if Wycheproof says that it is valid, and by no other
//! algorithm of the same key. Keys that no algorithm takes are counted by the reason. Nothing is left out.
//!
//! Wycheproof is by Google and C2SP, under the Apache License 2.0; the crate brings its files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use pullgate_core::trust::{Algorithm, HashFunction, KeyError, PssSalt, PublicKey, Scheme, der_of_raw};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// How many signatures an algorithm accepted and rejected of its own sets, and accepted and rejected of the sets of others by
/// the same keys. It accepts those of others that have the flags `WrongHash` and `WrongPrimitive`: they were made with it,
/// to be refused where they are.
///
/// There are no vectors of Ed25519ph and of P-521 with SHA-256; `crates/core/src/trust/tests.rs` has those of RFC 8032 and of
/// OpenSSL.
const EXPECTED: [(Algorithm, [usize; 4]); Algorithm::ALL.len()] = [
    (Algorithm::RsaPssSha256, [256, 177, 3, 7396]),
    (Algorithm::RsaPssSha384, [196, 92, 3, 7541]),
    (Algorithm::RsaPssSha512, [270, 92, 3, 7467]),
    (Algorithm::RsaPkcs1Sha256, [24, 752, 35, 7021]),
    (Algorithm::RsaPkcs1Sha384, [21, 755, 20, 7036]),
    (Algorithm::RsaPkcs1Sha512, [23, 755, 20, 7034]),
    (Algorithm::EcdsaSha256, [347, 399, 0, 2654]),
    (Algorithm::EcdsaSha384, [387, 397, 0, 3224]),
    (Algorithm::EcdsaSha512, [463, 397, 0, 1384]),
    (Algorithm::EcdsaP384Sha256, [162, 310, 0, 3536]),
    (Algorithm::EcdsaP521Sha256, [0, 0, 0, 2244]),
    (Algorithm::Ed25519, [88, 63, 0, 0]),
    (Algorithm::Ed25519ph, [0, 0, 0, 151]),
];

/// How many signatures are by keys that no algorithm takes, and why.
const UNUSED: [(&str, usize); 5] = [
    ("Ed448", 87),
    ("RSA key has 8192 bits; use a key of 2048 to 4096 bits, a multiple of 8", 776),
    ("restricted to RSASSA-PSS (id-RSASSA-PSS)", 1091),
    ("elliptic-curve with an unsupported curve", 15598),
    ("secp256k1", 4653),
];

/// What a group of Wycheproof has in common.
struct Group {
    name: String,
    pem: String,
    /// With which of our algorithms it was made, if any, given the salt.
    made_with: Box<dyn Fn(Algorithm) -> bool>,
    salt: PssSalt,
    /// r and s side by side.
    raw: bool,
    cases: Vec<Case>,
}

struct Case {
    number: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    result: TestResult,
    flags: String,
}

/// The groups of the sets of one module, which all have the same shape.
macro_rules! groups {
    ($module:ident, |$name:ident, $group:ident| $describe:expr) => {
        $module::TestName::all().into_iter().flat_map(|$name| {
            $module::TestSet::load($name).unwrap().test_groups.into_iter().map(move |$group| {
                let (made_with, salt, raw): (Box<dyn Fn(Algorithm) -> bool>, _, _) = $describe;
                let cases = $group.tests.iter().map(|case| Case {
                    number: case.tc_id,
                    message: case.msg.to_vec(),
                    signature: case.sig.to_vec(),
                    result: case.result,
                    flags: format!("{:?}", case.flags),
                });
                let cases = cases.collect();
                Group { name: format!("{:?}", $name), pem: $group.pem, made_with, salt, raw, cases }
            })
        })
    };
}

fn hash(of: wycheproof::HashFunction) -> Option<HashFunction> {
    match of {
        wycheproof::HashFunction::Sha2_256 => Some(HashFunction::Sha256),
        wycheproof::HashFunction::Sha2_384 => Some(HashFunction::Sha384),
        wycheproof::HashFunction::Sha2_512 => Some(HashFunction::Sha512),
        _ => None,
    }
}

fn groups() -> impl Iterator<Item = Group> {
    let ecdsa = groups!(ecdsa, |name, group| {
        let raw = group.test_type == ecdsa::TestGroupTypeId::EcdsaP1363;
        let hash = hash(group.hash);
        let made_with = move |algorithm: Algorithm| matches!(algorithm.scheme(), Scheme::Ecdsa(_, of) if Some(of) == hash);
        (Box::new(made_with), PssSalt::default(), raw)
    });
    let pkcs1 = groups!(rsa_pkcs1_verify, |name, group| {
        let hash = hash(group.hash);
        let made_with = move |algorithm: Algorithm| matches!(algorithm.scheme(), Scheme::RsaPkcs1(of) if Some(of) == hash);
        (Box::new(made_with), PssSalt::default(), false)
    });
    let pss = groups!(rsa_pss_verify, |name, group| {
        let hash = hash(group.hash).filter(|_| group.mgf_hash == Some(group.hash));
        let made_with =
            move |algorithm: Algorithm| matches!(algorithm.scheme(), Scheme::RsaPss(of) if Some(of) == hash);
        (Box::new(made_with), PssSalt::Length(group.salt_size.try_into().unwrap()), false)
    });
    let eddsa = groups!(eddsa, |name, group| {
        (Box::new(|algorithm| algorithm == Algorithm::Ed25519), PssSalt::default(), false)
    });
    ecdsa.chain(pkcs1).chain(pss).chain(eddsa)
}

#[test]
fn each_signature_is_verified_by_its_own_algorithm_alone() {
    let mut found: BTreeMap<Algorithm, [usize; 4]> = Algorithm::ALL.map(|it| (it, [0; 4])).into();
    let mut unused: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for group in groups() {
        let mut accepted_by = vec![0; group.cases.len()];
        let mut refused = Some(String::new());
        for algorithm in Algorithm::ALL {
            let own = (group.made_with)(algorithm);
            let salt = if own { group.salt } else { PssSalt::default() };
            let key = match PublicKey::from_pem(&group.pem, algorithm, salt) {
                Ok(key) => key,
                Err(error) => {
                    let reason = match error {
                        KeyError::Kind { found, .. } => found.to_owned(),
                        // Of the algorithms that fit the kind.
                        error => error.to_string(),
                    };
                    refused = refused.map(|known| if known.len() > reason.len() { known } else { reason });
                    continue;
                }
            };
            refused = None;
            let counts = found.get_mut(&algorithm).unwrap();
            for (case, accepted_by) in group.cases.iter().zip(&mut accepted_by) {
                let signature = if group.raw {
                    der_of_raw(algorithm, &case.signature)
                } else {
                    Some(case.signature.clone())
                };
                let accepted =
                    signature.is_some_and(|signature| key.verify(&case.message, &signature).is_ok());
                // "Acceptable" are encodings that old software wrote; a verifier may refuse them, and this one does.
                let expected = if own {
                    accepted == (case.result == TestResult::Valid)
                } else {
                    !accepted || ["[WrongHash]", "[WrongPrimitive]"].contains(&case.flags.as_str())
                };
                *accepted_by += usize::from(accepted);
                if !expected || *accepted_by > 1 {
                    wrong.push(format!("{algorithm} {} {} {}", group.name, case.number, case.flags));
                }
                counts[2 * usize::from(!own) + usize::from(!accepted)] += 1;
            }
        }
        if let Some(reason) = refused {
            *unused.entry(reason).or_default() += group.cases.len();
        }
    }
    for (algorithm, [accepted, rejected, others, others_rejected]) in &found {
        println!(
            "{algorithm}: accepted {accepted}, rejected {rejected}; of other sets accepted {others}, rejected {others_rejected}"
        );
    }
    for (reason, cases) in &unused {
        println!("by a key that is refused ({reason}): {cases}");
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(found, EXPECTED.into());
    let expected: BTreeMap<String, usize> = UNUSED.map(|(reason, cases)| (reason.to_owned(), cases)).into();
    assert_eq!(unused, expected);
}
