//! Envelopes by the real notation, and those of the tests of notation-go and notation-core-go.

use super::*;
use crate::public_suites;

const NOW: &str = "2026-12-01T00:00:00Z";

const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

#[test]
fn notation_is_read_with_each_key_type_in_both_envelopes() {
    let manifest = fixture("cli/manifest.json");
    let digest = Digest::of(&manifest);
    let subject = subject(&digest, TYPE, manifest.len());
    let mut accepted = 0;
    for key in ["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521"] {
        let root = format!("cli/{key}.root.pem");
        let own = trust(store([root.as_str()]));
        let other = trust(store([if key == "p256" { "cli/p384.root.pem" } else { "cli/p256.root.pem" }]));
        for format in ["jws", "cose"] {
            let envelope = fixture(&format!("cli/{key}.{format}"));
            let name = format!("{key} {format}");
            let signer = verify(&envelope, &own, &subject, at(NOW)).unwrap();
            let identity = format!("x509.subject: c=us, cn={key}-leaf, o=pullgate, st=wa");
            assert_eq!(signer.identity().as_str(), identity, "{name}");
            assert!(signer.valid_until().is_some_and(|until| until > at("2100-01-01T00:00:00Z")), "{name}");
            accepted += 1;
            let refused = |trust: &NotationSet, subject: &Subject<'_>, now| {
                outcome(&verify(&envelope, trust, subject, at(now)))
            };
            assert_eq!(refused(&other, &subject, NOW), "Untrusted", "{name}");
            let signing_authority = NotationSet {
                ca: Store::default(),
                signing_authority: own.ca.clone(),
                ..trust(Store::default())
            };
            assert_eq!(refused(&signing_authority, &subject, NOW), "Untrusted", "{name}");
            let subjects = Subjects::parse(["x509.subject: C=US, ST=WA, O=other"]).unwrap();
            let identity = NotationSet { subjects, ..own.clone() };
            assert_eq!(refused(&identity, &subject, NOW), "Identity", "{name}");
            let name_of = format!("x509.subject: CN={key}-leaf, C=US, ST=WA, O=pullgate");
            let subjects = Subjects::parse([name_of.as_str()]).unwrap();
            let identity = NotationSet { subjects, ..own.clone() };
            assert_eq!(refused(&identity, &subject, NOW), "ok", "{name}");
            let other_digest = Digest::of(b"other");
            assert_eq!(
                refused(&own, &Subject { digest: &other_digest, ..subject }, NOW),
                "OtherDigest",
                "{name}"
            );
            let media_type = Subject { content: ("application/json", manifest.len()), ..subject };
            assert_eq!(refused(&own, &media_type, NOW), "OtherTarget", "{name}");
            let size = Subject { content: (TYPE, manifest.len() + 1), ..subject };
            assert_eq!(refused(&own, &size, NOW), "OtherTarget", "{name}");
            for now in ["2026-01-01T00:00:00Z", "2200-01-01T00:00:00Z"] {
                assert_eq!(refused(&own, &subject, now), "NotValidNow: Outside", "{name}");
            }
            let permissive = NotationSet { level: VerificationLevel::Permissive, ..own.clone() };
            assert_eq!(refused(&permissive, &subject, "2200-01-01T00:00:00Z"), "ok", "{name}");
            let tsa = NotationSet { tsa: own.ca.clone(), ..own.clone() };
            assert_eq!(refused(&tsa, &subject, NOW), "NoTimestamp", "{name}");
            let after = NotationSet { timestamps: TimestampCheck::AfterExpiry, ..tsa };
            assert_eq!(refused(&after, &subject, NOW), "ok", "{name}");
            assert_eq!(refused(&after, &subject, "2200-01-01T00:00:00Z"), "Expired", "{name}");
        }
    }
    assert_eq!(accepted, 12);
}

