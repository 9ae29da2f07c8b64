//! Rules for the pods of some Kubernetes namespaces.

use super::*;

fn rule_for_pods(scope: &str, pods: &[&str], action: Action) -> Rule {
    let label = format!("{scope} {}", pods.join(","));
    let rule = Rule::new(label, Scope::parse(scope).unwrap(), action);
    if pods.is_empty() { rule } else { rule.with_pods(Pods::new(pods).unwrap()) }
}

fn allow() -> Action {
    Action::AllowUnsigned(Allowance::of_all("test".to_owned()))
}

fn load(rules: Vec<Rule>) -> Result<Policy, Vec<PolicyError>> {
    Policy::new(default(), rules, vec![authenticator("a", &[1]), authenticator("b", &[2])])
}

fn labels(policy: &Policy, name: &str, namespace: Option<&str>) -> Vec<String> {
    let applicable = policy.applicable_rules(&Repository::parse(name).unwrap(), namespace);
    applicable.rules().map(|rule| rule.label().to_owned()).collect()
}

#[test]
fn a_known_namespace_selects_one_rule_and_an_unknown_one_all() {
    let policy = load(vec![
        rule_for_pods("r.io/team", &[], require(&["a"])),
        rule_for_pods("r.io/team", &["dev", "dev-*"], allow()),
        rule_for_pods("r.io/team", &["prod"], require(&["a", "b"])),
        rule_for_pods("r.io/team/secret", &["prod"], require(&["b"])),
        rule_for_pods("r.io", &["prod"], deny()),
        rule_for_pods("h.io/a*", &["x"], allow()),
        rule_for_pods("h.io/*a", &[], deny()),
    ])
    .unwrap();
    for (name, namespace, expected) in [
        ("r.io/team/app", Some("dev"), &["r.io/team dev,dev-*"][..]),
        ("r.io/team/app", Some("dev-1"), &["r.io/team dev,dev-*"]),
        ("r.io/team/app", Some("prod"), &["r.io/team prod"]),
        ("r.io/team/app", Some("other"), &["r.io/team "]),
        // The most specific rule for these pods, otherwise the next scope.
        ("r.io/team/secret", Some("prod"), &["r.io/team/secret prod"]),
        ("r.io/team/secret", Some("dev"), &["r.io/team dev,dev-*"]),
        ("r.io/x", Some("dev"), &["default"]),
        ("r.io/x", Some("prod"), &["r.io prod"]),
        // Equally specific patterns: the rule for these pods applies, although both cover the name.
        ("h.io/aba", Some("x"), &["h.io/a* x"]),
        ("h.io/aba", Some("y"), &["h.io/*a "]),
        // Unknown namespace: all rules that could apply, strictest first, except those behind a more specific rule for
        // all pods.
        ("r.io/team/app", None, &["r.io/team prod", "r.io/team ", "r.io/team dev,dev-*"]),
        (
            "r.io/team/secret",
            None,
            &["r.io/team prod", "r.io/team/secret prod", "r.io/team ", "r.io/team dev,dev-*"],
        ),
        ("r.io/x", None, &["r.io prod", "default"]),
        // An invalid name of a namespace is treated as an unknown namespace.
        ("r.io/x", Some(""), &["r.io prod", "default"]),
        ("r.io/x", Some("../../etc/x"), &["r.io prod", "default"]),
        ("r.io/x", Some("Prod"), &["r.io prod", "default"]),
    ] {
        assert_eq!(labels(&policy, name, namespace), expected, "{name} {namespace:?}");
    }
    let long = "a".repeat(10_000);
    assert_eq!(labels(&policy, "r.io/x", Some(&long)), ["r.io prod", "default"]);
}

