//! What counts of several timestamps.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::trust::x509::{Certificate, FetchedCrls, Purpose, Revocation, RevocationMode};

fn fixture(path: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    fs::read(fixtures.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The result for a signature `notation` with these timestamps.
fn check(stamps: &[&[u8]], revocation: &Revocation) -> CertifiedError {
    let root = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let signer = Certificate::parse(params.self_signed(&root).unwrap().der()).unwrap();
    let chain = Chain::check(vec![signer], Purpose::CodeSigning).unwrap();
    let mut tsa = Store::default();
    tsa.add(&fixture("notation/upstream/tspclient-go/testdata/GlobalSignRootCA.crt")).unwrap();
    let (denied, fetched) = (BTreeMap::new(), FetchedCrls::default());
    let now = "2026-12-01T00:00:00Z".parse().unwrap();
    let revocation = RevocationCheck { denied: &denied, revocation, fetched: &fetched, now };
    let rule = TimeRule { tsa: &tsa, timestamps: TimestampCheck::Always, revocation };
    let stamps: Vec<Vec<u8>> = stamps.iter().map(|stamp| stamp.to_vec()).collect();
    rule.check(&chain, b"notation", &stamps).unwrap_err()
}

/// Else nothing would be fetched, and `untrusted-timestamp` would be the last word.
#[test]
fn an_open_question_about_one_timestamp_is_not_hidden_by_another() {
    let token = fixture("notation/upstream/tspclient-go/testdata/TimeStampToken.p7s");
    let (fetch, mut files) = (Revocation::new(RevocationMode::Required, true), Revocation::default());
    files.add(&fixture("notation/crl/other.pem")).unwrap();
    let alone = check(&[&token], &fetch);
    assert!(!alone.crls_to_fetch().is_empty(), "{alone}");
    for stamps in [[&token[..], b"damaged"], [b"damaged", &token[..]]] {
        assert_eq!(check(&stamps, &fetch).crls_to_fetch(), alone.crls_to_fetch());
        assert_eq!(check(&stamps, &files).fault(), Some(Fault::RevocationUnknown));
    }
    let damaged = check(&[b"damaged"], &fetch);
    assert_eq!(damaged.fault(), Some(Fault::UntrustedTimestamp), "{damaged}");
}

#[test]
fn what_is_open_about_several_timestamps_is_fetched_at_once() {
    let open = |address: &str| {
        let addresses = vec![address.to_owned()];
        CertifiedError::from(TimestampError::Revoked(RevocationError::NotFetched { addresses }))
    };
    let both = open("http://a.example/").or(open("http://b.example/")).or(CertifiedError::NoTimestamp);
    assert_eq!(both.crls_to_fetch(), ["http://a.example/", "http://b.example/"]);
}