/// What an operator does about each is different.
#[test]
fn each_fault_is_told_apart() {
    let manifest = fixture("cli/manifest.json");
    let digest = Digest::of(&manifest);
    let subject = subject(&digest, TYPE, manifest.len());
    let own = trust(store(["cli/p256.root.pem"]));
    let denied = fixture("cli/p256.jws");
    let leaf = read_chain(&jws::open(&denied).unwrap().chain).unwrap();
    let revoked = BTreeMap::from([(Digest::of(leaf.leaf().key()).to_string(), "stolen".to_owned())]);
    let subjects = Subjects::parse(["x509.subject: C=US, ST=WA, O=other"]).unwrap();
    let with_tsa = NotationSet { tsa: own.ca.clone(), ..own.clone() };
    let after_expiry = NotationSet { timestamps: TimestampCheck::AfterExpiry, ..with_tsa.clone() };
    for (file, trust, now, expected) in [
        ("p256.jws", trust(store(["cli/p384.root.pem"])), NOW, Fault::UntrustedCertificate),
        ("p256.jws", NotationSet { subjects, ..own.clone() }, NOW, Fault::WrongIdentity),
        ("p256.jws", NotationSet { revoked, ..own.clone() }, NOW, Fault::CertificateRevoked),
        ("p256.jws", own.clone(), "2200-01-01T00:00:00Z", Fault::CertificateNotValidNow),
        ("p256.jws", after_expiry, "2200-01-01T00:00:00Z", Fault::CertificateNotValidNow),
        ("p256.jws", with_tsa, NOW, Fault::NoSigningTime),
        ("expiry.cose", own, "2027-01-01T00:00:00Z", Fault::SignatureExpired),
    ] {
        let error = verify(&fixture(&format!("cli/{file}")), &trust, &subject, at(now)).unwrap_err();
        assert_eq!(error.fault(), Some(expected), "{error}");
    }
    for (file, expected) in
        [("ca_plugin_sig_env.json", Some(Fault::VerificationPlugin)), ("ca_invalid_sig_env.json", None)]
    {
        let envelope = fixture(&format!("upstream/notation-go/internal/mock/testdata/{file}"));
        let trust = NotationSet::below(Store::default());
        assert_eq!(verify(&envelope, &trust, &subject, at(NOW)).unwrap_err().fault(), expected, "{file}");
    }
}

#[test]
fn an_expired_signature_is_not_valid() {
    let trust = trust(store(["cli/p256.root.pem"]));
    let manifest = fixture("cli/manifest.json");
    let digest = Digest::of(&manifest);
    let subject = subject(&digest, TYPE, manifest.len());
    for format in ["jws", "cose"] {
        let envelope = fixture(&format!("cli/expiry.{format}"));
        let signer = verify(&envelope, &trust, &subject, at("2026-11-30T12:00:00Z")).unwrap();
        let until = signer.valid_until().unwrap();
        assert!(until < at(NOW) + jiff::SignedDuration::from_hours(24), "{until}");
        assert_eq!(outcome(&verify(&envelope, &trust, &subject, until)), "Expired", "{format}");
        let permissive = NotationSet { level: VerificationLevel::Permissive, ..trust.clone() };
        assert_eq!(outcome(&verify(&envelope, &permissive, &subject, until)), "ok", "{format}");
    }
}

#[test]
fn annotations_of_the_target_are_allowed_and_can_be_required() {
    let trust = trust(store(["cli/p256.root.pem"]));
    let manifest = fixture("cli/manifest.json");
    let digest = Digest::of(&manifest);
    let subject = subject(&digest, TYPE, manifest.len());
    let metadata = fixture("cli/metadata.jws");
    for (key, value, expected) in [
        ("team", "payments", "ok"),
        ("team", "other", "Annotation"),
        ("Team", "payments", "Annotation"),
        ("build", "1", "Annotation"),
    ] {
        let required = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let required = Subject { annotations: &required, ..subject };
        assert_eq!(outcome(&verify(&metadata, &trust, &required, at(NOW))), expected, "{key}={value}");
        assert_eq!(outcome(&verify(&fixture("cli/p256.jws"), &trust, &required, at(NOW))), "Annotation");
    }
    assert_eq!(outcome(&verify(&metadata, &trust, &subject, at(NOW))), "ok");
}