#[test]
fn rules_for_overlapping_pods_tie_and_others_do_not() {
    for (one, other, ties) in [
        (&["a"][..], &["a"][..], true),
        (&["a*"], &["ab"], true),
        (&["a", "b"], &["b", "c"], true),
        (&["a"], &["b"], false),
        (&["a"], &[], false),
        (&[], &[], true),
    ] {
        let loaded =
            load(vec![rule_for_pods("r.io/team", one, deny()), rule_for_pods("r.io/team", other, deny())]);
        let expected = ties.then(|| vec![PolicyError::Tie { first: 0, second: 1 }]);
        assert_eq!(loaded.err(), expected, "{one:?} {other:?}");
    }
}

#[test]
fn the_hash_depends_on_pods_and_mode() {
    let hash = |rule: Rule| load(vec![rule]).unwrap().hash().to_owned();
    let base = || rule_for_pods("r.io", &["a", "b"], deny());
    assert_eq!(hash(base()), hash(rule_for_pods("r.io", &["b", "a"], deny())));
    assert_ne!(hash(base()), hash(rule_for_pods("r.io", &["a"], deny())));
    assert_ne!(hash(base()), hash(rule_for_pods("r.io", &[], deny())));
    assert_ne!(hash(base()), hash(base().with_mode(Mode::Audit)));
    assert_ne!(base().identity(), base().with_mode(Mode::Off).identity());
}

/// Whether a rule admits an image that these authenticators signed.
fn admits(rule: &Rule, signed: &[&str]) -> bool {
    rule.mode() != Mode::Enforce
        || match rule.action() {
            Action::Deny { .. } => false,
            Action::AllowUnsigned(_) => true,
            Action::Require(requirement) => {
                requirement.judge(signed.iter().map(|&name| Vote::from((name, name)))).is_ok()
            }
        }
}

fn some_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(deny()),
        Just(allow()),
        Just(require(&["a"])),
        Just(require(&["b"])),
        Just(require(&["a", "b"])),
    ]
}

proptest! {
    #[test]
    fn an_unknown_namespace_is_never_less_strict_than_a_known_one(
        written in proptest::collection::vec(
            (
                some_scope(),
                proptest::collection::vec(prop_oneof![Just("x"), Just("y"), Just("x*"), Just("*")], 0..3),
                some_action(),
                prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::Audit), 1 => Just(Mode::Off)],
            ),
            0..12,
        ),
        name in some_name(),
        signed in prop_oneof![Just(&[][..]), Just(&["a"][..]), Just(&["b"][..]), Just(&["a", "b"][..])],
    ) {
        let mut rules: Vec<Rule> = Vec::new();
        for (scope, pods, action, mode) in written {
            if Scope::parse(&scope).is_err() {
                continue;
            }
            rules.push(rule_for_pods(&scope, &pods, action).with_mode(mode));
            if !ties(&rules.iter().collect::<Vec<_>>()).is_empty() {
                rules.pop();
            }
        }
        let policy = load(rules.clone()).unwrap();
        let repository = Repository::parse(&name).unwrap();
        let admitted =
            |namespace| policy.applicable_rules(&repository, namespace).rules().all(|rule| admits(rule, signed));
        for namespace in ["x", "y", "xx", "z"] {
            prop_assert!(!admitted(None) || admitted(Some(namespace)), "{namespace}");
            // The rule for a known namespace equals that of the definition.
            let matching = rules.iter().filter(|rule| {
                rule.scope().covers(&repository) && rule.pods().is_none_or(|pods| pods.cover(namespace))
            });
            let best = matching.max_by(|one, other| {
                let specific = one.scope().compare_specificity(other.scope());
                specific.then(one.pods().is_some().cmp(&other.pods().is_some()))
            });
            let applicable = policy.applicable_rules(&repository, Some(namespace));
            prop_assert_eq!(applicable.rules().count(), 1);
            prop_assert_eq!(applicable.strictest().identity(), best.unwrap_or(&default()).identity());
        }
        // The strictest is first.
        let applicable = policy.applicable_rules(&repository, None);
        prop_assert!(applicable.rules().is_sorted_by(|one, other| one.compare_strictness(other).is_ge()));
    }
}
