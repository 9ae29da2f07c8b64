//! The tokens of tspclient-go, notation-core-go and notation-go, and what becomes of mutated ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::public_suites;
use crate::trust::NotationSet;
use crate::trust::x509::{FetchedCrls, Store};

fn upstream(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/notation/upstream").join(path)
}

/// Trusts timestamp authorities below `tsa`.
fn trust(tsa: Store) -> NotationSet {
    NotationSet { tsa, ..NotationSet::below(Store::default()) }
}

fn verify(token: &[u8], message: &[u8], trust: &NotationSet) -> Result<Stamped, TimestampError> {
    let fetched = FetchedCrls::default();
    super::verify(token, message, &trust.tsa, trust.revocation(&fetched, Timestamp::UNIX_EPOCH))
}

/// Trusts the roots that the tokens of the fixtures are below.
fn roots() -> NotationSet {
    let mut roots = Store::default();
    for file in [
        "tspclient-go/testdata/GlobalSignRootCA.crt",
        "notation-core-go/internal/timestamp/testdata/tsaRootCert.cer",
        "notation-go/verifier/testdata/truststore/x509/tsa/test-timestamp/globalsignRoot.cer",
    ] {
        roots.add(&fs::read(upstream(file)).unwrap()).unwrap();
    }
    roots.check_roots().unwrap();
    trust(roots)
}

/// The kind of the error, or the time.
fn outcome(result: Result<Stamped, TimestampError>) -> String {
    match result {
        Ok(stamped) => format!("{}..{}", stamped.from, stamped.until),
        Err(error) => {
            let name = format!("{error:?}");
            name.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

/// Every token in `directory`, verified as a timestamp of `notation`, against the table.
#[track_caller]
fn check(suite: &str, directory: &str, expected: &[(&str, &str)]) {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(upstream(directory)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "p7s") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.insert(name, outcome(verify(&fs::read(&path).unwrap(), b"notation", &roots())));
        }
    }
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned())).collect();
    assert_eq!(found, expected, "{directory}");
    report(suite, found.values());
}

/// Reports a suite whose accepted tokens have a time.
#[track_caller]
fn report<'a>(suite: &str, outcomes: impl Iterator<Item = &'a String>) {
    let (accepted, refused): (Vec<_>, Vec<_>) = outcomes.partition(|outcome| outcome.contains(".."));
    public_suites::report(suite, accepted.len(), refused.len());
}

#[test]
fn the_tokens_of_tspclient_are_judged_as_upstream_judges_them() {
    check(
        "tspclient-go: tokens",
        "tspclient-go/testdata",
        &[
            ("SHA1TimeStampToken", "Signature"),
            ("TimeStampToken", "2021-09-17T14:09:09Z..2021-09-17T14:09:11Z"),
            ("TimeStampTokenNoRoot", "Untrusted"),
            ("TimeStampTokenWithInvalidSignature", "Signature"),
            ("TimeStampTokenWithInvalidSigningCertificateV1", "Malformed"),
            ("TimeStampTokenWithInvalidSigningCertificateV2", "Malformed"),
            ("TimeStampTokenWithInvalidTSTInfo", "Signature"),
            ("TimeStampTokenWithInvalideContentType", "Malformed"),
            ("TimeStampTokenWithMismatchCertHash", "NoCertificate"),
            ("TimeStampTokenWithSHA1CertHash", "Malformed"),
            ("TimeStampTokenWithSigningCertificateV1", "Malformed"),
            ("TimeStampTokenWithSigningCertificateV1NoCert", "Malformed"),
            ("TimeStampTokenWithSigningCertificateV2NoCert", "Malformed"),
            ("TimeStampTokenWithTSTInfoVersion2", "Signature"),
            // Upstream takes the signature that is valid; RFC 3161 allows only one.
            ("TimeStampTokenWithValidAndInvalidSignerInfos", "Malformed"),
            ("TimeStampTokenWithWrongSigningCertificateV2IssuerChoiceTag", "Signature"),
            ("TimeStampTokenWithoutCertificate", "NoCertificate"),
            ("TimeStampTokenWithoutSigningCertificate", "Malformed"),
            // Upstream looks only for its certificate.
            ("TimeStampTokenWithoutSigningCertificateV2IssuerSerial", "Signature"),
        ],
    );
}

