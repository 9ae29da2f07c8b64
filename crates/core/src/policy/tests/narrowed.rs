//! A policy that another one narrows.

use super::*;
use crate::digest::Digest;

fn allow() -> Action {
    Action::AllowUnsigned(Allowance::of_all("test".to_owned()))
}

fn labelled(label: &str, scope: &str, action: Action) -> Rule {
    Rule::new(label.to_owned(), Scope::parse(scope).unwrap(), action)
}

fn fleet() -> Policy {
    let rules = vec![
        labelled("fleet r.io/team", "r.io/team", require(&["a"])),
        labelled("fleet r.io", "r.io", allow()),
        labelled("fleet x.io", "x.io", allow()).with_pods(Pods::new(&["dev"]).unwrap()),
    ];
    let default = labelled("fleet default", "**", deny());
    Policy::new(default, rules, vec![authenticator("a", &[1])]).unwrap()
}

fn local() -> Policy {
    let rules = vec![
        labelled("local r.io/team/app", "r.io/team/app", require(&["a"])),
        labelled("local r.io/team/off", "r.io/team/off", deny()).with_mode(Mode::Off),
        labelled("local x.io", "x.io", deny()).with_pods(Pods::new(&["prod"]).unwrap()),
    ];
    let default = labelled("local default", "**", allow());
    Policy::new(default, rules, vec![authenticator("a", &[2])]).unwrap()
}

fn labels(policy: &Policy, name: &str, namespace: Option<&str>) -> BTreeSet<String> {
    let rules = policy.applicable_rules(&Repository::parse(name).unwrap(), namespace);
    rules.rules().map(|rule| rule.label().to_owned()).collect()
}

#[test]
fn the_rules_of_both_apply_to_every_name() {
    let narrowed = fleet().narrowed_by(local());
    for name in ["r.io/team/app", "r.io/team/off", "r.io/team", "r.io/x", "x.io/a", "y.io/b", "nginx"] {
        for namespace in [None, Some("dev"), Some("prod"), Some("other"), Some("../x")] {
            let mut both = labels(&fleet(), name, namespace);
            both.extend(labels(&local(), name, namespace));
            assert_eq!(labels(&narrowed, name, namespace), both, "{name} {namespace:?}");
        }
    }
    assert_eq!(narrowed.rules().count(), 6);
    assert_eq!(narrowed.all_rules().filter(|rule| narrowed.is_default(rule)).count(), 2);
}

#[test]
fn equal_names_of_authenticators_mean_the_keys_of_their_own_layer() {
    let narrowed = fleet().narrowed_by(local());
    let origin = |name: &str| narrowed.authenticator(name).unwrap().keys()[0].origin.clone();
    assert_eq!((origin("a"), origin("local/a")), ("1.pem".to_owned(), "2.pem".to_owned()));
    let required = |label: &str| {
        let rule = narrowed.rules().find(|rule| rule.label() == label).unwrap();
        rule.requirement().unwrap().authenticators().to_vec()
    };
    assert_eq!(required("fleet r.io/team"), ["a"]);
    assert_eq!(required("local r.io/team/app"), ["local/a"]);
}

#[test]
fn a_deny_list_counts_in_both() {
    let digest = Digest::of(b"bad");
    let mut denied = DenyList::default();
    denied.deny_digest(digest.clone(), "theirs".to_owned());
    denied.deny_key(key(1).public.fingerprint().to_owned(), "stolen".to_owned());
    let mut own = DenyList::default();
    own.deny_digest(digest.clone(), "ours".to_owned());
    own.deny_key(key(2).public.fingerprint().to_owned(), "lost".to_owned());
    let narrowed = fleet().with_deny_list(own).narrowed_by(local().with_deny_list(denied));
    assert_eq!(narrowed.deny_list().of_digest(&digest), Some("ours"));
    for name in ["a", "local/a"] {
        assert_eq!(narrowed.authenticator(name).unwrap().keys().len(), 0, "{name}");
    }
}

#[test]
fn each_layer_changes_the_hash() {
    let (fleet_hash, local_hash) = (fleet().hash().to_owned(), local().hash().to_owned());
    let narrowed = fleet().narrowed_by(local());
    let swapped = local().narrowed_by(fleet());
    let hashes: BTreeSet<&str> =
        [fleet_hash.as_str(), &local_hash, narrowed.hash(), swapped.hash()].into_iter().collect();
    assert_eq!(hashes.len(), 4);
    assert_eq!(narrowed.hash(), fleet().narrowed_by(local()).hash());
    let mut more = DenyList::default();
    more.deny_digest(Digest::of(b"bad"), "bad".to_owned());
    let before = narrowed.hash().to_owned();
    assert_ne!(narrowed.also_denying(more).hash(), before);
}
