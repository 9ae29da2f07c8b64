use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::*;
use crate::public_suites;
use crate::trust::Algorithm;

mod revocation;

fn fixture(path: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/notation");
    fs::read(fixtures.join(path)).unwrap()
}

/// A certificate that a test makes, with its key.
struct Party {
    params: CertificateParams,
    key: KeyPair,
}

impl Party {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in [
            (DnType::CountryName, "US"),
            (DnType::StateOrProvinceName, "WA"),
            (DnType::OrganizationName, "pullgate"),
            (DnType::CommonName, name),
        ] {
            params.distinguished_name.push(kind, value);
        }
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn ca(name: &str, below: Option<u8>) -> Self {
        let mut party = Self::new(name);
        let constraints = below.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained);
        party.params.is_ca = IsCa::Ca(constraints);
        party.params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        party
    }

    fn leaf(name: &str) -> Self {
        let mut party = Self::new(name);
        party.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        party.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        party
    }

    fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    fn by(&self, issuer: &Self) -> Certificate {
        let signer = Issuer::from_params(&issuer.params, &issuer.key);
        Certificate::parse(self.params.signed_by(&self.key, &signer).unwrap().der()).unwrap()
    }

    fn own(&self) -> Certificate {
        Certificate::parse(self.params.self_signed(&self.key).unwrap().der()).unwrap()
    }
}

/// The kind of the error, or `ok`.
fn outcome<T>(result: Result<T, X509Error>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{error:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned(),
    }
}

/// Without an extended key usage if there is none.
fn usages(usages: Vec<ExtendedKeyUsagePurpose>) -> Certificate {
    let party = Party::leaf("leaf").with(|params| params.extended_key_usages = usages);
    party.own()
}

