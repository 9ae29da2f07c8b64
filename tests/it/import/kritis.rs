//! Resources of kritis: generated policies decide as the original, or more strictly with a note.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use pullgate_import::{self as import, Effect, Options};

use super::policy_json::admits;
use super::{base64, key, load};

/// `other` has a PGP key only, `missing` is not among the documents.
const AUTHORITIES: [&str; 4] = ["build", "quality", "other", "missing"];
const NAMESPACES: [&str; 3] = ["prod", "dev", "free"];

#[derive(Clone, Debug)]
struct Gap {
    namespace: &'static str,
    authorities: Vec<&'static str>,
    patterns: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct Cluster {
    gaps: Vec<Gap>,
    /// Patterns of AdmissionAllowlist, for one namespace or for all.
    allowlist: Vec<(&'static str, Option<&'static str>)>,
}

fn pattern() -> impl Strategy<Value = &'static str> {
    select(vec![
        "gcr.io/*",
        "gcr.io/x*",
        "gcr.io/xy*",
        "gcr.io/x/*",
        "gcr.io/x/y*",
        "gcr.io/x/y",
        "gcr.io/x/y:1",
        "gcr.io/x/y:*",
        "gcr.io/x/y/z*",
        "gcr.io/*/y*",
        "gcr.io/*y",
        "gcr.io*",
        "reg*.example.com/x/*",
        "*.example.com/*",
        "reg1.example.com/*",
        "docker.io/*",
        "docker.io/x*",
        "docker.io/library/*",
        "library/x*",
        "x*",
        "*",
        "*/x/*",
        "*/*",
        "gcr.io/",
        "",
    ])
}

fn clusters() -> impl Strategy<Value = Cluster> {
    let gap = (
        select(&NAMESPACES[..2]),
        subsequence(&AUTHORITIES[..], 0..=2),
        prop::collection::vec(pattern(), 0..3),
    );
    let gap = gap.prop_map(|(namespace, authorities, patterns)| Gap { namespace, authorities, patterns });
    let entry = (pattern(), prop::option::of(select(&NAMESPACES[..])));
    (prop::collection::vec(gap, 1..5), prop::collection::vec(entry, 0..5))
        .prop_map(|(gaps, allowlist)| Cluster { gaps, allowlist })
}

fn repositories() -> impl Strategy<Value = String> {
    let host = select(vec!["gcr.io", "reg.example.com", "reg1.example.com", "docker.io"]);
    let path = select(vec!["x", "xy", "z", "x/y", "x/yz", "xy/z", "x/y/z", "library/x", "a.b/yz"]);
    (host, path).prop_map(|(host, path)| {
        let library = if host == "docker.io" && !path.contains('/') { "library/" } else { "" };
        format!("{host}/{library}{path}")
    })
}

impl Cluster {
    fn resources(&self) -> String {
        let head = |kind: &str| format!("---\napiVersion: kritis.grafeas.io/v1beta1\nkind: {kind}\n");
        let mut text = String::new();
        for (name, data) in
            [("build", key("p256")), ("quality", key("ed25519")), ("other", "a PGP key".to_owned())]
        {
            text += &head("AttestationAuthority");
            text += &format!("metadata: {{ name: {name} }}\nspec: {{ publicKeyData: {} }}\n", base64(&data));
        }
        for (at, gap) in self.gaps.iter().enumerate() {
            let patterns: Vec<String> =
                gap.patterns.iter().map(|it| format!("{{ namePattern: {it:?} }}")).collect();
            text += &head("GenericAttestationPolicy");
            text += &format!("metadata: {{ name: gap-{at}, namespace: {} }}\nspec:\n", gap.namespace);
            text += &format!("  attestationAuthorityNames: [{}]\n", gap.authorities.join(", "));
            text += &format!("  admissionAllowlistPatterns: [{}]\n", patterns.join(", "));
        }
        let entries = self.allowlist.iter().map(|(pattern, namespace)| {
            let namespace = namespace.map(|it| format!(", namespace: {it}")).unwrap_or_default();
            format!("{{ namePattern: {pattern:?}{namespace} }}")
        });
        text += &head("AdmissionAllowlist");
        text += &format!(
            "metadata: {{ name: it }}\nspec: {{ patterns: [{}] }}\n",
            entries.collect::<Vec<_>>().join(", ")
        );
        text
    }

