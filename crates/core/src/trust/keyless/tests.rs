use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::policy::{Action, Policy, PolicyError, Requirement, Rule, Scope};
use crate::trust::{Authenticator, KeySet, PssSalt, Signers};

const ISSUER: &str = "https://issuer.example";

fn text(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/sigstore/roots")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn root(name: &str) -> TrustedRoot {
    TrustedRoot::parse(name.to_owned(), &text(name)).unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn by(subject: &str) -> SignerRule {
    SignerRule::new(ISSUER.to_owned(), Some(pattern(subject)), Vec::new()).unwrap()
}

#[test]
fn patterns_match_whole_texts() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a", "ba", false),
        ("a", "A", false),
        ("a.c", "abc", false),
        ("a*", "a", true),
        ("a*", "abc", true),
        ("a*", "ab/c", false),
        ("a**", "ab/c", true),
        ("*c", "abc", true),
        ("*c", "a/c", false),
        ("**c", "a/c", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abde", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("https://h/o/*/x@refs/tags/v*", "https://h/o/r/x@refs/tags/v1", true),
        ("https://h/o/*/x@refs/tags/v*", "https://h/o/r/y/x@refs/tags/v1", false),
        ("https://h/o/*/x@refs/tags/v*", "https://h/o/r/x@refs/tags/v1/x", false),
        ("https://h/o/*/x@refs/tags/v*", "https://evil/https://h/o/r/x@refs/tags/v1", false),
        ("*@example.com", "a@example.com", true),
        ("*@example.com", "a@example.com.evil", false),
        ("*@example.com", "a@exampleXcom", false),
        ("ä*", "äöü", true),
        ("*ü", "äöü", true),
    ] {
        assert_eq!(Pattern::parse(pattern).unwrap().matches(text), expected, "{pattern} {text}");
    }
    let many = format!("{}b", "*a".repeat(8));
    assert!(!Pattern::parse(&many).unwrap().matches(&"a".repeat(2048)), "in bounded time");
    for (text, error) in [
        (String::new(), PatternError::Empty),
        (" a".to_owned(), PatternError::Characters),
        ("a\n".to_owned(), PatternError::Characters),
        ("a***".to_owned(), PatternError::Stars),
        ("*a".repeat(9), PatternError::TooMany(9)),
        ("a".repeat(513), PatternError::TooLong(513)),
    ] {
        assert_eq!(Pattern::parse(&text).unwrap_err(), error, "{text:?}");
    }
}

#[test]
fn t81_a_rule_must_name_somebody() {
    let rule = |subject: Option<&str>, claims: &[(Claim, &str)]| {
        let claims = claims.iter().map(|(claim, text)| (*claim, pattern(text))).collect();
        SignerRule::new(ISSUER.to_owned(), subject.map(pattern), claims).map(|_| ())
    };
    for (subject, claims, accepted) in [
        (Some("a@b.example"), &[][..], true),
        (Some("*@b.example"), &[], true),
        (Some("https://h/o/**"), &[], true),
        (Some("spiffe://td/ns/*"), &[], true),
        (None, &[(Claim::SourceRepository, "https://h/o/r")], true),
        (None, &[(Claim::SourceRepositoryId, "1")], true),
        (Some("**"), &[(Claim::SourceRepositoryId, "1")], true),
        (None, &[], false),
        (Some("https://h/o**"), &[], false),
        (Some("https://h/o*/**"), &[], false),
        (Some("https://h/o*"), &[], false),
        (Some("https://h//**"), &[], false),
        (Some("https://h/o/r**"), &[], true),
        (Some("**@b.example"), &[], false),
        (None, &[(Claim::SourceRepository, "https://h/o**")], false),
        (Some("**"), &[], false),
        (Some("*"), &[], false),
        (Some("https://**"), &[], false),
        (Some("https://h/**"), &[], false),
        (Some("https://*/o/r"), &[], false),
        (Some("*@*"), &[], false),
        (Some("a**"), &[], false),
        (Some("*@b"), &[], false),
        (None, &[(Claim::SourceRepository, "https://h/*")], false),
        (
            None,
            &[
                (Claim::Runner, "github-hosted"),
                (Claim::Trigger, "push"),
                (Claim::SourceRef, "refs/heads/main"),
            ],
            false,
        ),
    ] {
        let expected = if accepted { Ok(()) } else { Err(SignerRuleError::Anybody) };
        assert_eq!(rule(subject, claims), expected, "{subject:?} {claims:?}");
    }
    for issuer in ["", "issuer.example", "https://", "https://a b", "https://a\n"] {
        let refused = SignerRule::new(issuer.to_owned(), Some(pattern("a@b.example")), Vec::new());
        assert_eq!(refused.unwrap_err(), SignerRuleError::Issuer, "{issuer:?}");
    }
}

