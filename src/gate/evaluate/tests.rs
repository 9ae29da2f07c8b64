use std::sync::Arc;

use super::*;
use crate::policy::{Condition, ExceptionTarget, Pods, Policy, Scope};
use crate::reference::Reference;
use crate::signature::Fault;
use crate::signature::attestation::{StatementTerms, TermsKind};
use crate::trust::{Algorithm, Authenticator, Key, PssSalt, PublicKey};

const NOW: &str = "2026-06-01T00:00:00Z";
const P256: &str = include_str!("../../../tests/fixtures/keys/throw-away-p256.pub.pem");

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn in_hours(hours: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_hours(hours)
}

/// A digest derived from a word.
fn digest(word: &str) -> Digest {
    Digest::of(word.as_bytes())
}

fn rule(mode: Mode, action: Action) -> Rule {
    Rule::new("the rule".to_owned(), Scope::parse("r.io/app").unwrap(), action).with_mode(mode)
}

fn require() -> Action {
    Action::Require(requirement())
}

fn requirement() -> Requirement {
    Requirement::all(vec!["release".to_owned()]).unwrap()
}

fn allow(digests: &[&str], until: Option<i64>) -> Action {
    Action::AllowUnsigned(Allowance {
        reason: "test".to_owned(),
        digests: digests.iter().map(|word| digest(word)).collect(),
        until: until.map(in_hours),
    })
}

fn deny() -> Action {
    Action::Deny { reason: None }
}