#[test]
fn chains_are_judged_by_the_rules_of_the_notary_project() {
    let (root, middle, leaf) = (Party::ca("root", None), Party::ca("middle", Some(0)), Party::leaf("leaf"));
    let other = Party::ca("root", None);
    let under = |ca: &Party| vec![leaf.by(ca), ca.by(&root), root.own()];
    let without_usage = Party::ca("middle", None).with(|params| params.key_usages.clear());
    let not_signing =
        Party::ca("middle", None).with(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    let not_ca = Party::ca("middle", None).with(|params| params.is_ca = IsCa::ExplicitNoCa);
    let two_uses =
        Party::leaf("leaf").with(|params| params.key_usages.push(KeyUsagePurpose::KeyEncipherment));
    let no_use = Party::leaf("leaf").with(|params| params.key_usages.clear());
    let ca_leaf = Party::leaf("leaf").with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let deep = Party::ca("deep", None);
    for (name, chain, expected) in [
        ("three", under(&middle), "ok"),
        ("two", vec![leaf.by(&root), root.own()], "ok"),
        ("a self-signed leaf", vec![leaf.own()], "ok"),
        ("nothing", vec![], "EmptyChain"),
        ("nine", vec![leaf.own(); 9], "LongChain"),
        ("a hundred", vec![leaf.own(); 100], "LongChain"),
        ("no root", vec![leaf.by(&middle), middle.by(&root)], "NoRoot"),
        ("only the leaf", vec![leaf.by(&root)], "NoRoot"),
        ("the root twice", vec![leaf.by(&root), root.own(), root.own()], "SelfSignedInside"),
        ("a self-signed leaf and a root", vec![leaf.own(), root.own()], "SelfSignedInside"),
        ("the wrong order", vec![leaf.by(&middle), root.own(), middle.by(&root)], "PathLength"),
        ("a gap", vec![leaf.by(&middle), root.own()], "NotIssuedBy"),
        ("another CA of the same name", vec![leaf.by(&root), other.own()], "NotIssuedBy"),
        ("a leaf as CA", vec![leaf.by(&leaf), leaf.by(&root), root.own()], "NotCa"),
        ("an issuer that is not a CA", under(&not_ca), "NotCa"),
        ("a CA without key usage", under(&without_usage), "KeyUsage"),
        ("a CA that signs no certificates", under(&not_signing), "KeyUsage"),
        (
            "a path too long",
            vec![leaf.by(&deep), deep.by(&middle), middle.by(&root), root.own()],
            "PathLength",
        ),
        ("a CA as leaf", vec![middle.by(&root), root.own()], "CaLeaf"),
        ("a leaf that is a CA", vec![ca_leaf.own()], "CaLeaf"),
        ("a leaf with a second use", vec![two_uses.own()], "KeyUsage"),
        ("a leaf without key usage", vec![no_use.own()], "KeyUsage"),
        ("a leaf without extended key usage", vec![usages(vec![])], "ok"),
        ("a leaf for TLS", vec![usages(vec![ExtendedKeyUsagePurpose::ServerAuth])], "ExtendedKeyUsage"),
        ("a leaf for anything", vec![usages(vec![ExtendedKeyUsagePurpose::Any])], "ExtendedKeyUsage"),
        (
            "a leaf for code and timestamps",
            vec![usages(vec![ExtendedKeyUsagePurpose::CodeSigning, ExtendedKeyUsagePurpose::TimeStamping])],
            "ExtendedKeyUsage",
        ),
    ] {
        assert_eq!(outcome(Chain::check(chain, Purpose::CodeSigning)), expected, "{name}");
    }
}

#[test]
fn a_timestamp_authority_has_only_its_usage() {
    let root = Party::ca("root", None);
    for (name, usages, expected) in [
        ("time stamping", vec![ExtendedKeyUsagePurpose::TimeStamping], "ExtendedKeyUsage"),
        ("none", vec![], "ExtendedKeyUsage"),
    ] {
        // rcgen marks no extended key usage as critical.
        let leaf = Party::leaf("tsa").with(|params| params.extended_key_usages = usages).by(&root);
        assert_eq!(outcome(Chain::check(vec![leaf, root.own()], Purpose::Timestamping)), expected, "{name}");
    }
    let upstream = |part| {
        let path = format!("upstream/notation-core-go/x509/testdata/timestamp_{part}.crt");
        Certificate::parse(&fixture(&path)).unwrap()
    };
    let chain = vec![upstream("leaf"), upstream("intermediate"), upstream("root")];
    assert_eq!(outcome(Chain::check(chain.clone(), Purpose::Timestamping)), "ok");
    assert_eq!(outcome(Chain::check(chain, Purpose::CodeSigning)), "ExtendedKeyUsage");
}

/// As Go's `crypto/x509`, which tspclient-go asks for this usage, checks all of a chain.
#[test]
fn a_ca_of_a_timestamp_authority_may_be_limited() {
    let mut usage = CustomExtension::from_oid_content(
        &[2, 5, 29, 37],
        vec![0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08],
    );
    usage.set_criticality(true);
    let leaf = Party::leaf("tsa").with(|params| {
        params.extended_key_usages.clear();
        params.custom_extensions = vec![usage];
    });
    // Permits nothing but one host.
    let names = vec![0x30, 0x06, 0xa0, 0x04, 0x30, 0x02, 0x82, 0x00];
    let names = CustomExtension::from_oid_content(&[2, 5, 29, 30], names);
    let root = Party::ca("root", None);
    for (name, usages, extensions, expected) in [
        ("no limit", vec![], vec![], "ok"),
        ("time stamping", vec![ExtendedKeyUsagePurpose::TimeStamping], vec![], "ok"),
        ("anything", vec![ExtendedKeyUsagePurpose::Any], vec![], "ok"),
        ("code signing", vec![ExtendedKeyUsagePurpose::CodeSigning], vec![], "ExtendedKeyUsage"),
        ("TLS", vec![ExtendedKeyUsagePurpose::ServerAuth], vec![], "ExtendedKeyUsage"),
        ("names", vec![], vec![names], "NameConstraints"),
    ] {
        let ca = Party::ca("ca", None).with(|params| {
            params.extended_key_usages = usages;
            params.custom_extensions = extensions;
        });
        let chain = vec![leaf.by(&ca), ca.by(&root), root.own()];
        assert_eq!(outcome(Chain::check(chain, Purpose::Timestamping)), expected, "{name}");
    }
}

#[test]
fn extensions_that_are_not_evaluated_are_not_ignored() {
    let extension = |oid: &[u64], critical| {
        let mut extension = CustomExtension::from_oid_content(oid, vec![0x05, 0x00]);
        extension.set_criticality(critical);
        extension
    };
    let parse = |extensions: Vec<CustomExtension>| {
        let party = Party::leaf("leaf").with(|params| params.custom_extensions = extensions);
        outcome(Certificate::parse(party.params.self_signed(&party.key).unwrap().der()))
    };
    assert_eq!(parse(vec![extension(&[1, 2, 3], false)]), "ok");
    assert_eq!(parse(vec![extension(&[1, 2, 3], true)]), "CriticalExtension");
    assert_eq!(parse(vec![extension(&[2, 5, 29, 30], true)]), "CriticalExtension", "name constraints");
    assert_eq!(parse(vec![extension(&[1, 2, 3], false), extension(&[1, 2, 3], false)]), "DuplicateExtension");
    assert_eq!(parse(vec![extension(&[2, 5, 29, 19], false)]), "MalformedExtension", "basic constraints");
    assert_eq!(outcome(Certificate::parse(&vec![0x30; MAX_CERTIFICATE_BYTES + 1])), "TooLarge");
}

#[test]
fn a_chain_is_valid_when_all_of_it_is() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let root = Party::ca("root", None);
    let leaf = Party::leaf("leaf").with(|params| {
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    });
    let chain = Chain::check(vec![leaf.by(&root), root.own()], Purpose::CodeSigning).unwrap();
    for (from, until, expected) in [
        ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "ok"),
        ("2024-12-31T23:59:59Z", "2025-06-01T00:00:00Z", "Outside"),
        ("2025-06-01T00:00:00Z", "2026-01-01T00:00:01Z", "Outside"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "Outside"),
    ] {
        assert_eq!(outcome(chain.check_validity(at(from), at(until))), expected, "{from}");
    }
    assert_eq!(chain.expires(), at("2026-01-01T00:00:00Z"));
}