#[test]
fn the_cms_messages_of_tspclient_are_judged_as_upstream_judges_them() {
    check(
        "tspclient-go: CMS messages",
        "tspclient-go/internal/cms/testdata",
        &[
            ("Sha1SignedData", "Malformed"),
            ("SignedDataWithoutSignedAttributes", "Malformed"),
            ("TimeStampToken", "2021-09-17T14:09:09Z..2021-09-17T14:09:11Z"),
            ("TimeStampTokenInvalidSignedAttributeContentType", "Malformed"),
            ("TimeStampTokenWithAnInvalidAndAValidSignerInfo", "Malformed"),
            ("TimeStampTokenWithInvalidCertificates", "NoCertificate"),
            ("TimeStampTokenWithInvalidContentType", "Malformed"),
            ("TimeStampTokenWithInvalidSignature", "Signature"),
            ("TimeStampTokenWithInvalidSigningTime", "Signature"),
            ("TimeStampTokenWithSignedAttributeSHA1", "Malformed"),
            ("TimeStampTokenWithSignerVersion2", "Malformed"),
            ("TimeStampTokenWithSigningTime", "Signature"),
            ("TimeStampTokenWithSigningTimeBeforeExpected", "Signature"),
            // The issuer is not signed; the hash of the certificate is, and identifies it.
            ("TimeStampTokenWithUnknownSignerIssuer", "2021-09-17T14:09:09Z..2021-09-17T14:09:11Z"),
            ("TimeStampTokenWithoutCertificate", "NoCertificate"),
            ("TimeStampTokenWithoutSignedAttributeContentType", "Malformed"),
            ("TimeStampTokenWithoutSignedAttributeDigest", "Malformed"),
            ("TimeStampTokenWithoutSignedAttributes", "Malformed"),
            ("TimeStampTokenWithoutSigner", "Malformed"),
        ],
    );
}

#[test]
fn the_tokens_of_notation_are_judged_as_upstream_judges_them() {
    check(
        "notation-core-go: tokens",
        "notation-core-go/internal/timestamp/testdata",
        &[("TimeStampTokenWithInvalidSignature", "Signature")],
    );
    check(
        "notation-go: tokens",
        "notation-go/verifier/testdata/timestamp/countersignature",
        &[
            ("TimeStampToken", "2021-09-17T14:09:09Z..2021-09-17T14:09:11Z"),
            ("TimeStampTokenWithInvalidTSTInfo", "Signature"),
            ("TimeStampTokenWithInvalideContentType", "Malformed"),
            ("TimeStampTokenWithoutCertificate", "NoCertificate"),
        ],
    );
}

/// The token alone counts: what is unsigned around it says nothing.
#[test]
fn the_responses_of_tspclient_are_judged() {
    let found =
        ["granted.tsq", "malformed.tsq", "rejection.tsq", "validResponseWithSigningCertificateV1.tsr"].map(
            |file| {
                let response = fs::read(upstream(&format!("tspclient-go/testdata/{file}"))).unwrap();
                let token = token_of(&response);
                let outcome = token
                    .map_or_else(|| "no token".to_owned(), |it| outcome(verify(&it, b"notation", &roots())));
                (file, outcome)
            },
        );
    // The last has no signingCertificateV2, only the older attribute with SHA-1.
    let expected = ["2021-09-18T11:54:33Z..2021-09-18T11:54:35Z", "no token", "no token", "Malformed"];
    assert_eq!(found.each_ref().map(|(_, outcome)| outcome.as_str()), expected);
    report("tspclient-go: responses", found.iter().map(|(_, outcome)| outcome));
}

