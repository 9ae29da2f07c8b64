use p256::pkcs8::EncodePublicKey as _;
use proptest::prelude::*;

use super::*;
use crate::trust::{Algorithm, Key, PssSalt, PublicKey};

/// A distinct key for each number.
fn key(number: u8) -> Key {
    let secret = p256::SecretKey::from_slice(&[number; 32]).unwrap();
    let pem = secret.public_key().to_public_key_pem(pkcs8::LineEnding::LF).unwrap();
    let public = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    Key { public, not_before: None, not_after: None, origin: format!("{number}.pem"), remote: None }
}

fn authenticator(name: &str, keys: &[u8]) -> Authenticator {
    Authenticator::new(name.to_owned(), keys.iter().copied().map(key).collect()).unwrap()
}

fn require(names: &[&str]) -> Action {
    Action::Require(Requirement::all(names.iter().map(|&name| name.to_owned()).collect()).unwrap())
}

fn deny() -> Action {
    Action::Deny { reason: None }
}

fn rule(scope: &str) -> Rule {
    Rule::new(scope.to_owned(), Scope::parse(scope).unwrap(), deny())
}

fn default() -> Rule {
    Rule::new("default".to_owned(), Scope::everything(), deny())
}

fn policy(scopes: &[&str]) -> Result<Policy, Vec<PolicyError>> {
    Policy::new(default(), scopes.iter().copied().map(rule).collect(), Vec::new())
}

#[test]
fn the_most_specific_rule_applies() {
    let policy = policy(&[
        "**/evil",
        "docker.io",
        "docker.io/library",
        "nginx",
        "ghcr.io",
        "gcr.io/distroless",
        "reg.example.com/team",
        "reg.example.com/team-*",
        "reg.example.com/*/app",
        "reg.example.com/team/secret",
        "reg.example.com/a*/x",
        "reg.example.com/*b/y/z",
        "reg.example.com/**/tool",
        "reg.example.com/**/tool/x/**/y",
        "*.example.com",
        "localhost",
        "localhost:5000/a",
    ])
    .unwrap();
    for (name, label) in [
        ("nginx", "nginx"),
        ("library/nginx", "nginx"),
        ("docker.io/nginx", "nginx"),
        ("docker.io/library/nginx", "nginx"),
        ("index.docker.io/library/nginx", "nginx"),
        // Other names of the same registry.
        ("registry-1.docker.io/library/nginx", "nginx"),
        ("registry.hub.docker.com/library/nginx", "nginx"),
        ("docker.io:443/library/nginx", "nginx"),
        ("INDEX.docker.io/library/nginx", "nginx"),
        ("reg.example.com:443/team", "reg.example.com/team"),
        ("redis", "docker.io/library"),
        ("bitnami/redis", "docker.io"),
        ("library/nginx/below", "nginx"),
        ("docker.io.evil.com/x", "default"),
        ("gcr.io.evil.com/distroless", "default"),
        ("gcr.io/distroless-evil", "default"),
        ("gcr.io/other", "default"),
        ("ghcr.io-evil/x", "default"),
        ("GHCR.io/x", "ghcr.io"),
        ("reg.example.com/team", "reg.example.com/team"),
        ("reg.example.com/team/app", "reg.example.com/team"),
        ("reg.example.com/team/secret/x", "reg.example.com/team/secret"),
        ("reg.example.com/team-evil", "reg.example.com/team-*"),
        ("reg.example.com/team-evil/app", "reg.example.com/team-*"),
        ("reg.example.com/other/app", "reg.example.com/*/app"),
        ("reg.example.com/other/tool", "reg.example.com/**/tool"),
        ("reg.example.com/other/tool/x/1/2/y", "reg.example.com/**/tool/x/**/y"),
        ("reg.example.com/ab/x", "reg.example.com/a*/x"),
        ("reg.example.com/ab/y/z", "reg.example.com/*b/y/z"),
        ("reg.example.com/other", "*.example.com"),
        ("reg.example.com:5000/team", "default"),
        ("reg.other.org/a/evil/b", "**/evil"),
        ("localhost/x", "localhost"),
        ("localhost:80/x", "default"),
        ("localhost:5000/a/b", "localhost:5000/a"),
        ("localhost:5000/b", "default"),
    ] {
        assert_eq!(
            policy.applicable_rules(&Repository::parse(name).unwrap(), None).strictest().label(),
            label,
            "{name}"
        );
    }
}

#[test]
fn without_rules_the_default_applies() {
    let policy = policy(&[]).unwrap();
    assert_eq!(
        policy.applicable_rules(&Repository::parse("nginx").unwrap(), None).strictest().label(),
        "default"
    );
    assert_eq!(
        policy.applicable_rules(&Repository::parse("nginx").unwrap(), None).strictest().action(),
        &deny()
    );
}