#[test]
fn a_leaf_is_no_anchor_unless_it_is_self_signed() {
    let (root, middle, leaf) = (Party::ca("root", None), Party::ca("middle", None), Party::leaf("leaf"));
    let certificates = vec![leaf.by(&middle), middle.by(&root), root.own()];
    let chain = Chain::check(certificates.clone(), Purpose::CodeSigning).unwrap();
    let alone = Chain::check(vec![leaf.own()], Purpose::CodeSigning).unwrap();
    let store = |certificate: &Certificate| {
        let mut store = Store::default();
        store.add(certificate.der()).map(|()| store)
    };
    assert_eq!(outcome(store(&certificates[0])), "NotAnAnchor");
    assert!(store(&certificates[1]).unwrap().anchors(&chain));
    assert!(store(&certificates[2]).unwrap().anchors(&chain));
    assert!(store(alone.leaf()).unwrap().anchors(&alone));
    assert!(!store(alone.leaf()).unwrap().anchors(&chain));
    assert!(!store(&certificates[2]).unwrap().anchors(&alone));
    assert!(!Store::default().anchors(&chain));
    assert_eq!(outcome(store(&certificates[1]).unwrap().check_roots()), "NotARoot");
    assert_eq!(outcome(store(&certificates[2]).unwrap().check_roots()), "ok");
}