/// The judgement of upstream is in `notation-go/verifier/verifier_test.go` and `timestamp_test.go`. Where it differs:
/// upstream runs plug-ins, and the test of the metadata is at a level that trusts every signer.
#[test]
fn the_envelopes_of_notation_go_are_judged_as_upstream_judges_them() {
    const MOCK: &str = "upstream/notation-go/internal/mock/testdata";
    let root =
        "upstream/notation-go/verifier/testdata/truststore/x509/ca/valid-trust-store/NotationTestRoot.pem";
    let ca = store([root]);
    let trust = NotationSet { signing_authority: ca.clone(), ..trust(ca) };
    let found = judge(MOCK, |envelope, subject| verify(envelope, &trust, subject, at(NOW)));
    let expected = [
        ("ca_compatible_pluginver_sig_env_0.0.9.json", "Plugin"),
        ("ca_compatible_pluginver_sig_env_1.0.0-alpha.beta.json", "Plugin"),
        ("ca_compatible_pluginver_sig_env_1.0.0-alpha.json", "Plugin"),
        ("ca_compatible_pluginver_sig_env_1.0.0.json", "Plugin"),
        ("ca_expired_sig_env.json", "Expired"),
        ("ca_incompatible_pluginver_sig_env_1.0.1.json", "Plugin"),
        ("ca_incompatible_pluginver_sig_env_1.0.9.json", "Plugin"),
        ("ca_incompatible_pluginver_sig_env_1.1.0-alpha.json", "Plugin"),
        ("ca_incompatible_pluginver_sig_env_1.2.3.json", "Plugin"),
        ("ca_invalid_sig_env.json", "Base64Url"),
        ("ca_plugin_sig_env.json", "Plugin"),
        ("ca_valid_sig_env.json", "ok"),
        ("sa_expired_sig_env.json", "Expired"),
        ("sa_invalid_sig_env.json", "Base64Url"),
        ("sa_plugin_sig_env.json", "Plugin"),
        ("sa_valid_sig_env.json", "ok"),
        ("sig_env_with_metadata.json", "Untrusted"),
    ];
    assert_eq!(found, owned(&expected));
    report("notation-go: envelopes", &found);
}

/// A suite is reported where its outcomes are asserted.
fn report(suite: &str, outcomes: &[(String, String)]) {
    let accepted = outcomes.iter().filter(|(_, outcome)| outcome == "ok").count();
    public_suites::report(suite, accepted, outcomes.len() - accepted);
}

/// Those that upstream copies or parses only. The leaf of a `.sig` is its own root.
#[test]
fn the_other_envelopes_of_notation_are_judged() {
    let digest =
        Digest::parse("sha256:19dbd2e48e921426ee8ace4dc892edfb2ecdc1d1a72d5416c83670c30acecef0").unwrap();
    let subject = subject(&digest, TYPE, 481);
    let cose = fixture("upstream/notation-core-go/signature/cose/testdata/conformance.json");
    let cose: serde_json::Value = serde_json::from_slice(&cose).unwrap();
    let hex = cose["expectedOutput"]["cborHex"].as_str().unwrap();
    let found = [
        ("cose_signature.sig", fixture("upstream/notation-go/internal/testdata/cose_signature.sig")),
        ("jws_signature.sig", fixture("upstream/notation-go/internal/testdata/jws_signature.sig")),
        // What a signer must write: with an unknown critical attribute, and without certificates. Upstream never verifies them.
        ("conformance.json of COSE", crate::digest::bytes_of_hex(&hex.to_lowercase()).unwrap()),
        (
            "conformance.json of JWS",
            fixture("upstream/notation-core-go/signature/jws/testdata/conformance.json"),
        ),
    ]
    .map(|(name, envelope)| {
        let opened = if envelope[0] == 0xd2 { cose::open(&envelope) } else { jws::open(&envelope) };
        let mut ca = Store::default();
        if let Some(root) = opened.ok().and_then(|opened| opened.chain.last().map(|der| der.to_vec())) {
            ca.add(&root).unwrap();
        }
        (name.to_owned(), outcome(&verify(&envelope, &trust(ca), &subject, at(NOW))))
    });
    let expected = [
        ("cose_signature.sig", "ok"),
        ("jws_signature.sig", "ok"),
        ("conformance.json of COSE", "Attribute"),
        ("conformance.json of JWS", "Malformed"),
    ];
    assert_eq!(found[..], owned(&expected));
    report("notation-go and notation-core-go: other envelopes", &found);
}