#[test]
fn a_catch_all_applies_to_every_registry() {
    for all in ["*", "**", "*/*"] {
        let policy = policy(&[all, "nginx"]).unwrap();
        for (name, label) in [("nginx", "nginx"), ("redis", all), ("ghcr.io/a/b", all), ("[::1]:5000/a", all)]
        {
            assert_eq!(
                policy.applicable_rules(&Repository::parse(name).unwrap(), None).strictest().label(),
                label,
                "{name}"
            );
        }
    }
}

#[test]
fn a_tie_does_not_load_in_any_order() {
    for (scopes, tie) in [
        (&["nginx", "ghcr.io", "docker.io/library/nginx"][..], Some((0, 2))),
        (&["reg.example.com", "REG.example.com/**"], Some((0, 1))),
        (&["*", "**"], Some((0, 1))),
        (&["reg.example.com/a*", "reg.example.com/*b"], Some((0, 1))),
        (&["reg.example.com/a*", "reg.example.com/b*"], None),
        (&["reg.example.com/a*", "reg.example.com/ab*"], None),
        (&["reg.example.com/a*/x", "reg.example.com/*b/y"], None),
        (&["reg.example.com/*/a", "reg.example.com/*/a/b"], None),
        (&["reg.example.com/**/a", "reg.example.com/**/b"], Some((0, 1))),
        (&["reg.example.com/**/a/x", "reg.example.com/x/**/a"], None),
        (&["*.example.com/a", "reg.*.com/a"], None),
        (&["*.bbb.com/a", "aaa.*.com/a"], Some((0, 1))),
        (&["*.bbb.com/a", "aaa.*.com/b"], None),
        (&["reg.example.com/team", "reg.example.com/team-evil"], None),
        (&["reg.example.com:443", "reg.example.com"], Some((0, 1))),
        (&["registry-1.docker.io", "docker.io"], Some((0, 1))),
        (&["reg.example.com:5000", "reg.example.com"], None),
    ] {
        let expected = tie.map(|(first, second)| vec![PolicyError::Tie { first, second }]);
        assert_eq!(policy(scopes).err(), expected, "{scopes:?}");
        let reversed: Vec<&str> = scopes.iter().rev().copied().collect();
        assert_eq!(policy(&reversed).is_err(), tie.is_some(), "{reversed:?}");
    }
}

#[test]
fn requirements_are_checked_against_the_authenticators() {
    let with = |names: &[&str], authenticators| {
        let rule = Rule::new("r".to_owned(), Scope::parse("nginx").unwrap(), require(names));
        Policy::new(default(), vec![rule], authenticators).err()
    };
    let unknown = PolicyError::UnknownAuthenticator { rule: 0, name: "b".to_owned() };
    let same = PolicyError::SameAuthenticator { name: "a".to_owned() };
    let few = PolicyError::TooFewKeys { rule: 0, needed: 2, keys: 1 };
    for (names, authenticators, error) in [
        (&["a"][..], vec![authenticator("a", &[1])], None),
        (&["a", "b"], vec![authenticator("a", &[1]), authenticator("b", &[2])], None),
        (&["a", "b"], vec![authenticator("a", &[1, 2]), authenticator("b", &[1])], None),
        (&["a", "b"], vec![authenticator("a", &[1]), authenticator("b", &[1])], Some(few)),
        (&["a", "b"], vec![authenticator("a", &[1])], Some(unknown)),
        (&["a"], vec![authenticator("a", &[1]), authenticator("a", &[2])], Some(same)),
    ] {
        assert_eq!(with(names, authenticators), error.map(|error| vec![error]), "{names:?}");
    }
}

