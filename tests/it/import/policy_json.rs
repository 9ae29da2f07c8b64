//! Generated policies and names for containers/image, and the rule of the original for which scope decides.
//!
//! `tests/node/skopeo.rs` compares that rule with the real program.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use pullgate::digest::Digest;
use pullgate::policy::{Action, Policy, Vote};
use pullgate::reference::Repository;
use pullgate_import::{Effect, Imported};

/// Requirements of a scope: as JSON, and the keys that must have signed; `None` if nothing is admitted.
const REQUIREMENTS: [(&str, Option<&[&str]>); 7] = [
    (r#"{"type": "insecureAcceptAnything"}"#, Some(&[])),
    (r#"{"type": "insecureAcceptAnything"}"#, Some(&[])),
    (r#"{"type": "reject"}"#, None),
    (r#"{"type": "insecureAcceptAnything"}, {"type": "reject"}"#, None),
    ("@one@", Some(&["one"])),
    ("@one@, @two@", Some(&["one", "two"])),
    (r#"{"type": "insecureAcceptAnything"}, @two@"#, Some(&["two"])),
];

pub(crate) const KEYS: [&str; 2] = ["one", "two"];
/// The digest of the image in `tests/node/skopeo.rs`.
pub(crate) const DIGEST: &str = "@sha256:793a57cec5ee88d1c38575cefc16cc65ae89457c508bc2359621099b2caf5021";

/// Hosts of names. They are in lower case: docs/importing.md says what becomes of others.
pub(crate) const HOSTS: [&str; 11] = [
    "docker.io",
    "localhost",
    "localhost:5000",
    "corp.example",
    "corp.example:5000",
    "reg.corp.example",
    "reg.corp.example:5000",
    "a.reg.corp.example",
    "a.b.c.d.e.f.reg.corp.example:443",
    "reg.corp.example.evil.example",
    "10.0.0.1:5000",
];
const PATHS: [&str; 7] = [
    "/app",
    "/team",
    "/team/app",
    "/team/app/deeper",
    "/library/nginx",
    "/library/nginx/deeper",
    "/team-evil",
];
const VERSIONS: [&str; 3] = [":1", ":2", DIGEST];

/// A policy.json: its default and its scopes, each with a place in [`REQUIREMENTS`].
#[derive(Clone, Debug)]
pub(crate) struct PolicyJson {
    default: usize,
    scopes: BTreeMap<String, usize>,
}

/// The name of an image in full.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) repository: String,
    pub(crate) version: &'static str,
}

fn scope() -> impl Strategy<Value = String> {
    let host = prop_oneof![4 => select(&HOSTS[..]), 1 => select(&["Reg.corp.example", "reg*.corp.example", "nginx"][..])];
    let path = prop_oneof![
        2 => Just(""),
        4 => select(&PATHS[..]),
        2 => select(&["/", "/*", "/**", "/team/", "/team/*", "/te*", "/Team", "//team", "/library"][..])
    ];
    let version =
        prop_oneof![6 => Just(""), 1 => select(&VERSIONS[..]), 1 => select(&[":*", ":", ":1@x", "@*"][..])];
    let literal = (host, path, version).prop_map(|(host, path, version)| format!("{host}{path}{version}"));
    let domain = select(
        &["corp.example", "example", "reg.corp.example", "c.d.e.f.reg.corp.example", "0.0.1", "Corp.example"]
            [..],
    );
    let end = prop_oneof![6 => Just(""), 1 => select(&[":5000", "/team", ".", "/"][..])];
    let hosts = (domain, end).prop_map(|(domain, end)| format!("*.{domain}{end}"));
    let odd = [
        "",
        "*",
        "**",
        "*.",
        "*.*.example",
        "nginx",
        "library/nginx",
        "team/app",
        "https://corp.example",
        "index.docker.io",
    ];
    prop_oneof![5 => literal, 3 => hosts, 1 => select(odd.to_vec()).prop_map(str::to_owned)]
}

/// Policies with at most two scopes of hosts: each of them can be 240 rules, which take long to load in a test.
pub(crate) fn policies() -> impl Strategy<Value = PolicyJson> {
    let requirement = || 0..REQUIREMENTS.len();
    let scopes = prop::collection::vec((scope(), requirement()), 0..9);
    (requirement(), scopes).prop_map(|(default, scopes)| {
        let (hosts, others): (Vec<_>, Vec<_>) =
            scopes.into_iter().partition(|(scope, _)| scope.starts_with("*."));
        PolicyJson { default, scopes: hosts.into_iter().take(2).chain(others).collect() }
    })
}

pub(crate) fn names() -> impl Strategy<Value = Name> {
    (select(&HOSTS[..]), select(&PATHS[..]), select(&VERSIONS[..])).prop_map(|(host, path, version)| {
        // In full a name at docker.io has two segments at least.
        let library = if host == "docker.io" && !path[1..].contains('/') { "/library" } else { "" };
        Name { repository: format!("{host}{library}{path}"), version }
    })
}

impl PolicyJson {
    /// The document, with keys that are files of `directory`.
    pub(crate) fn document(&self, directory: &str) -> String {
        let signed = |name: &str| {
            format!(
                r#"{{"type": "sigstoreSigned", "keyPath": "{directory}/{name}.pub", "signedIdentity": {{"type": "matchRepository"}}}}"#
            )
        };
        let list = |at: usize| {
            let json = REQUIREMENTS[at].0.replace("@one@", &signed("one")).replace("@two@", &signed("two"));
            format!("[{json}]")
        };
        let scopes: Vec<String> =
            self.scopes.iter().map(|(scope, at)| format!("{scope:?}: {}", list(*at))).collect();
        format!(
            r#"{{"default": {}, "transports": {{"docker": {{{}}}}}}}"#,
            list(self.default),
            scopes.join(", ")
        )
    }

    /// The scope that decides; `None` is the default. Source: containers/image `docker/policyconfiguration/naming.go`,
    /// `signature/policy_eval.go`.
    pub(crate) fn deciding(&self, name: &Name) -> Option<&str> {
        let mut candidates = vec![format!("{}{}", name.repository, name.version)];
        let mut parent = name.repository.as_str();
        candidates.push(parent.to_owned());
        while let Some((above, _)) = parent.rsplit_once('/') {
            candidates.push(above.to_owned());
            parent = above;
        }
        let mut host = parent.split(':').next().unwrap();
        while let Some((_, domain)) = host.split_once('.') {
            candidates.push(format!("*.{domain}"));
            host = domain;
        }
        candidates.push(String::new());
        candidates.iter().find_map(|it| self.scopes.get_key_value(it)).map(|(scope, _)| scope.as_str())
    }

    /// The keys that the original requires; `None` if it rejects the name.
    pub(crate) fn required(&self, name: &Name) -> Option<&'static [&'static str]> {
        let at = self.deciding(name).map_or(self.default, |scope| self.scopes[scope]);
        REQUIREMENTS[at].1
    }
}

/// Compares the policy with the original for one name and all sets of keys that may have signed.
pub(crate) fn compare(original: &PolicyJson, imported: &Imported, policy: &Policy, name: &Name) {
    let is_denied = name
        .version
        .strip_prefix('@')
        .is_some_and(|digest| policy.deny_list().of_digest(&Digest::parse(digest).unwrap()).is_some());
    for signed in [&KEYS[..0], &KEYS[..1], &KEYS[1..], &KEYS[..]] {
        let there = original.required(name).is_some_and(|keys| keys.iter().all(|key| signed.contains(key)));
        let here = !is_denied && admits(policy, &name.repository, "default", signed);
        assert!(
            there || !here,
            "wider: {name:?} signed by {signed:?} of {original:?}\n{}",
            imported.policy()
        );
        let noted = imported.notes().iter().any(|note| note.effect == Effect::Stricter);
        assert!(
            here == there || noted,
            "stricter without a note: {name:?} signed by {signed:?} of {original:?}\n{}",
            imported.policy()
        );
    }
    assert!(imported.notes().iter().all(|note| note.effect != Effect::Wider), "{:?}", imported.notes());
}

/// Whether an image runs in a pod of a namespace when these authenticators accept signatures of it, each with a key of its own.
pub(crate) fn admits(policy: &Policy, image: &str, namespace: &str, signed: &[&str]) -> bool {
    let applicable = policy.applicable_rules(&Repository::parse(image).unwrap(), Some(namespace));
    applicable.rules().all(|rule| match rule.action() {
        Action::AllowUnsigned(_) => true,
        Action::Deny { .. } => false,
        Action::Require(requirement) => {
            requirement.judge(signed.iter().map(|name| Vote::from((*name, *name)))).is_ok()
        }
    })
}
