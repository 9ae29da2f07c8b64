//! Every signature of Project Wycheproof, with every algorithm that takes its key.
//!
//! A signature is accepted by the one algorithm that it was made with, if Wycheproof says that it is valid, and by no other
//! algorithm of the same key. Keys that no algorithm takes are counted by the reason. Nothing is left out.
//!
//! Wycheproof is by Google and C2SP, under the Apache License 2.0; the crate brings its files. Its sets for ML-DSA are not
//! read: no algorithm here is one of them.

use std::collections::BTreeMap;

use ::wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use crate::public_suites;
use crate::trust::{Algorithm, HashFunction, KeyError, PssSalt, PublicKey, Scheme, der_of_raw};

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

/// How a group of signatures was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trust) enum Made {
    Ecdsa(HashFunction),
    Pkcs1(HashFunction),
    Pss(HashFunction, u16),
    EdDsa,
}

/// What a group of Wycheproof has in common.
pub(in crate::trust) struct Group {
    name: String,
    pub(in crate::trust) pem: String,
    /// `None` for hashes that no algorithm has.
    pub(in crate::trust) made: Option<Made>,
    /// Whether r and s are side by side, and not DER.
    pub(in crate::trust) raw: bool,
    cases: Vec<Case>,
}

pub(in crate::trust) struct Case {
    number: usize,
    pub(in crate::trust) message: Vec<u8>,
    pub(in crate::trust) signature: Vec<u8>,
    result: TestResult,
    flags: String,
}

/// The groups of the sets of one module, which all have the same shape.
macro_rules! groups {
    ($module:ident, |$group:ident| $made:expr) => {
        $module::TestName::all().into_iter().flat_map(|name| {
            $module::TestSet::load(name).unwrap().test_groups.into_iter().map(move |$group| {
                let made = $made;
                let raw = format!("{:?}", $group.test_type).contains("P1363");
                let cases = $group.tests.iter().map(|case| Case {
                    number: case.tc_id,
                    message: case.msg.to_vec(),
                    signature: case.sig.to_vec(),
                    result: case.result,
                    flags: format!("{:?}", case.flags),
                });
                let cases = cases.collect();
                Group { name: format!("{name:?}"), pem: $group.pem, made, raw, cases }
            })
        })
    };
}

fn hash(of: ::wycheproof::HashFunction) -> Option<HashFunction> {
    match of {
        ::wycheproof::HashFunction::Sha2_256 => Some(HashFunction::Sha256),
        ::wycheproof::HashFunction::Sha2_384 => Some(HashFunction::Sha384),
        ::wycheproof::HashFunction::Sha2_512 => Some(HashFunction::Sha512),
        _ => None,
    }
}

fn groups() -> impl Iterator<Item = Group> {
    let ecdsa = groups!(ecdsa, |group| hash(group.hash).map(Made::Ecdsa));
    let pkcs1 = groups!(rsa_pkcs1_verify, |group| hash(group.hash).map(Made::Pkcs1));
    let pss = groups!(rsa_pss_verify, |group| {
        let hash = hash(group.hash).filter(|_| group.mgf_hash == Some(group.hash));
        hash.map(|hash| Made::Pss(hash, group.salt_size.try_into().unwrap()))
    });
    let eddsa = groups!(eddsa, |_group| Some(Made::EdDsa));
    ecdsa.chain(pkcs1).chain(pss).chain(eddsa)
}

/// What verifies signatures in one way.
pub(in crate::trust) struct Way {
    pub(in crate::trust) name: &'static str,
    /// Whether it is the way that a group was made for.
    pub(in crate::trust) is_own: Box<dyn Fn(&Group) -> bool>,
    pub(in crate::trust) open: Open,
}

/// What verifies the cases of a group; or why it does not take the key.
type Open = Box<dyn Fn(&Group) -> Result<Box<dyn Fn(&Case) -> bool>, String>>;

/// What became of all signatures.
#[derive(Default)]
pub(in crate::trust) struct Counts {
    /// By way: accepted and rejected of its own groups, and accepted and rejected of the groups of others by the same keys.
    pub(in crate::trust) found: BTreeMap<String, [usize; 4]>,
    /// By keys that no way takes, by the reason.
    pub(in crate::trust) unused: BTreeMap<String, usize>,
    /// Where the verdict is not Wycheproof's, or two ways accept one signature.
    pub(in crate::trust) wrong: Vec<String>,
}