fn policy(rules: Vec<Rule>, denied: &[&str]) -> Policy {
    let public = PublicKey::from_pem(P256, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let key = Key { public, not_before: None, not_after: None, origin: "k.pem".to_owned(), remote: None };
    let release = Authenticator::new("release".to_owned(), vec![key]).unwrap();
    let default = Rule::new("the default".to_owned(), Scope::everything(), deny());
    let mut deny_list = DenyList::default();
    denied.iter().for_each(|word| deny_list.deny_digest(digest(word), "stolen".to_owned()));
    Policy::new(default, rules, vec![release]).unwrap().with_deny_list(deny_list)
}

fn verified(word: &str) -> Result<Verified, Refusal> {
    let satisfied = requirement().judge([("release", "sha256:0").into()]).unwrap();
    Ok(Verified { digest: digest(word), satisfied: Arc::new(satisfied) })
}

fn unsigned(word: &str) -> Result<Verified, Refusal> {
    Err(Refusal::unverified("app", word, "the rule", "release"))
}

/// Facts about a tag that the registry resolves to `word`.
fn resolved(word: &str) -> Facts {
    Facts { identities: Fact::Known(vec![digest(word)]), served: Some(digest(word)), ..Facts::default() }
}

/// Facts about a name with a digest.
fn written(word: &str) -> Facts {
    Facts { written: Some(digest(word)), ..Facts::default() }
}

fn with_verified(mut facts: Facts, object: Object, outcome: Result<Verified, Refusal>) -> Facts {
    facts.verified.insert((0, object), outcome);
    facts
}

/// The reason code, with what is admitted; or what is needed.
fn outcome(policy: Option<&Policy>, break_glass: Option<&BreakGlass>, facts: &Facts) -> String {
    let repository = Reference::parse("r.io/app").unwrap().repository().clone();
    let applicable = policy.map(|policy| policy.applicable_rules(&repository, Some("default")));
    shown(policy, applicable.as_ref(), break_glass, facts)
}

fn shown(
    policy: Option<&Policy>,
    applicable: Option<&ApplicableRules<'_>>,
    break_glass: Option<&BreakGlass>,
    facts: &Facts,
) -> String {
    let repository = Reference::parse("r.io/app").unwrap().repository().clone();
    let rules = Rules {
        image: "app",
        id: None,
        repositories: &[&repository],
        break_glass,
        policy: applicable.zip(policy.map(Policy::deny_list)),
    };
    match evaluate(&rules, facts, now()) {
        Ok(admission) => {
            let words = ["index", "image", "other"];
            let known = |admitted: &Digest| words.into_iter().find(|word| digest(word) == *admitted);
            let admitted = admission.digest().map_or("as named", |admitted| known(admitted).unwrap_or("?"));
            format!("admitted {} {admitted}", admission.reason())
        }
        Err(Stop::Refuse(refusal)) => format!("refused {}", refusal.reason()),
        Err(Stop::Need(Need::Identities)) => "needs identities".to_owned(),
        Err(Stop::Need(Need::Verification { rule, object })) => format!("needs {object:?} by rule {rule}"),
    }
}

#[test]
fn one_rule_admits_refuses_or_needs_a_fact() {
    let (enforce, audit, off) = (Mode::Enforce, Mode::Audit, Mode::Off);
    let none = Facts::default;
    let failed = || Facts { identities: Fact::Failed(Refusal::timeout("app", Default::default())), ..none() };
    let signed = |word: &str| with_verified(resolved(word), Object::Named, verified(word));
    let bad = || with_verified(resolved("index"), Object::Named, unsigned("index"));
    for (row, mode, action, denied, facts, expected) in [
        // Deny, and off.
        ("a denied name", enforce, deny(), &[][..], none(), "refused denied-by-rule"),
        ("audited", audit, deny(), &[], none(), "admitted audit-only as named"),
        ("off", off, deny(), &[], none(), "admitted rule-off as named"),
        ("off, required", off, require(), &[], none(), "admitted rule-off as named"),
        // Allow.
        ("any image", enforce, allow(&[], None), &[], none(), "admitted unsigned-allowed as named"),
        ("by digest", enforce, allow(&[], None), &[], written("image"), "admitted unsigned-allowed image"),
        ("not over", enforce, allow(&[], Some(1)), &[], none(), "admitted unsigned-allowed as named"),
        ("over", enforce, allow(&[], Some(0)), &[], none(), "refused allowance-over"),
        ("over, audited", audit, allow(&[], Some(0)), &[], none(), "admitted audit-only as named"),
        ("these, unknown", enforce, allow(&["image"], None), &[], none(), "needs identities"),
        (
            "these",
            enforce,
            allow(&["image"], None),
            &[],
            resolved("image"),
            "admitted unsigned-allowed image",
        ),
        ("others", enforce, allow(&["image"], None), &[], resolved("other"), "refused digest-not-allowed"),
        (
            "others written",
            enforce,
            allow(&["image"], None),
            &[],
            written("other"),
            "refused digest-not-allowed",
        ),
        ("no answer", enforce, allow(&["image"], None), &[], failed(), "refused timeout"),
        // Require.
        ("unknown", enforce, require(), &[], none(), "needs Named by rule 0"),
        ("signed", enforce, require(), &[], signed("index"), "admitted verified index"),
        ("unsigned", enforce, require(), &[], bad(), "refused not-verified"),
        ("unsigned, audited", audit, require(), &[], bad(), "admitted audit-only index"),
        // The deny list is above all modes but off, where nothing is looked up.
        ("denied as written", off, allow(&[], None), &["image"], written("image"), "refused digest-denied"),
        (
            "denied, allowed",
            enforce,
            allow(&[], None),
            &["image"],
            resolved("image"),
            "refused digest-denied",
        ),
        ("denied, audited", audit, require(), &["index"], signed("index"), "refused digest-denied"),
        ("denied, signed", enforce, require(), &["index"], signed("index"), "refused digest-denied"),
        ("list, allowed, unknown", enforce, allow(&[], None), &["x"], none(), "needs identities"),
        ("list, audited, unknown", audit, deny(), &["x"], none(), "needs identities"),
        ("list, audited, no answer", audit, deny(), &["x"], failed(), "refused timeout"),
        ("list, off", off, deny(), &["x"], none(), "admitted rule-off as named"),
        (
            "list, others",
            enforce,
            allow(&[], None),
            &["x"],
            resolved("image"),
            "admitted unsigned-allowed image",
        ),
    ] {
        let policy = policy(vec![rule(mode, action)], denied);
        assert_eq!(outcome(Some(&policy), None, &facts), expected, "{row}");
    }
}

#[test]
fn a_related_digest_denies_and_never_admits() {
    let facts = || Facts { related: BTreeSet::from([digest("image")]), ..resolved("index") };
    let denied = policy(vec![rule(Mode::Enforce, allow(&[], None))], &["image"]);
    assert_eq!(outcome(Some(&denied), None, &facts()), "refused digest-denied");
    let allowed = policy(vec![rule(Mode::Enforce, allow(&["image"], None))], &[]);
    assert_eq!(outcome(Some(&allowed), None, &facts()), "refused digest-not-allowed");
}

#[test]
fn index_platform_or_either_must_be_signed() {
    use SignedObject::{Either, Index, Platform};
    let unreachable = || Err(Refusal::timeout("app", std::time::Duration::ZERO));
    for (row, object, named, platform, expected) in [
        ("the index", Index, Some(verified("index")), None, "admitted verified index"),
        ("the index only", Index, Some(unsigned("index")), Some(verified("image")), "refused not-verified"),
        ("the image", Platform, None, Some(verified("image")), "admitted verified image"),
        ("the image, unknown", Platform, Some(verified("index")), None, "needs Platform by rule 0"),
        ("either, index first", Either, None, None, "needs Named by rule 0"),
        ("either, index", Either, Some(verified("index")), None, "admitted verified index"),
        ("either, then image", Either, Some(unsigned("index")), None, "needs Platform by rule 0"),
        (
            "either, image",
            Either,
            Some(unsigned("index")),
            Some(verified("image")),
            "admitted verified image",
        ),
        ("either, neither", Either, Some(unsigned("index")), Some(unsigned("image")), "refused not-verified"),
        ("either, no answer", Either, Some(unsigned("index")), Some(unreachable()), "refused timeout"),
        (
            "either, the image not now",
            Either,
            Some(unsigned("index")),
            Some(Err(Refusal::of_fault("app", Fault::KeyNotValidNow))),
            "refused key-not-valid-now",
        ),
    ] {
        let rule = rule(Mode::Enforce, require()).with_signed_object(object);
        let mut facts = resolved("index");
        facts.verified.extend(named.map(|named| ((0, Object::Named), named)));
        facts.verified.extend(platform.map(|platform| ((0, Object::Platform), platform)));
        assert_eq!(outcome(Some(&policy(vec![rule], &[])), None, &facts), expected, "{row}");
    }
}

/// Without a pod's namespace every rule that could apply must admit the image.
#[test]
fn every_applicable_rule_must_admit() {
    let pods = |name: &str| Pods::new(&[name]).unwrap();
    let repository = Reference::parse("r.io/app").unwrap().repository().clone();
    let rules = |first: Action, second: Action| {
        vec![
            rule(Mode::Enforce, first).with_pods(pods("one")),
            rule(Mode::Enforce, second).with_pods(pods("two")),
        ]
    };
    for (row, first, second, facts, expected) in [
        ("one denies", allow(&[], None), deny(), Facts::default(), "refused denied-by-rule"),
        ("one requires", allow(&[], None), require(), Facts::default(), "refused denied-by-rule"),
    ] {
        let policy = policy(rules(first, second), &[]);
        let applicable = policy.applicable_rules(&repository, None);
        assert!(applicable.rules().count() >= 2, "{row}");
        assert_eq!(shown(Some(&policy), Some(&applicable), None, &facts), expected, "{row}");
    }
    // With a rule for all pods the default does not apply.
    let both =
        vec![rule(Mode::Enforce, require()).with_pods(pods("one")), rule(Mode::Enforce, allow(&[], None))];
    let policy = policy(both, &[]);
    let applicable = policy.applicable_rules(&repository, None);
    let seen = |facts: Facts| shown(Some(&policy), Some(&applicable), None, &facts);
    assert_eq!(seen(Facts::default()), "needs Named by rule 0");
    assert_eq!(
        seen(with_verified(resolved("image"), Object::Named, verified("image"))),
        "admitted verified image"
    );
    assert_eq!(
        seen(with_verified(resolved("image"), Object::Named, unsigned("image"))),
        "refused not-verified"
    );
}

#[test]
fn without_a_policy_or_a_rule_everything_is_refused() {
    assert_eq!(outcome(None, None, &resolved("image")), "refused no-policy");
    let policy = policy(vec![], &[]);
    assert_eq!(outcome(Some(&policy), None, &resolved("image")), "refused denied-by-rule");
}

#[test]
fn an_exception_admits_whatever_the_policy_says() {
    let scope = |text: &str| ExceptionTarget::Scope(Scope::parse(text).unwrap());
    let of = |word: &str| ExceptionTarget::Digest(digest(word));
    let failed = |facts: Facts| Facts { identities: Fact::Failed(Refusal::internal("app")), ..facts };
    let denied = policy(vec![rule(Mode::Enforce, deny())], &["image"]);
    for (row, target, hours, facts, expected) in [
        ("its name", scope("r.io/app"), 1, Facts::default(), "admitted break-glass as named"),
        ("another name", scope("r.io/other"), 1, Facts::default(), "refused denied-by-rule"),
        ("over", scope("r.io/app"), 0, Facts::default(), "refused denied-by-rule"),
        ("too far ahead", scope("r.io/app"), 24 * 8, Facts::default(), "refused denied-by-rule"),
        ("a digest, unknown", of("image"), 1, Facts::default(), "needs identities"),
        ("its digest", of("image"), 1, resolved("image"), "admitted break-glass image"),
        ("another digest", of("image"), 1, resolved("other"), "refused denied-by-rule"),
        // What the registry serves becomes evidence, but the exception does not depend on it.
        ("written", of("image"), 1, written("image"), "needs identities"),
        ("written, no answer", of("image"), 1, failed(written("image")), "admitted break-glass image"),
        ("another written", of("image"), 1, written("other"), "refused denied-by-rule"),
        ("no answer", of("image"), 1, failed(Facts::default()), "refused denied-by-rule"),
    ] {
        let exception = Exception { what: target, reason: "test".to_owned(), until: in_hours(hours) };
        let break_glass = BreakGlass::new(vec![exception]);
        assert_eq!(outcome(Some(&denied), Some(&break_glass), &facts), expected, "{row}");
        let expected = expected.replace("denied-by-rule", "no-policy");
        assert_eq!(outcome(None, Some(&break_glass), &facts), expected, "{row}, no policy");
    }
}

#[test]
fn an_interrupted_evaluation_admits_in_audit_mode_only() {
    let repository = Reference::parse("r.io/app").unwrap().repository().clone();
    for (row, mode, denied, facts, admitted) in [
        ("enforced", Mode::Enforce, &[][..], Facts::default(), false),
        ("audited", Mode::Audit, &[], Facts::default(), true),
        ("audited, not compared", Mode::Audit, &["x"], Facts::default(), false),
        ("audited, compared", Mode::Audit, &["x"], resolved("image"), true),
        ("off", Mode::Off, &[], Facts::default(), false),
    ] {
        let policy = policy(vec![rule(mode, require())], denied);
        let applicable = policy.applicable_rules(&repository, Some("default"));
        let rules = Rules {
            image: "app",
            id: None,
            repositories: &[],
            break_glass: None,
            policy: Some((&applicable, policy.deny_list())),
        };
        let refusal = Refusal::timeout("app", std::time::Duration::ZERO);
        let reason = interrupted(&rules, &facts, refusal).map(|admission| admission.reason());
        let expected = if admitted { Ok(Reason::AuditOnly) } else { Err(Reason::Timeout) };
        assert_eq!(reason.map_err(|refusal| refusal.reason()), expected, "{row}");
    }
}

/// A verification without the proof of each condition does not admit, whoever hands it in.
#[test]
fn each_required_attestation_needs_its_own_proof() {
    let condition = |name: &str| {
        let custom = TermsKind::Custom { predicate_type: "t".to_owned(), time: None };
        let terms = StatementTerms::new(name.to_owned(), custom, BTreeMap::new(), None);
        Condition::new(terms, requirement())
    };
    let proof = |of: &Requirement| of.judge([("release", "sha256:0").into()]).unwrap();
    let (one, two) = (condition("one"), condition("two"));
    let names = vec!["one".to_owned(), "two".to_owned()];
    let signed = requirement().with_attestations(names.clone()).unwrap();
    let alone = Requirement::of_attestations(names).unwrap();
    for required in [signed, alone] {
        let rule = rule(Mode::Enforce, Action::Require(required.clone()));
        let release = policy(Vec::new(), &[]).authenticator("release").unwrap().clone();
        let default = Rule::new("the default".to_owned(), Scope::everything(), deny());
        let all = vec![one.clone(), two.clone()];
        let policy = Policy::with_conditions(default, vec![rule], vec![release], all).unwrap();
        for (row, satisfied, expected) in [
            ("none", proof(&required), "refused internal"),
            ("one of two", proof(&required).and(proof(one.by())), "refused internal"),
            (
                "the same twice",
                proof(&required).and(proof(one.by())).and(proof(one.by())),
                "refused internal",
            ),
            // The signers of the rule are not those of a condition.
            ("a signature", proof(&required).and(proof(&required)), "refused internal"),
            ("conditions alone", proof(one.by()).and(proof(two.by())), "refused internal"),
            ("both", proof(&required).and(proof(one.by())).and(proof(two.by())), "admitted verified index"),
        ] {
            let verified = Ok(Verified { digest: digest("index"), satisfied: Arc::new(satisfied) });
            let facts = with_verified(resolved("index"), Object::Named, verified);
            assert_eq!(outcome(Some(&policy), None, &facts), expected, "{row}");
        }
    }
}
