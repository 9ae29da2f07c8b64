//! Policies of Security Center: generated ones decide as the original, or more strictly with a note.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use pullgate_import::{self as import, Effect, ImportError, Options, SecurityCenter};

use super::policy_json::admits;
use super::{key, load};

/// `missing` is not in the response of DescribeAttestors.
const ATTESTORS: [&str; 3] = ["build", "quality", "missing"];
const NAMESPACES: [&str; 3] = ["prod", "dev", "free"];
const STATUSES: [&str; 9] =
    ["enabled", "enable", "ENABLED", "Enable", "disabled", "disable", "DISABLED", "paused", ""];

#[derive(Clone, Debug)]
struct Policy {
    status: &'static str,
    mode: Option<&'static str>,
    required: Vec<&'static str>,
    namespaces: Vec<&'static str>,
    cluster: &'static str,
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let policy = (
        select(&STATUSES[..]),
        select(vec![None, Some("requireAttestor"), Some("requireAttestor"), Some("other")]),
        subsequence(&ATTESTORS[..], 0..=2),
        subsequence(&NAMESPACES[..2], 1..=2),
        select(vec!["c1", "c1", "c2"]),
    );
    let policy = policy.prop_map(|(status, mode, required, namespaces, cluster)| Policy {
        status,
        mode,
        required,
        namespaces,
        cluster,
    });
    prop::collection::vec(policy, 1..6)
}

fn enabled(namespaces: Vec<&'static str>) -> Policy {
    Policy { status: "enabled", mode: None, required: vec!["build"], namespaces, cluster: "c1" }
}

fn response(policies: &[Policy]) -> Vec<u8> {
    let policies: Vec<String> = policies
        .iter()
        .enumerate()
        .map(|(at, it)| {
            let mode = it.mode.map(|mode| format!("\"PolicyMode\": {mode:?}, ")).unwrap_or_default();
            format!(
                r#"{{"Name": "policy-{at}", "Status": {:?}, "Policy": {{{mode}"RequiredAttestors": {:?}}},
                    "Clusters": [{{"ClusterId": {:?}, "Namespaces": {:?}}}]}}"#,
                it.status, it.required, it.cluster, it.namespaces
            )
        })
        .collect();
    let total = policies.len();
    let policies = policies.join(", ");
    format!(r#"{{"PageInfo": {{"TotalCount": {total}}}, "BinarySecurityPolicies": [{policies}]}}"#)
        .into_bytes()
}

/// A namespace without an enabled policy admits everything; otherwise one policy suffices, all of whose attestors have signed
/// (the rules of kritis, by which Security Center's policies are enforced). A status that is not documented may mean either.
fn original(policies: &[Policy], namespace: &str, signed: &[&str], unknown_is_enabled: bool) -> bool {
    let mut applying = policies
        .iter()
        .filter(|it| it.cluster == "c1" && it.namespaces.contains(&namespace))
        .filter(|it| match it.status.to_ascii_lowercase().as_str() {
            "enable" | "enabled" => true,
            "disable" | "disabled" => false,
            _ => unknown_is_enabled,
        })
        .peekable();
    applying.peek().is_none()
        || applying.any(|it| {
            let known = it.mode.is_none_or(|mode| mode == "requireAttestor");
            known && !it.required.is_empty() && it.required.iter().all(|it| signed.contains(it))
        })
}

fn imported(pages: &[Vec<u8>]) -> Result<import::Imported, ImportError> {
    let attestor = |name: &str| {
        format!(r#"{{"Name": {name:?}, "KeyRegionId": "r", "KeyId": "k-{name}", "KeyVersionId": "1"}}"#)
    };
    let attestors =
        [format!(r#"{{"Attestors": [{}, {}]}}"#, attestor("build"), attestor("quality")).into_bytes()];
    let public_keys =
        BTreeMap::from([("build".to_owned(), key("p256")), ("quality".to_owned(), key("ed25519"))]);
    let source =
        SecurityCenter { attestors: &attestors, policies: pages, cluster: "c1", public_keys: &public_keys };
    import::security_center(&source, Options::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_policy_is_never_wider_than_in_security_center(policies in policies()) {
        let imported = match imported(&[response(&policies)]) {
            Ok(imported) => imported,
            Err(error) => {
                prop_assert!(matches!(error, ImportError::NothingRequired(_)), "{error:?}");
                prop_assert!(NAMESPACES.iter().all(|namespace| original(&policies, namespace, &[], true)));
                return Ok(());
            }
        };
        let policy = load(&imported);
        let noted = imported.notes().iter().any(|note| note.effect == Effect::Stricter);
        for namespace in NAMESPACES {
            for signed in [&ATTESTORS[..0], &ATTESTORS[..1], &ATTESTORS[1..2], &ATTESTORS[..2]] {
                let here = admits(&policy, "registry.example.com/app", namespace, signed);
                for unknown_is_enabled in [false, true] {
                    let there = original(&policies, namespace, signed, unknown_is_enabled);
                    prop_assert!(
                        (there || !here) && (here == there || noted),
                        "{namespace} signed by {signed:?}: there {there}, here {here}\n{}",
                        imported.policy()
                    );
                }
            }
        }
    }
}

/// Each page names the total number. A policy of a page that is missing would be dropped.
#[test]
fn pages_are_complete_or_nothing_is_imported() {
    let page = |name: &str, namespace, total: usize| {
        let text = String::from_utf8(response(&[enabled(vec![namespace])])).unwrap();
        text.replace("policy-0", name)
            .replace("\"TotalCount\": 1", &format!("\"TotalCount\": {total}"))
            .into_bytes()
    };
    let (one, two) = (page("one", "prod", 3), page("two", "dev", 3));
    for (pages, complete) in [
        (vec![one.clone(), two.clone()], false),
        (vec![one.clone(), two.clone(), two.clone()], false),
        (vec![one.clone(), two.clone(), page("three", "free", 3)], true),
    ] {
        let imported = imported(&pages);
        assert_eq!(imported.is_ok(), complete, "{} pages: {imported:?}", pages.len());
        assert!(complete || matches!(imported, Err(ImportError::Shape { .. })));
    }
}

/// A `*` in `pods` would be a pattern, and no list at all could mean every namespace.
#[test]
fn a_namespace_that_kubernetes_does_not_allow_is_an_error() {
    for (namespaces, valid) in [
        (vec!["prod"], true),
        (vec!["*"], false),
        (vec!["pro*"], false),
        (vec!["Prod"], false),
        (vec![], false),
    ] {
        let imported = imported(&[response(&[enabled(namespaces.clone())])]);
        assert_eq!(imported.is_ok(), valid, "{namespaces:?}: {imported:?}");
    }
}
