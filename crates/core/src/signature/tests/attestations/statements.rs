//! Statements and envelopes that are not what they seem.

use super::*;

/// The statement of a review of the image, after `change`.
fn statement_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut statement = attestation(REVIEW, &json!({ "review": { "approved": true } }));
    change(&mut statement);
    statement
}

fn approved() -> StatementTerms {
    with_fields(custom(), &[("/review/approved", Expected::Boolean(true))])
}

fn hex(digest: &str) -> String {
    Digest::parse(digest).unwrap().hex().to_owned()
}

#[test]
fn a_statement_is_about_the_image() {
    let named = |hex: &str| json!({ "digest": { "sha256": hex } });
    let (ours, others) = (hex(DIGEST), hex(OTHER));
    let many = |count: usize| {
        let mut subjects = vec![named(&others); count - 1];
        subjects.push(named(&ours));
        json!(subjects)
    };
    let other = "signature is for another digest";
    let count = "statement must have 1 to 1024 subjects";
    for (field, value, expected) in [
        ("unknown", json!(1), "met"),
        ("_type", json!("https://in-toto.io/Statement/v1"), "met"),
        ("_type", json!("https://in-toto.io/Statement/v0.2"), "statement has type"),
        ("_type", json!("https://in-toto.io/Statement/v1/"), "statement has type"),
        ("_type", json!(null), "statement is malformed"),
        ("subject", json!([named(&ours), named(&others)]), "met"),
        ("subject", json!([named(&others), named(&ours)]), "met"),
        ("subject", json!([named(&others)]), other),
        ("subject", json!([named(&ours.to_uppercase())]), other),
        ("subject", json!([named(DIGEST)]), other),
        ("subject", json!([{ "name": DIGEST, "digest": {} }]), other),
        ("subject", json!([{ "digest": { "sha512": ours.repeat(2) } }]), other),
        ("subject", json!([{ "digest": { "sha512": ours } }]), other),
        ("subject", json!([{ "digest": { "gitCommit": ours } }]), other),
        ("subject", json!([{ "digest": { "sha256": [ours] } }]), "statement is malformed"),
        ("subject", json!([named(&ours), { "name": "no digest" }]), "statement is malformed"),
        ("subject", json!([null]), "statement is malformed"),
        ("subject", json!([]), count),
        ("subject", json!({}), "statement is malformed"),
        ("subject", json!(null), "statement is malformed"),
        ("subject", many(1024), "met"),
        ("subject", many(1025), count),
        ("predicateType", json!("https://example.com/review/v1/"), "not asked for"),
        ("predicateType", json!("https://example.com/review/v2"), "not asked for"),
        ("predicateType", json!("HTTPS://example.com/review/v1"), "not asked for"),
        ("predicateType", json!("https://sigstore.dev/cosign/sign/v1"), "not asked for"),
        ("predicateType", json!([REVIEW]), "statement is malformed"),
        ("predicateType", json!(null), "statement is malformed"),
        ("predicate", json!(null), "/review/approved is missing"),
        ("predicate", json!({ "review": { "approved": "true" } }), "/review/approved is \"true\""),
    ] {
        let outcome = outcome_of(&approved(), &statement_with(|statement| statement[field] = value.clone()));
        assert!(outcome.starts_with(expected), "{field} = {value}: {outcome}");
    }
    // A predicate of another type that says the same.
    let sbom = terms(TermsKind::Sbom(Sbom::new(SbomFormat::ALL.into_iter().collect())));
    let disguised = statement_with(|statement| statement["predicateType"] = json!(SPDX));
    assert_eq!(outcome_of(&sbom, &disguised), "predicate is malformed: predicate has no field spdxVersion");
}

#[test]
fn ambiguous_and_oversized_statements_are_refused() {
    let good = statement_with(|_| {}).to_string();
    let twice = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    let wide = format!("[{}0]", "0,".repeat(1 << 18));
    let party = Party::release();
    let digest = Digest::parse(DIGEST).unwrap();
    for (what, statement, expected) in [
        ("as it is", good.clone(), "met"),
        (
            "approved twice",
            twice("\"approved\":true", "\"approved\":false,\"approved\":true"),
            "it has a duplicate key",
        ),
        (
            "review twice",
            twice("\"review\":", "\"review\":{\"approved\":false},\"review\":"),
            "it has a duplicate key",
        ),
        (
            "escaped key",
            twice("\"approved\":true", "\"approved\":false,\"\\u0061pproved\":true"),
            "it has a duplicate key",
        ),
        (
            "type twice",
            twice("\"predicateType\":", "\"predicateType\":\"x\",\"predicateType\":"),
            "it has a duplicate key",
        ),
        ("subject twice", twice("\"subject\":", "\"subject\":[],\"subject\":"), "it has a duplicate key"),
        (
            "a key twice where nothing is read",
            twice("\"_type\":", "\"x\":{\"a\":1,\"a\":2},\"_type\":"),
            "it has a duplicate key",
        ),
        (
            "too deep where nothing is read",
            twice("\"_type\":", &format!("\"x\":{deep},\"_type\":")),
            "it is nested too deeply",
        ),
        (
            "too many values",
            twice("\"_type\":", &format!("\"x\":{wide},\"_type\":")),
            "it has too many values",
        ),
        ("two documents", format!("{good}{good}"), "it is not JSON"),
        ("nothing", String::new(), "it is not JSON"),
        ("a text", "\"statement\"".to_owned(), "statement is not an object"),
        ("null", "null".to_owned(), "statement is not an object"),
    ] {
        for attachment in attached(&party, &statement) {
            let outcome = judge(&approved(), &[attachment], &party.authenticator, &digest);
            assert!(outcome.contains(expected), "{what}: {outcome}");
        }
    }
}