#[test]
fn t88_trusted_roots_that_are_not_whole_do_not_load() {
    let good = text("public-good.json");
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut root: serde_json::Value = serde_json::from_str(&good).unwrap();
        change(&mut root);
        TrustedRoot::parse("a.json".to_owned(), &root.to_string())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(with(&|_| ()), Ok(()));
    type Change = fn(&mut serde_json::Value);
    let rows: &[(Change, &str)] = &[
        (
            |root| root["mediaType"] = "application/json".into(),
            "it has media type \"application/json\"; only versions 0.1 and 0.2 of a Sigstore trusted root are supported",
        ),
        (|root| root["certificateAuthorities"] = serde_json::json!([]), "it has no certificate authority"),
        (
            |root| root["certificateAuthorities"][0]["certChain"]["certificates"] = serde_json::json!([]),
            "the file is not a valid trusted root: ",
        ),
        (
            |root| {
                root["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = "AAAA".into()
            },
            "the file is not a valid trusted root: ",
        ),
        (
            |root| root["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into(),
            "the file is not a valid trusted root: ",
        ),
        (|root| root["tlogs"][0]["logId"]["keyId"] = "AAAA".into(), "the file is not a valid trusted root: "),
        (
            |root| root["tlogs"][0]["publicKey"]["validFor"]["end"] = "2000-01-01T00:00:00Z".into(),
            "the file is not a valid trusted root: ",
        ),
        (|root| root["tlogs"][0] = serde_json::json!({}), "the file is not a valid trusted root: "),
        (
            |root| {
                let first = root["ctlogs"][0].clone();
                root["ctlogs"].as_array_mut().unwrap().push(first);
            },
            "two of its logs have the same key",
        ),
    ];
    for (number, (change, expected)) in rows.iter().enumerate() {
        let error = with(change).unwrap_err();
        assert!(error.starts_with(expected), "{number}: {error}");
    }
    for (text, expected) in [
        ("".to_owned(), "it is not JSON"),
        ("[]".to_owned(), "the file is not a valid trusted root: "),
        (good.replacen("\"tlogs\"", "\"ctlogs\"", 1), "it has a duplicate key"),
        (" ".repeat(MAX_ROOT_BYTES + 1), "it has 262145 bytes"),
    ] {
        let error = TrustedRoot::parse("a.json".to_owned(), &text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn t85_one_key_is_not_two_logs() {
    let good: serde_json::Value = serde_json::from_str(&text("public-good.json")).unwrap();
    for (first, second) in
        [("tlogs", "tlogs"), ("ctlogs", "ctlogs"), ("tlogs", "ctlogs"), ("ctlogs", "tlogs")]
    {
        let mut root = good.clone();
        let mut again = root[first][0].clone();
        again["logId"]["keyId"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
        root[second].as_array_mut().unwrap().push(again);
        let error = TrustedRoot::parse("a.json".to_owned(), &root.to_string()).err();
        assert_eq!(error, Some(RootError::SameLogTwice), "{first} and {second}");
    }
}

#[test]
fn both_versions_of_a_root_are_read() {
    let text = text("production.json");
    let new = text.replace("trustedroot+json;version=0.1", "trustedroot.v0.2+json");
    assert_ne!(text, new);
    assert!(TrustedRoot::parse("a.json".to_owned(), &new).is_ok());
}

#[test]
fn a_set_uses_logs_exactly_if_its_roots_have_them() {
    for (name, logs, error) in [
        ("production.json", LogUse::Required, None),
        ("github.json", LogUse::None, None),
        (
            "production.json",
            LogUse::None,
            Some("trusted root production.json has logs, but `log = \"none\"` would ignore them"),
        ),
        (
            "github.json",
            LogUse::Required,
            Some(
                "trusted root github.json has no logs; if the Sigstore instance runs without logs, write `log = \"none\"`",
            ),
        ),
    ] {
        let made = KeylessSet::new(vec![root(name)], by("a@b.example"), logs);
        assert_eq!(made.err().map(|error| error.to_string()).as_deref(), error, "{name} {logs:?}");
    }
    let twice = KeylessSet::new(
        vec![root("production.json"), root("production.json")],
        by("a@b.example"),
        LogUse::Required,
    );
    assert!(matches!(twice, Err(KeylessSetError::SameRoot { .. })));
    assert_eq!(
        KeylessSet::new(Vec::new(), by("a@b.example"), LogUse::Required).unwrap_err(),
        KeylessSetError::NoRoots
    );
}

#[test]
fn a_root_ends_when_nothing_of_one_kind_is_left() {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let mut root: serde_json::Value = serde_json::from_str(&text("production.json")).unwrap();
    let parse =
        |root: &serde_json::Value| TrustedRoot::parse("a.json".to_owned(), &root.to_string()).unwrap();
    let authorities = parse(&root).end().unwrap();
    assert_eq!(authorities.what, "certificate authority", "their certificates end");
    // One of two logs ends: the other remains.
    root["tlogs"][0]["publicKey"]["validFor"]["end"] = "2027-01-01T00:00:00Z".into();
    assert_eq!(parse(&root).end(), Some(authorities));
    assert_eq!(parse(&root).first_end(time("2026-11-30T00:00:00Z")), Some(time("2027-01-01T00:00:00Z")));
    root["tlogs"][1]["publicKey"]["validFor"]["end"] = "2028-01-01T00:00:00Z".into();
    let end = RootEnd { at: time("2028-01-01T00:00:00Z"), what: "transparency log" };
    assert_eq!(parse(&root).end(), Some(end));
    assert_eq!(parse(&root).ending(time("2027-12-31T23:59:59Z")), None);
    assert_eq!(
        parse(&root).ending(end.at).as_deref(),
        Some(
            "trusted root a.json will not cover signatures made after 2028-01-01T00:00:00Z, when its last transparency log expires"
        )
    );
    let set = KeylessSet::new(vec![parse(&root)], by("a@b.example"), LogUse::Required).unwrap();
    assert_eq!(set.first_end(time("2027-06-01T00:00:00Z")), Some(end.at), "of those that are still to come");
}

/// Of a root for signatures by keys, certificates and their authorities do not matter.
#[test]
fn a_root_for_logs_alone_ends_with_its_logs() {
    let pem = include_str!("../../../../../tests/fixtures/keys/throw-away-p256.pub.pem");
    let public = PublicKey::from_pem(pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let key = Key { public, not_before: None, not_after: None, origin: "a".to_owned(), remote: None };
    let mut root: serde_json::Value = serde_json::from_str(&text("production.json")).unwrap();
    let warnings = |root: &serde_json::Value, time| {
        let root = TrustedRoot::parse("a.json".to_owned(), &root.to_string()).unwrap();
        let keys =
            KeySet::new("a".to_owned(), vec![key.clone()]).unwrap().logged(vec![root.clone()]).unwrap();
        let keyless = KeylessSet::new(vec![root], by("a@b.example"), LogUse::Required).unwrap();
        [keys.ending(time, SignedDuration::ZERO).len(), keyless.ending(time, SignedDuration::ZERO).len()]
    };
    let late = "2099-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(warnings(&root, late), [0, 1]);
    for log in root["tlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"]["end"] = "2028-01-01T00:00:00Z".into();
    }
    assert_eq!(warnings(&root, late), [1, 1]);
}

/// RFC 5280 section 4.1.2.5.
#[test]
fn an_authority_may_have_no_end() {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(9999, 12, 31);
    let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let mut root: serde_json::Value = serde_json::from_str(&text("production.json")).unwrap();
    let mut authority = root["certificateAuthorities"][0].take();
    authority["certChain"]["certificates"] =
        serde_json::json!([{ "rawBytes": STANDARD.encode(certificate.der()) }]);
    authority["validFor"] = serde_json::json!({ "start": "2020-01-01T00:00:00Z" });
    root["certificateAuthorities"] = serde_json::json!([authority]);
    let root = TrustedRoot::parse("a.json".to_owned(), &root.to_string()).unwrap();
    assert_eq!(root.first_end("9999-01-01T00:00:00Z".parse().unwrap()), Some(Timestamp::MAX));
    assert_eq!(root.ending("2026-11-30T00:00:00Z".parse().unwrap()), None);
}

#[test]
fn one_identity_counts_once_and_patterns_may_be_several() {
    let authenticator = |name: &str, subject: &str| {
        let set = KeylessSet::new(vec![root("production.json")], by(subject), LogUse::Required).unwrap();
        Authenticator::of(name.to_owned(), Signers::Keyless(set))
    };
    let policy = |subjects: [&str; 2]| {
        let names = ["a", "b"];
        let requirement = Requirement::all(names.map(str::to_owned).to_vec()).unwrap();
        let rule = Rule::new("r".to_owned(), Scope::parse("nginx").unwrap(), Action::Require(requirement));
        let default = Rule::new("d".to_owned(), Scope::everything(), Action::Deny { reason: None });
        let authenticators = names.iter().zip(subjects).map(|(name, subject)| authenticator(name, subject));
        Policy::new(default, vec![rule], authenticators.collect())
    };
    let few = PolicyError::TooFewKeys { rule: 0, needed: 2, keys: 1 };
    assert_eq!(policy(["a@b.example", "a@b.example"]).err(), Some(vec![few]));
    let other = policy(["a@b.example", "c@b.example"]).unwrap();
    let pattern = policy(["a@b.example", "*@b.example"]).unwrap();
    assert_ne!(other.hash(), pattern.hash());
    assert_eq!(other.hash(), policy(["a@b.example", "c@b.example"]).unwrap().hash());
}
