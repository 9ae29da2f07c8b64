use std::time::Duration;

use pullgate_core::signature::EnvelopeType;

use super::*;
use crate::TimestampSettings;

fn rule() -> Rule {
    Rule {
        name: "payments".to_owned(),
        authenticator: "release".to_owned(),
        algorithm: Algorithm::RsaPssSha256,
        scopes: vec![Scope::parse("r.example/payments").unwrap()],
        trigger: Trigger::Automatic,
        layout: Layout::Classic,
        attaching: Attaching::default(),
        tags: Tags::default(),
    }
}

fn applied(rule: Rule) -> ActiveRule {
    ActiveRule { id: rule.id("key"), rule, since: Timestamp::from_second(1000).unwrap() }
}

#[test]
fn a_push_is_signed_by_the_rules_that_apply_at_its_time() {
    let tagged =
        |include: &[&str], exclude: &[&str]| Rule { tags: Tags::new(include, exclude).unwrap(), ..rule() };
    let scoped = |scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect();
        Rule { scopes, ..rule() }
    };
    let signatures = format!("sha256-{}.sig", "a".repeat(64));
    let referrers = format!("sha256-{}", "a".repeat(64));
    for (rule, repository, tag, at, applies) in [
        (rule(), "r.example/payments/app", Some("v1"), 1000, true),
        (rule(), "r.example/payments", Some("v1"), 2000, true),
        (rule(), "r.example/payments/app", Some("v1"), 999, false),
        (rule(), "r.example/payments/app", None, 2000, false),
        (rule(), "r.example/payments-evil/app", Some("v1"), 2000, false),
        (rule(), "other.example/payments/app", Some("v1"), 2000, false),
        (rule(), "r.example/payments/app", Some(&*signatures), 2000, false),
        (rule(), "r.example/payments/app", Some(&*referrers), 2000, false),
        (Rule { trigger: Trigger::Manual, ..rule() }, "r.example/payments/app", Some("v1"), 2000, false),
        (tagged(&["v*"], &["*-dev"]), "r.example/payments/app", Some("v1"), 2000, true),
        (tagged(&["v*"], &["*-dev"]), "r.example/payments/app", Some("v1-dev"), 2000, false),
        (tagged(&["v*"], &["*-dev"]), "r.example/payments/app", Some("latest"), 2000, false),
        (tagged(&["*"], &[]), "r.example/payments/app", Some(&*signatures), 2000, false),
        (scoped(&["r.example/a", "r.example/*/app"]), "r.example/payments/app", Some("v1"), 2000, true),
        (scoped(&["r.example/a", "r.example/*/app"]), "r.example/payments/other", Some("v1"), 2000, false),
    ] {
        let rules = [applied(rule)];
        let at = Timestamp::from_second(at).unwrap();
        let found = applying(&rules, &Repository::parse(repository).unwrap(), tag, at).count();
        assert_eq!(found, usize::from(applies), "{repository} {tag:?} {at}: {:?}", rules[0].rule);
    }
}

#[test]
fn every_rule_that_applies_signs() {
    let rules = [applied(rule()), applied(Rule { name: "b".to_owned(), ..rule() })];
    let repository = Repository::parse("r.example/payments/app").unwrap();
    assert_eq!(applying(&rules, &repository, Some("v1"), Timestamp::from_second(1001).unwrap()).count(), 2);
}

#[test]
fn a_changed_rule_is_a_new_one() {
    let base = rule();
    let id = base.id("key");
    assert_eq!(rule().id("key"), id);
    assert_eq!(id.as_str().len(), RuleId::LENGTH);
    let both = vec![Scope::parse("r.example/a").unwrap(), Scope::parse("r.example/b").unwrap()];
    let turned = Rule { scopes: both.iter().rev().cloned().collect(), ..rule() };
    assert_eq!(
        Rule { scopes: both.clone(), ..rule() }.id("key"),
        turned.id("key"),
        "the order does not matter"
    );
    let stamped = |url: &str| {
        let timestamp = TimestampSettings { url: url.to_owned(), roots: Vec::new() };
        Attaching { timestamp: Some(timestamp), ..Attaching::default() }
    };
    let by = |url| Rule { attaching: stamped(url), ..rule() }.id("key");
    assert_eq!(by("http://tsa.example/?token=new"), by("http://tsa.example/"), "a new token is no change");
    let stamped = stamped("http://tsa.example/");
    for (what, changed) in [
        ("name", Rule { name: "other".to_owned(), ..rule() }),
        ("authenticator", Rule { authenticator: "other".to_owned(), ..rule() }),
        ("algorithm", Rule { algorithm: Algorithm::RsaPkcs1Sha256, ..rule() }),
        ("scope", Rule { scopes: both, ..rule() }),
        ("trigger", Rule { trigger: Trigger::Manual, ..rule() }),
        ("layout", Rule { layout: Layout::Bundle, ..rule() }),
        ("tags", Rule { tags: Tags::new(&["v*"], &[]).unwrap(), ..rule() }),
        ("timestamp", Rule { attaching: stamped, ..rule() }),
    ] {
        assert_ne!(changed.id("key"), id, "{what}");
    }
    assert_ne!(base.id("other key"), id);
    let notation = |attaching| Rule { layout: Layout::Notation, attaching, ..rule() }.id("key");
    let cose = Attaching { envelope: EnvelopeType::Cose, ..Attaching::default() };
    let ending = Attaching { expires_in: Some(Duration::from_secs(90)), ..Attaching::default() };
    assert_ne!(notation(cose), notation(Attaching::default()));
    assert_ne!(notation(ending), notation(Attaching::default()));
}