#[test]
fn a_token_counts_only_for_its_message_and_below_its_root() {
    let token = fs::read(upstream("tspclient-go/testdata/TimeStampToken.p7s")).unwrap();
    assert_eq!(verify(&token, b"notatiom", &roots()), Err(TimestampError::OtherMessage));
    assert_eq!(verify(&token, b"notation", &trust(Store::default())), Err(TimestampError::Untrusted));
    let mut other = Store::default();
    let file = "notation-go/verifier/testdata/truststore/x509/tsa/test-mismatch/DigiCertTSARootSHA384.cer";
    other.add(&fs::read(upstream(file)).unwrap()).unwrap();
    assert_eq!(verify(&token, b"notation", &trust(other)), Err(TimestampError::Untrusted));
    let large = vec![0x30; MAX_TOKEN_BYTES + 1];
    assert_eq!(verify(&large, b"", &roots()), Err(TimestampError::TooLarge { found: MAX_TOKEN_BYTES + 1 }));
}

/// RFC 3161 section 2.4.2: a status, and the token.
#[test]
fn the_token_of_a_response_is_what_the_authority_signed() {
    let token = fs::read(upstream("tspclient-go/testdata/TimeStampToken.p7s")).unwrap();
    let response = |parts: &[&[u8]]| {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82], &length[..], &content].concat()
    };
    let granted = [0x30, 3, 2, 1, 0];
    let found = token_of(&response(&[&granted, &token])).unwrap();
    assert_eq!(found, token);
    assert!(verify(&found, b"notation", &roots()).is_ok());
    for refused in
        [response(&[&granted]), response(&[&granted, &token, &token]), granted.to_vec(), token, vec![]]
    {
        let found = token_of(&refused);
        assert!(found.is_none_or(|token| verify(&token, b"notation", &roots()).is_err()));
    }
}

/// Whichever key of the chain is revoked.
#[test]
fn a_token_below_a_revoked_key_does_not_count() {
    let token = fs::read(upstream("tspclient-go/testdata/TimeStampToken.p7s")).unwrap();
    let parsed = Token::parse(&token).unwrap();
    let certificates: Vec<_> =
        parsed.certificates.iter().map(|der| Certificate::parse(der).unwrap()).collect();
    let (hash, hashed) = parsed.signer.certificate_hash;
    let leaf = certificates.iter().find(|it| hash.digest(it.der()) == hashed).unwrap();
    let chain = Chain::find(leaf.clone(), &certificates, roots().tsa.certificates(), Purpose::Timestamping);
    let chain = chain.unwrap().unwrap();
    let keys: Vec<String> = chain.certificates().map(|it| Digest::of(it.key()).to_string()).collect();
    assert!(keys.len() > 1);
    for key in keys {
        let denied = NotationSet { revoked: BTreeMap::from([(key, "stolen".to_owned())]), ..roots() };
        assert_eq!(outcome(verify(&token, b"notation", &denied)), "Revoked");
    }
    let others = BTreeMap::from([(Digest::of(b"other").to_string(), "stolen".to_owned())]);
    assert!(verify(&token, b"notation", &NotationSet { revoked: others, ..roots() }).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The time of a token stays the same, whatever is changed around what is signed.
    #[test]
    fn a_mutated_token_means_the_same_or_nothing(at in any::<prop::sample::Index>(), byte: u8) {
        let mut token = fs::read(upstream("tspclient-go/testdata/TimeStampToken.p7s")).unwrap();
        let good = verify(&token, b"notation", &roots()).unwrap();
        let at = at.index(token.len());
        token[at] = byte;
        if let Ok(stamped) = verify(&token, b"notation", &roots()) {
            prop_assert_eq!(stamped, good);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_timestamp(token in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify(&token, b"notation", &roots()).is_err());
    }
}