/// The certificates of these envelopes are trusted here: upstream's tests judge only their times.
#[test]
fn the_timestamps_of_notation_go_are_judged_as_upstream_judges_them() {
    const TIMES: &str = "upstream/notation-go/verifier/testdata/timestamp/sigEnv";
    const TSA: &str = "upstream/notation-go/verifier/testdata/truststore/x509/tsa";
    let with_tsa = |file: &str| {
        let tsa = store([format!("{TSA}/{file}").as_str()]);
        judge(TIMES, |envelope, subject| {
            let opened = if envelope[0] == 0xd2 { cose::open(envelope) } else { jws::open(envelope) };
            let mut ca = Store::default();
            ca.add(opened?.chain.last().unwrap()).unwrap();
            verify(envelope, &NotationSet { tsa: tsa.clone(), ..trust(ca) }, subject, at(NOW))
        })
    };
    let expected = [
        ("coseExpiredWithTimestamp.sig", "ok"),
        ("coseWithTimestamp.sig", "ok"),
        ("jwsExpiredWithTimestamp.sig", "ok"),
        ("jwsWithTimestamp.sig", "ok"),
        ("timestampAfterNotAfter.sig", "Outside"),
        ("timestampBeforeNotBefore.sig", "Outside"),
        ("withoutTimestamp.sig", "NoTimestamp"),
    ];
    let found = with_tsa("test-timestamp/globalsignRoot.cer");
    assert_eq!(found, owned(&expected));
    report("notation-go: envelopes with timestamps", &found);
    let untrusted = expected.map(|(name, _)| match name {
        "withoutTimestamp.sig" => (name, "NoTimestamp"),
        _ => (name, "timestamp: Untrusted"),
    });
    assert_eq!(with_tsa("test-mismatch/DigiCertTSARootSHA384.cer"), owned(&untrusted));
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned())).collect()
}

/// What becomes of every envelope in `directory`, for the target that it names itself.
fn judge(
    directory: &str,
    verify: impl Fn(&[u8], &Subject<'_>) -> Result<Signer, SignatureError>,
) -> Vec<(String, String)> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/notation");
    let mut names: Vec<String> = fs::read_dir(fixtures.join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let digests = [
        "60043cf45eaebc4c0867fea485a039b598f52fd09fd5b07b0b2d2f88fad9d74e",
        "fe7e9333395060c2f5e63cf36a38fba10176f183b4163a5794e081a480abba5f",
        "5a07385af4e6b6af81b0ebfd435aedccdfa3507f0609c658209e1aba57159b2b",
        "c0669ef34cdc14332c0f1ab0c2c01acb91d96014b172f1a76f3a39e63d1f0bda",
    ]
    .map(|hex| Digest::parse(&format!("sha256:{hex}")).unwrap());
    let judge = |name: &String| {
        let envelope = fixture(&format!("{directory}/{name}"));
        let results = digests.iter().map(|digest| {
            let subject =
                |size| subject(digest, "application/vnd.docker.distribution.manifest.v2+json", size);
            let result = outcome(&verify(&envelope, &subject(528)));
            if result == "OtherTarget" { outcome(&verify(&envelope, &subject(942))) } else { result }
        });
        let mut results: Vec<String> = results.filter(|result| result != "OtherDigest").collect();
        results.dedup();
        results.join(" or ")
    };
    names.iter().map(|name| (name.clone(), judge(name))).collect()
}