#[test]
fn the_stores_of_notation_are_judged_as_upstream_judges_them() {
    const STORES: &str = "upstream/notation-go/verifier/testdata/truststore/x509";
    const CORE: &str = "../../../../../notation-core-go/x509/testdata";
    let stores = [
        ("ca/valid-trust-store/GlobalSign.der", "ok"),
        ("ca/valid-trust-store/GlobalSignRootCA.crt", "ok"),
        ("ca/valid-trust-store/NotationTestRoot.pem", "ok"),
        ("ca/valid-trust-store/TestTimestamp.crt", "ok"),
        ("ca/valid-trust-store/TestTimestampNotYetValid.crt", "ok"),
        ("ca/valid-trust-store/wabbit-networks.io.crt", "ok"),
        ("ca/valid-trust-store-self-signed/openssl-minimum-self-signed.pem", "ok"),
        ("ca/trust-store-with-invalid-certs/invalid", "Pem"),
        ("ca/trust-store-with-leaf-certs/non-ca.crt", "NotAnAnchor"),
        ("ca/trust-store-with-leaf-certs/GlobalSignRootCA.crt", "ok"),
        ("ca/trust-store-with-leaf-certs-in-single-file/RootAndLeafCerts.crt", "NotAnAnchor"),
        ("tsa/test-mismatch/DigiCertTSARootSHA384.cer", "ok"),
        ("tsa/test-nonCA/wabbit-networks.io.crt", "ok"),
        ("tsa/test-nonSelfIssued/nonSelfIssued.crt", "NotARoot"),
        ("tsa/test-timestamp/globalsignRoot.cer", "ok"),
        // Upstream reads both certificates; the second could be overlooked, and PEM says how many there are.
        (&format!("{CORE}/multi-der.der"), "Malformed"),
        (&format!("{CORE}/multi-pem.crt"), "ok"),
        (&format!("{CORE}/invalid"), "Pem"),
    ];
    let mut accepted = 0;
    for (file, expected) in stores {
        let mut store = Store::default();
        let mut result = store.add(&fixture(&format!("{STORES}/{file}")));
        if file.starts_with("tsa/") {
            result = result.and_then(|()| store.check_roots());
        }
        accepted += usize::from(result.is_ok());
        assert_eq!(outcome(result), expected, "{file}");
    }
    public_suites::report(
        "notation-go and notation-core-go: trust stores",
        accepted,
        stores.len() - accepted,
    );
    let root = Party::ca("root", None);
    let (mut many, mut same, own) = (Store::default(), Store::default(), root.own());
    assert_eq!(outcome((0..=MAX_STORE).try_for_each(|_| many.add(root.own().der()))), "LargeStore");
    assert_eq!(
        outcome((0..=MAX_STORE).try_for_each(|_| same.add(own.der()))),
        "ok",
        "a certificate counts once"
    );
}

#[test]
fn the_size_of_an_rsa_key_says_the_hash() {
    for (key, other) in [
        ("rsa2048", None),
        ("rsa3072", Some(Algorithm::RsaPkcs1Sha384)),
        ("rsa4096", Some(Algorithm::RsaPkcs1Sha512)),
    ] {
        let [certificate] = &certificates_of(&fixture(&format!("cli/{key}.root.pem"))).unwrap()[..] else {
            panic!("not one")
        };
        let expected: Vec<Algorithm> = std::iter::once(Algorithm::RsaPkcs1Sha256).chain(other).collect();
        assert_eq!(signing_algorithms(certificate.key()), expected, "{key}");
    }
}

/// Upstream's own table, in `notation-go/verifier/verifier_test.go`, with what is different: here an identity of another kind is
/// an error of the policy.
#[test]
fn the_identities_of_notation_go_are_judged() {
    const CERTIFICATES: &str = "upstream/notation-go/verifier/testdata/verifier";
    let certificate = |file: &str| certificates_of(&fixture(&format!("{CERTIFICATES}/{file}")));
    let [signing, bad] =
        ["signing-cert.pem", "bad-cert.pem"].map(|file| certificate(file).unwrap().remove(0));
    let identities = [
        (&["x509.subject:C=US,O=SomeOrg,ST=WA"][..], "accepted"),
        (&["x509.subject:C=US,O=SomeOrg,ST=WA", "nonX509Prefix:my-custom-identity"], "Prefix"),
        (&["x509.subject:C=US,O=SomeOrg,ST=WA", "x509.subject:C=IND,O=SomeOrg,ST=TS"], "accepted"),
        (&["nonX509Prefix:my-custom-identity"], "Prefix"),
        (&["*"], "accepted"),
        (&["x509.subject:C=IND,O=SomeOrg,ST=TS"], "refused"),
        (&["x509.subject:C=IND,O=SomeOrg,ST=TS", "nonX509Prefix:my-custom-identity"], "Prefix"),
        (&["x509.subject:C=IND,O=SomeOrg,ST=TS", "x509.subject:C=LOL,O=LOL,ST=LOL"], "refused"),
        (&["x509.subject:C=bad=#identity,O=LOL,ST=LOL"], "refused"),
    ];
    let judge = |leaf: &Certificate, texts: &[&str]| match Subjects::parse(texts.iter().copied()) {
        Ok(subjects) if subjects.accept(leaf) => "accepted".to_owned(),
        Ok(_) => "refused".to_owned(),
        Err(error) => format!("{error:?}").split([' ', '(', '{']).next().unwrap().to_owned(),
    };
    for (texts, expected) in identities {
        assert_eq!(judge(&signing, texts), expected, "{texts:?}");
    }
    // Its CN is `Bad=#CN`, which upstream's parser of names refuses. Here the attributes are compared, not a text.
    assert_eq!(judge(&bad, &["x509.subject:C=US,O=SomeOrg,ST=WA"]), "accepted");
    let accepted = identities.iter().filter(|(_, outcome)| *outcome == "accepted").count();
    public_suites::report("notation-go: identities", accepted + 1, identities.len() - accepted);
}