#[test]
fn an_envelope_is_signed_once_and_as_a_statement() {
    let party = Party::release();
    let digest = Digest::parse(DIGEST).unwrap();
    let statement = statement_with(|_| {}).to_string();
    let bundle = party.bundle(&statement);
    let foreign = Party::untrusted().bundle(&statement);
    for (pointer, value, expected) in [
        ("/keyid", json!("any"), "met"),
        ("/signatures/0/keyid", json!("another"), "met"),
        ("/payloadType", json!("application/json"), "DSSE envelope has type"),
        ("/payloadType", json!("text/plain"), "DSSE envelope has type"),
        ("/payloadType", json!(null), "DSSE envelope is malformed"),
        ("/payload", json!("e30"), "DSSE payload is not base64"),
        ("/payload", json!("e30="), "statement is malformed"),
        (
            "/payload",
            json!(format!("{}\n", bundle["dsseEnvelope"]["payload"].as_str().unwrap())),
            "DSSE payload is not base64",
        ),
        ("/payload", json!(null), "DSSE envelope is malformed"),
        ("/signatures", json!([]), "DSSE envelope must have exactly one signature, but has 0"),
        ("/signatures", json!({}), "DSSE envelope is malformed"),
        (
            "/signatures/0",
            foreign["dsseEnvelope"]["signatures"][0].clone(),
            "signature does not verify with any key",
        ),
        ("/signatures/0/sig", json!("AAAA"), "signature does not verify with any key"),
        ("/signatures/0/sig", json!(""), "signature does not verify with any key"),
        ("/signatures/0/sig", json!(null), "DSSE envelope is malformed"),
    ] {
        let mut changed = bundle.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match changed["dsseEnvelope"].pointer_mut(parent).unwrap() {
            Value::Array(list) => list[0] = value.clone(),
            parent => parent[name] = value.clone(),
        }
        for attachment in [envelope(&changed), document(changed.to_string())] {
            let outcome = judge(&approved(), &[attachment], &party.authenticator, &digest);
            assert!(outcome.starts_with(expected), "{pointer} = {value}: {outcome}");
        }
    }
    let mut both = bundle.clone();
    both["dsseEnvelope"]["signatures"] =
        json!([foreign["dsseEnvelope"]["signatures"][0], bundle["dsseEnvelope"]["signatures"][0]]);
    let outcome = judge(&approved(), &[envelope(&both)], &party.authenticator, &digest);
    assert_eq!(outcome, "DSSE envelope must have exactly one signature, but has 2");
    // What was signed as a payload of simple signing is not a statement, and the other way round.
    let payload = STANDARD.encode(payload());
    let mut claim = bundle;
    claim["dsseEnvelope"]["payload"] = json!(payload);
    let Attachment::SimpleSigning { signature, .. } = party.simple(&super::super::payload()) else {
        panic!()
    };
    claim["dsseEnvelope"]["signatures"][0]["sig"] = json!(signature);
    let outcome = judge(&approved(), &[envelope(&claim)], &party.authenticator, &digest);
    assert!(outcome.starts_with("statement is malformed"), "{outcome}");
    let outcome =
        judge(&approved(), &[party.simple(&super::super::payload())], &party.authenticator, &digest);
    assert_eq!(outcome, "not an attestation");
}

#[test]
fn a_document_has_a_bound() {
    let party = Party::release();
    let digest = Digest::parse(DIGEST).unwrap();
    let large = |bytes: usize| {
        let statement = statement_with(|statement| statement["x"] = json!("x".repeat(bytes)));
        attached(&party, &statement.to_string())
    };
    for attachment in large(4 << 20) {
        assert_eq!(judge(&approved(), &[attachment], &party.authenticator, &digest), "met");
    }
    for attachment in large(7 << 20) {
        let outcome = judge(&approved(), &[attachment], &party.authenticator, &digest);
        assert!(outcome.contains("more than the limit of 8388608"), "{outcome}");
    }
}

proptest::proptest! {
    #[test]
    fn no_document_panics(document in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let place = String::new();
        let attachment = Attachment::Attestation { place, document: document.into(), certificate: None };
        proptest::prop_assert!(Unverified::of(&attachment).is_some_and(|read| read.is_err()));
    }

    /// Any predicate of any type, signed by a trusted key.
    #[test]
    fn no_predicate_panics(
        text in r#"[\[\]{}:,"a01\\. ]{0,60}"#,
        kind in proptest::sample::select(vec![SLSA_0_2, SLSA_1, VULNERABILITIES, SPDX, CYCLONEDX, VSA, REVIEW]),
    ) {
        let Ok(predicate) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
        let party = Party::release();
        let statement = attestation(kind, &predicate).to_string();
        let digest = Digest::parse(DIGEST).unwrap();
        let provenance = Provenance { builders: set(["b"]), ..Provenance::default() };
        let summary = Summary { verifiers: set(["v"]), resource: Pattern::parse("r").unwrap(), levels: set([]) };
        for kind in [
            TermsKind::Provenance(provenance),
            scan(SeverityLimit::AtMost(Severity::Critical), &[]),
            TermsKind::Sbom(Sbom::new(SbomFormat::ALL.into_iter().collect())),
            TermsKind::Summary(summary),
        ] {
            let outcome = judge(&terms(kind), &[envelope(&party.bundle(&statement))], &party.authenticator, &digest);
            proptest::prop_assert_ne!(outcome, "met");
        }
    }
}