#[test]
fn aliases_replace_the_scope_and_keep_the_rest() {
    let rule = |scope: &str, aliases: &[&str]| {
        Rule::new("r".to_owned(), Scope::parse(scope).unwrap(), require(&["a"]))
            .with_aliases(aliases.iter().map(|alias| Scope::parse(alias).unwrap()).collect())
    };
    for (scope, aliases, name, accepted) in [
        ("reg.example.com/team", &[][..], "Reg.example.com/team/app", &["reg.example.com/team/app"][..]),
        (
            "reg.example.com/team",
            &["vpc.example.com/team", "old.example.com/x/y"],
            "reg.example.com/team/app/web",
            &["reg.example.com/team/app/web", "vpc.example.com/team/app/web", "old.example.com/x/y/app/web"],
        ),
        (
            "reg.example.com/team",
            &["vpc.example.com/team"],
            "reg.example.com/team",
            &["reg.example.com/team", "vpc.example.com/team"],
        ),
        (
            "mirror.example.com",
            &["docker.io"],
            "mirror.example.com/nginx",
            &["mirror.example.com/nginx", "docker.io/library/nginx"],
        ),
        ("nginx", &["reg.example.com"], "nginx", &["docker.io/library/nginx"]),
        ("r.io/bitnami", &["bitnami/**"], "r.io/bitnami", &["r.io/bitnami"]),
        ("r.io:443/a", &["old.io:443/a"], "r.io:0443/a/b", &["r.io/a/b", "old.io/a/b"]),
        ("r.io/bitnami", &["bitnami/**"], "r.io/bitnami/x", &["r.io/bitnami/x", "docker.io/bitnami/x"]),
    ] {
        let rule = rule(scope, aliases).unwrap();
        assert_eq!(rule.accepted_repositories(&Repository::parse(name).unwrap()), accepted, "{scope} {name}");
    }
    for (scope, aliases, error) in [
        ("reg.example.com/t*", &["vpc.example.com"][..], AliasError::ScopeNotLiteral),
        ("**", &["vpc.example.com"], AliasError::ScopeNotLiteral),
        ("nginx", &["vpc.example.com/*/x"], AliasError::NotLiteral("vpc.example.com/*/x".to_owned())),
        ("nginx", &["library/nginx"], AliasError::Twice("docker.io/library/nginx".to_owned())),
        ("nginx", &["a.io/x", "A.io/x"], AliasError::Twice("a.io/x".to_owned())),
    ] {
        assert_eq!(rule(scope, aliases).unwrap_err(), error);
    }
    let denied = Rule::new("r".to_owned(), Scope::parse("nginx").unwrap(), deny());
    let alias = vec![Scope::parse("vpc.example.com").unwrap()];
    assert_eq!(denied.with_aliases(alias).unwrap_err(), AliasError::NothingRequired);
}

#[test]
fn the_hash_depends_on_what_can_change_a_verdict() {
    let build = |scopes: [&str; 2], action: Action, keys: &[u8], label: &str| {
        let rules = scopes.map(|s| Rule::new(label.to_owned(), Scope::parse(s).unwrap(), action.clone()));
        Policy::new(default(), rules.to_vec(), vec![authenticator("a", keys)]).unwrap().hash().to_owned()
    };
    let base = build(["nginx", "ghcr.io"], require(&["a"]), &[1, 2], "x");
    assert!(base.starts_with("sha256:"));
    assert_eq!(base, build(["ghcr.io", "library/nginx"], require(&["a"]), &[2, 1], "y"));
    assert_ne!(base, build(["nginx", "ghcr.io/x"], require(&["a"]), &[1, 2], "x"));
    assert_ne!(base, build(["nginx", "ghcr.io"], deny(), &[1, 2], "x"));
    assert_ne!(base, build(["nginx", "ghcr.io"], require(&["a"]), &[1], "x"));
    assert_ne!(base, build(["nginx", "ghcr.io"], require(&["a"]), &[1, 3], "x"));
}

#[test]
fn b10_the_layouts_of_a_rule_are_part_of_its_identity() {
    use crate::signature::{Format, RepositoryIdentity};
    let any = Rule::new("r".to_owned(), Scope::parse("nginx").unwrap(), require(&["a"]));
    let classic = any.clone().with_layouts([Format::SimpleSigning].into());
    assert_ne!(any.identity(), classic.identity());
    let named = any.clone().with_repository_identity(RepositoryIdentity::Required);
    assert_ne!(any.identity(), named.identity());
    assert_eq!(any.identity(), any.clone().with_layouts(Format::ALL.into()).identity());
}

#[test]
fn the_annotations_of_a_requirement_are_part_of_its_rules_identity_and_of_the_hash() {
    let required = |annotations: &[(&str, &str)]| {
        let requirement = Requirement::all(vec!["a".to_owned()]).unwrap();
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let action = match annotations.len() {
            0 => requirement,
            _ => requirement.with_annotations(annotations.collect()).unwrap(),
        };
        Rule::new("r".to_owned(), Scope::parse("nginx").unwrap(), Action::Require(action))
    };
    let different = [
        required(&[]),
        required(&[("a", "b")]),
        required(&[("a", "c")]),
        required(&[("b", "b")]),
        required(&[("a", "b"), ("c", "d")]),
        required(&[("a", "b1:c1:d")]),
    ];
    let identities: BTreeSet<String> =
        different.iter().map(|rule| rule.identity().as_str().to_owned()).collect();
    assert_eq!(identities.len(), different.len());
    let hash = |rule: &Rule| {
        Policy::new(default(), vec![rule.clone()], vec![authenticator("a", &[1])]).unwrap().hash().to_owned()
    };
    let hashes: BTreeSet<String> = different.iter().map(hash).collect();
    assert_eq!(hashes.len(), different.len());
}