/// sigstore-python made them for its rules of what a CA and a leaf is. The root issued the leaves; the two others issued nothing.
/// sigstore-python refuses a CA without a key usage, one whose basic constraints are not critical, and a leaf without an extended
/// key usage: rules of Fulcio, where a private PKI has those of RFC 5280.
#[test]
fn the_certificates_of_sigstore_verify_are_judged() {
    let certificate = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../tests/fixtures/sigstore/x509/bogus-{name}.pem"));
        certificates_of(&fs::read(path).unwrap()).unwrap().remove(0)
    };
    let certificates = [
        ("root", "ok"),
        ("root-invalid-ku", "KeyUsage"),
        ("root-missing-ku", "ok"),
        ("root-noncritical-bc", "ok"),
        ("intermediate", "NotIssuedBy"),
        ("intermediate-with-eku", "NotIssuedBy"),
        ("leaf", "ok"),
        ("leaf-invalid-eku", "ExtendedKeyUsage"),
        ("leaf-invalid-ku", "KeyUsage"),
        ("leaf-missing-eku", "ok"),
    ];
    let found = certificates.map(|(name, _)| {
        let chain = if name.starts_with("leaf") { [name, "root"] } else { ["leaf", name] };
        (name, outcome(Chain::check(chain.map(certificate).into(), Purpose::Signing)))
    });
    assert_eq!(found.each_ref().map(|(name, outcome)| (*name, outcome.as_str())), certificates);
    let accepted = found.iter().filter(|(_, outcome)| outcome == "ok").count();
    public_suites::report("sigstore-verify: usages of certificates", accepted, found.len() - accepted);
}

/// Where upstream looks for delta CRLs: they are not read, and do not hide the complete list.
#[test]
fn the_certificates_of_notation_core_go_are_read() {
    const DIRECTORY: &str = "upstream/notation-core-go/revocation/crl/testdata/certificateWith";
    let certificates = [
        ("2DeltaCRL", "ok"),
        ("DeltaCRL", "ok"),
        ("IncompleteFreshestCRL", "ok"),
        ("IncompleteFreshestCRL2", "ok"),
        ("NonURIDeltaCRL", "ok"),
        ("ZeroDeltaCRLURL", "ok"),
    ];
    let found = certificates.map(|(name, _)| {
        let read = certificates_of(&fixture(&format!("{DIRECTORY}{name}.cer")));
        (name, outcome(read))
    });
    assert_eq!(found.each_ref().map(|(name, outcome)| (*name, outcome.as_str())), certificates);
    let accepted = found.iter().filter(|(_, outcome)| outcome == "ok").count();
    public_suites::report("notation-core-go: certificates with delta CRLs", accepted, found.len() - accepted);
}

/// RFC 5280 section 4.1.2.5.
#[test]
fn a_certificate_may_have_no_end() {
    let party = Party::leaf("leaf").with(|params| params.not_after = rcgen::date_time_ymd(9999, 12, 31));
    let chain = Chain::check(vec![party.own()], Purpose::CodeSigning).unwrap();
    assert_eq!(chain.expires(), Timestamp::MAX);
    let late = "9999-12-01T00:00:00Z".parse().unwrap();
    assert_eq!(chain.check_validity(late, late), Ok(()));
}