    /// kritis `pkg/kritis/review/review.go`: without policies everything is admitted; a policy without authorities is an error;
    /// what is on the lists is admitted; then the policies are evaluated in the order of their names until one admits, and an
    /// authority that does not exist is an error.
    fn admits(&self, namespace: &str, image: &str, attested: &[&str]) -> bool {
        let gaps: Vec<&Gap> = self.gaps.iter().filter(|gap| gap.namespace == namespace).collect();
        if gaps.is_empty() {
            return true;
        }
        if gaps.iter().any(|gap| gap.authorities.is_empty()) {
            return false;
        }
        let on_gap = gaps.iter().flat_map(|gap| &gap.patterns).any(|pattern| gap_pattern(pattern, image));
        let on_list = self.allowlist.iter().any(|(pattern, only)| {
            only.is_none_or(|only| only == namespace) && hook_pattern(pattern.as_bytes(), image.as_bytes())
        });
        if on_gap || on_list {
            return true;
        }
        for gap in gaps {
            if gap.authorities.contains(&"missing") {
                return false;
            }
            if gap.authorities.iter().all(|it| attested.contains(it)) {
                return true;
            }
        }
        false
    }
}

/// kritis `pkg/kritis/util/allowlist.go`, `imageNamePatternMatch`.
fn gap_pattern(pattern: &str, image: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => image.starts_with(stem) && image.rfind('/').is_none_or(|slash| slash < stem.len()),
        None => !pattern.is_empty() && image == pattern,
    }
}

/// The documentation of kritis-validation-hook: a `*` at the end matches anything but `/`, elsewhere letters, digits, `_`, `-`.
fn hook_pattern(pattern: &[u8], image: &[u8]) -> bool {
    match (pattern, image) {
        ([], []) => true,
        ([b'*'], _) => !image.contains(&b'/'),
        ([b'*', rest @ ..], _) => {
            hook_pattern(rest, image)
                || matches!(image, [byte, after @ ..]
                    if (byte.is_ascii_alphanumeric() || b"_-".contains(byte)) && hook_pattern(pattern, after))
        }
        ([wanted, rest @ ..], [found, after @ ..]) => wanted == found && hook_pattern(rest, after),
        _ => false,
    }
}

/// The ways to write the name of an image, which the original compares as text.
fn spellings(repository: &str) -> Vec<String> {
    let mut all = vec![repository.to_owned()];
    if let Some(path) = repository.strip_prefix("docker.io/") {
        all.extend([path.to_owned(), format!("index.docker.io/{path}")]);
        if let Some(name) = path.strip_prefix("library/") {
            all.extend([name.to_owned(), format!("docker.io/{name}")]);
        }
    }
    let digest = format!("@sha256:{}", "a".repeat(64));
    all.iter().flat_map(|name| [format!("{name}:1"), format!("{name}{digest}")]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_policy_is_never_wider_than_in_kritis(
        cluster in clusters(),
        repositories in prop::collection::vec(repositories(), 12),
    ) {
        let imported = import::kritis(&[cluster.resources()], Options::default()).unwrap();
        let policy = load(&imported);
        let noted = imported.notes().iter().any(|note| note.effect == Effect::Stricter);
        for repository in repositories.iter().collect::<BTreeSet<_>>() {
            for namespace in NAMESPACES {
                for attested in [&AUTHORITIES[..0], &AUTHORITIES[..1], &AUTHORITIES[1..2], &AUTHORITIES[..2], &AUTHORITIES[..3]] {
                    let mut spellings = spellings(repository).into_iter();
                    let there = spellings.any(|image| cluster.admits(namespace, &image, attested));
                    // The key of `other` cannot be imported.
                    let usable: Vec<&str> = attested.iter().copied().filter(|it| *it != "other").collect();
                    let here = admits(&policy, repository, namespace, &usable);
                    let about = || format!(
                        "{repository} of {namespace} attested by {attested:?}: there {there}, here {here}\n{}",
                        imported.policy()
                    );
                    prop_assert!(there || !here, "wider: {}", about());
                    prop_assert!(here == there || noted, "stricter without a note: {}", about());
                }
            }
        }
        prop_assert!(imported.notes().iter().all(|note| note.effect != Effect::Wider));
    }
}

/// `gcr.io/*` is one segment; the scope of a whole host is more.
#[test]
fn a_list_of_a_whole_host_does_not_reach_below() {
    let gap = |patterns| Gap { namespace: "prod", authorities: vec!["build"], patterns };
    let cluster = Cluster { gaps: vec![gap(vec!["gcr.io/*"])], allowlist: vec![] };
    let policy = load(&import::kritis(&[cluster.resources()], Options::default()).unwrap());
    assert!(admits(&policy, "gcr.io/x", "prod", &[]));
    assert!(!admits(&policy, "gcr.io/x/y", "prod", &[]));
    assert!(admits(&policy, "gcr.io/x/y", "prod", &["build"]));
}