impl Counts {
    /// Asserts what was found, and reports the sum of the own groups of all ways.
    #[track_caller]
    pub(in crate::trust) fn check(
        &self,
        suite: &str,
        found: &[(&str, [usize; 4])],
        unused: &[(&str, usize)],
    ) {
        assert_eq!(self.wrong, [""; 0]);
        let found: BTreeMap<_, _> = found.iter().map(|&(name, counts)| (name.to_owned(), counts)).collect();
        let unused: BTreeMap<_, _> =
            unused.iter().map(|&(reason, cases)| (reason.to_owned(), cases)).collect();
        assert_eq!((&self.found, &self.unused), (&found, &unused));
        let sum = |at: usize| found.values().map(|counts| counts[at]).sum();
        public_suites::report(suite, sum(0), sum(1));
    }
}

/// Verifies every signature of Wycheproof in every way.
pub(in crate::trust) fn count(ways: &[Way]) -> Counts {
    let mut counts = Counts::default();
    for way in ways {
        counts.found.insert(way.name.to_owned(), [0; 4]);
    }
    for group in groups() {
        let mut accepted_by = vec![0; group.cases.len()];
        let mut refused = Some(String::new());
        for way in ways {
            let own = (way.is_own)(&group);
            let verify = match (way.open)(&group) {
                Ok(verify) => verify,
                Err(reason) => {
                    // The longest is of a way that fits the kind.
                    refused = refused.map(|known| if known.len() > reason.len() { known } else { reason });
                    continue;
                }
            };
            refused = None;
            let found = counts.found.get_mut(way.name).unwrap();
            for (case, accepted_by) in group.cases.iter().zip(&mut accepted_by) {
                let accepted = verify(case);
                // "Acceptable" are encodings that old software wrote; a verifier may refuse them, and this one does.
                let expected = if own {
                    accepted == (case.result == TestResult::Valid)
                } else {
                    !accepted || ["[WrongHash]", "[WrongPrimitive]"].contains(&case.flags.as_str())
                };
                *accepted_by += usize::from(accepted);
                if !expected || *accepted_by > 1 {
                    counts.wrong.push(format!("{} {} {} {}", way.name, group.name, case.number, case.flags));
                }
                found[2 * usize::from(!own) + usize::from(!accepted)] += 1;
            }
        }
        if let Some(reason) = refused {
            *counts.unused.entry(reason).or_default() += group.cases.len();
        }
    }
    counts
}

/// The salt of an own group, which the policy says for its key.
fn own_salt(algorithm: Algorithm, made: Option<Made>) -> Option<PssSalt> {
    let salt = match (algorithm.scheme(), made?) {
        (Scheme::RsaPss(hash), Made::Pss(of, salt)) if hash == of => PssSalt::Length(salt),
        (Scheme::Ecdsa(_, hash), Made::Ecdsa(of)) | (Scheme::RsaPkcs1(hash), Made::Pkcs1(of))
            if hash == of =>
        {
            PssSalt::default()
        }
        (Scheme::Ed25519, Made::EdDsa) => PssSalt::default(),
        _ => return None,
    };
    Some(salt)
}

fn way(algorithm: Algorithm) -> Way {
    let open: Open = Box::new(move |group| {
        let salt = own_salt(algorithm, group.made).unwrap_or_default();
        let key = PublicKey::from_pem(&group.pem, algorithm, salt).map_err(|error| match error {
            KeyError::Kind { found, .. } => found.to_owned(),
            error => error.to_string(),
        })?;
        let raw = group.raw;
        Ok(Box::new(move |case| {
            let signature =
                if raw { der_of_raw(algorithm, &case.signature) } else { Some(case.signature.clone()) };
            signature.is_some_and(|signature| key.verify(&case.message, &signature).is_ok())
        }))
    });
    let is_own = Box::new(move |group: &Group| own_salt(algorithm, group.made).is_some());
    Way { name: algorithm.name(), is_own, open }
}

#[test]
fn each_signature_is_verified_by_its_own_algorithm_alone() {
    let expected = EXPECTED.map(|(algorithm, counts)| (algorithm.name(), counts));
    count(&Algorithm::ALL.map(way)).check("Wycheproof: keys of a policy", &expected, &UNUSED);
}