#[test]
fn identities_are_sets_of_attributes() {
    let leaf = Party::leaf("signer").with(|params| {
        params.distinguished_name.push(DnType::OrganizationalUnitName, "a, b+c \\ \"d\" ü");
    });
    let leaf = leaf.own();
    for (identities, expected) in [
        (&["*"][..], "yes"),
        (&["x509.subject: C=US, ST=WA, O=pullgate"], "yes"),
        (&["x509.subject:C=US,ST=WA,O=pullgate,CN=signer"], "yes"),
        (&["x509.subject: C=US, S=WA, O=pullgate"], "yes"),
        (&["x509.subject: C=US, ST=WA, O=pullgate, OU=a\\, b\\+c \\\\ \\\"d\\\" \\c3\\bc"], "yes"),
        (&["x509.subject: O = pullgate , ST = WA , C = US"], "yes"),
        (&["x509.subject: C=US, ST=WA, O=pullgate, L=Seattle"], "no"),
        (&["x509.subject: C=US, ST=WA, O=Pullgate"], "no"),
        (&["x509.subject: C=US, ST=WA, O=pullgate\\ "], "no"),
        (&["x509.subject: C=US, ST=WA, O=other", "x509.subject: C=US, ST=WA, O=pullgate"], "yes"),
        (&[], "Missing"),
        (&["*", "x509.subject: C=US, ST=WA, O=pullgate"], "WildcardWithOthers"),
        (&["C=US, ST=WA, O=pullgate"], "Prefix"),
        (&["x509.subject: *"], "Syntax"),
        (&["x509.subject:"], "Syntax"),
        (&["x509.subject: C=US, ST=WA"], "Lacks"),
        (&["x509.subject: C=US, O=pullgate"], "Lacks"),
        (&["x509.subject: C=US, ST=WA, O=pullgate, O=other"], "Twice"),
        (&["x509.subject: C=US, ST=WA, S=WA, O=pullgate"], "Twice"),
        (&["x509.subject: C=US, ST=WA, O=pullgate+OU=x"], "MultiValued"),
        (&["x509.subject: C=US, ST=WA, O=#0c026869"], "Hexadecimal"),
        (&["x509.subject: C=US, ST=WA, O=pullgate, DC=x"], "Attribute"),
        (&["x509.subject: c=US, ST=WA, O=pullgate"], "Attribute"),
        (&["x509.subject: C=US, ST=WA, O="], "Syntax"),
        (&["x509.subject: C=US, ST=WA, O=\"pullgate\""], "Syntax"),
        (&["x509.subject: C=US, ST=WA, O=a\\zz"], "Syntax"),
        (&["x509.subject: C=US, ST=WA, O=a\\ff"], "Syntax"),
        (&["x509.subject: C=US, ST=WA, O=a\\"], "Syntax"),
        (&["x509.subject: C=US, ST=WA, O=a", "x509.subject: C=US, ST=WA, O=a, CN=b"], "Overlap"),
        (&["x509.subject: C=US, ST=WA, O=a", "x509.subject: C=US, ST=WA, O=a"], "Overlap"),
    ] {
        let found = match Subjects::parse(identities.iter().copied()) {
            Ok(identities) if identities.accept(&leaf) => "yes".to_owned(),
            Ok(_) => "no".to_owned(),
            Err(error) => format!("{error:?}").split(' ').next().unwrap_or_default().to_owned(),
        };
        assert_eq!(found, expected, "{identities:?}");
    }
}

#[test]
fn a_subject_that_identities_cannot_express_is_accepted_only_by_the_wildcard() {
    let pattern = Subjects::parse(["x509.subject: C=US, ST=WA, O=pullgate"]).unwrap();
    let mail = Party::leaf("signer").with(|params| {
        params.distinguished_name.push(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "a@example");
    });
    assert!(!pattern.accept(&mail.own()));
    assert!(Subjects::Any.accept(&mail.own()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A changed certificate is not issued by its issuer any more, or it is the same.
    #[test]
    fn a_mutated_certificate_breaks_its_chain(at in any::<prop::sample::Index>(), byte: u8) {
        let root = fixture("cli/rsa2048.root.pem");
        let der = crate::trust::pem::read_one(std::str::from_utf8(&root).unwrap()).unwrap().der.to_vec();
        let mut changed = der.clone();
        let at = at.index(der.len());
        changed[at] = byte;
        if let Ok(certificate) = Certificate::parse(&changed) {
            prop_assert!(changed == der || !certificate.is_self_signed());
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
        prop_assert!(Certificate::parse(&bytes).is_err());
        prop_assert!(Store::default().add(&bytes).is_err());
        let _ = Subjects::parse([format!("x509.subject:{text}").as_str()]);
    }
}