#[test]
fn ten_thousand_rules_are_supported() {
    let scopes: Vec<String> = (0..10_000)
        .map(|n| match n % 4 {
            0 => format!("reg.example.com/team-{n}"),
            1 => format!("reg.example.com/team-{n}/app-*"),
            2 => format!("*.example.com/team-{n}-*/**/tool"),
            _ => format!("r{n}.example.com"),
        })
        .collect();
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let policy = policy(&scopes).unwrap();
    for (name, label) in [
        ("reg.example.com/team-4000/a/b", "reg.example.com/team-4000"),
        ("reg.example.com/team-4001/app-x", "reg.example.com/team-4001/app-*"),
        ("x.example.com/team-4002-y/a/b/tool", "*.example.com/team-4002-*/**/tool"),
        ("r4003.example.com/a", "r4003.example.com"),
        ("r4004.example.com/a", "default"),
    ] {
        assert_eq!(
            policy.applicable_rules(&Repository::parse(name).unwrap(), None).strictest().label(),
            label,
            "{name}"
        );
    }
}

fn some_scope() -> impl Strategy<Value = String> {
    let host = prop_oneof![Just("h.io"), Just("*.io"), Just("h*.io"), Just("*"), Just("**")];
    let part = prop_oneof![
        3 => Just("a"), 3 => Just("b"), 2 => Just("ab"), 1 => Just("*"), 1 => Just("a*"), 1 => Just("*b"), 1 => Just("**")
    ];
    (host, proptest::collection::vec(part, 0..5))
        .prop_map(|(host, parts)| std::iter::once(host).chain(parts).collect::<Vec<_>>().join("/"))
}

fn some_name() -> impl Strategy<Value = String> {
    let host = prop_oneof![Just("h.io"), Just("x.io"), Just("x.y.io"), Just("hh.io")];
    let part = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("c")];
    (host, proptest::collection::vec(part, 1..6))
        .prop_map(|(host, parts)| std::iter::once(host).chain(parts).collect::<Vec<_>>().join("/"))
}

/// The definition of the most specific rule, by trying all rules.
fn naive<'a>(rules: &'a [Rule], repository: &Repository) -> Option<&'a Rule> {
    rules
        .iter()
        .filter(|rule| rule.scope().covers(repository))
        .max_by(|a, b| a.scope().compare_specificity(b.scope()))
}

proptest! {
    #[test]
    fn the_rule_equals_that_of_the_definition_in_any_order(
        scopes in proptest::collection::vec(some_scope(), 0..12),
        names in proptest::collection::vec(some_name(), 1..20),
        rotation in 0usize..12,
    ) {
        // Without rules that tie with an earlier one, so that most cases load.
        let mut kept: Vec<Rule> = Vec::new();
        for text in &scopes {
            let Ok(scope) = Scope::parse(text) else { continue };
            let ties = |known: &Rule| {
                known.scope().compare_specificity(&scope).is_eq() && known.scope().overlaps(&scope)
            };
            if !kept.iter().any(ties) {
                kept.push(Rule::new(scope.to_string(), scope, deny()));
            }
        }
        let mut rotated = kept.clone();
        rotated.rotate_left(rotation.min(kept.len()));
        rotated.reverse();
        let policy = Policy::new(default(), kept.clone(), Vec::new()).unwrap();
        let other = Policy::new(default(), rotated, Vec::new()).unwrap();
        prop_assert_eq!(policy.hash(), other.hash());
        for name in names {
            let repository = Repository::parse(&name).unwrap();
            let expected = naive(&kept, &repository).map_or("default", Rule::label);
            prop_assert_eq!(policy.applicable_rules(&repository, None).strictest().label(), expected);
            prop_assert_eq!(other.applicable_rules(&repository, None).strictest().label(), expected);
        }
    }

    #[test]
    fn two_rules_that_cover_a_name_equally_are_found(one in some_scope(), two in some_scope(), name in some_name()) {
        if let (Ok(one), Ok(two)) = (Scope::parse(&one), Scope::parse(&two)) {
            let repository = Repository::parse(&name).unwrap();
            let tie = one.covers(&repository) && two.covers(&repository) && one.compare_specificity(&two).is_eq();
            prop_assert!(!tie || !ties(&[&Rule::new(String::new(), one, deny()), &Rule::new(String::new(), two, deny())]).is_empty());
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in ".*") {
        let _ = Scope::parse(&text);
    }
}

mod narrowed;
mod pods;
