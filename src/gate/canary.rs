//! The canary: an image that `pullgate doctor` asks kubelet's socket for, to see whether an image without a signature is
//! refused.
//!
//! A request for it takes the path of every pull, and the same [`evaluate`] decides about it, with the policy in force. Only
//! the facts are given instead of found: the image exists, and has no signature. So no registry is asked, whose error could
//! be taken for a refusal. Whatever the policy says, the request is refused: [`refuse`] returns a [`Refusal`] and nothing
//! else. So the name is of no use to anybody who wants to run something.
//!
//! Where pullgate is not in the way, nothing can be pulled either: names below `.invalid` do not resolve (RFC 6761, section
//! 6.4), and no content with the digest is known, should a mirror answer for every host.

use jiff::Timestamp;

use super::evaluate::{Fact, Facts, Object, Rules, Stop, evaluate};
use super::refusal::Found;
use super::{AdmissionRequest, Explanation, Refusal};
use crate::policy::{Action, ApplicableRules, BreakGlass, Policy};
use crate::reference::Reference;
use crate::registry::Collected;

const DOMAIN: &str = "pullgate-canary.invalid";

/// The name by which `pullgate doctor` asks for it.
pub const CANARY: &str =
    "pullgate-canary.invalid/doctor@sha256:0000000000000000000000000000000000000000000000000000000000000000";

pub(super) fn is_canary(reference: &Reference) -> bool {
    reference.repository().canonical_domain() == DOMAIN
}

/// The refusal. Its reason says whether the policy refuses such an image.
pub(super) fn refuse(
    request: &AdmissionRequest,
    reference: &Reference,
    policy: Option<&Policy>,
    break_glass: Option<&BreakGlass>,
) -> (Refusal, Explanation) {
    let image = request.image.as_str();
    let applicable =
        policy.map(|policy| policy.applicable_rules(reference.repository(), request.namespace.as_deref()));
    let facts = facts(image, reference, applicable.as_ref().zip(policy));
    let rules = Rules {
        image,
        id: None,
        repositories: &[reference.repository()],
        break_glass,
        policy: applicable.as_ref().zip(policy.map(Policy::deny_list)),
    };
    let refusal = match evaluate(&rules, &facts, Timestamp::now()) {
        Ok(admission) => Refusal::canary_admitted(image, admission.label(), admission.reason()),
        Err(Stop::Refuse(refusal)) => Refusal::canary(image, &refusal),
        Err(Stop::Need(_)) => Refusal::internal(image),
    };
    let labels = applicable.map(|applicable| applicable.rules().map(ToString::to_string).collect::<Vec<_>>());
    let rule = labels.map(|labels| labels.join(" and "));
    let explanation = Explanation { rule, reason: Some(refusal.reason()), ..Explanation::default() };
    (refusal, explanation)
}

fn facts(image: &str, reference: &Reference, policy: Option<(&ApplicableRules<'_>, &Policy)>) -> Facts {
    let canary = || Reference::parse(CANARY).ok()?.digest().cloned();
    let Some(digest) = reference.digest().cloned().or_else(canary) else { return Facts::default() };
    let mut facts = Facts {
        written: reference.digest().cloned(),
        identities: Fact::Known(vec![digest.clone()]),
        served: Some(digest.clone()),
        deny_list_compared: true,
        ..Facts::default()
    };
    let Some((applicable, policy)) = policy else { return facts };
    let collected = Collected::default();
    for (place, rule) in applicable.rules().enumerate() {
        let Action::Require(requirement) = rule.action() else { continue };
        let condition = requirement.attestations().first().map(String::as_str);
        let found = Found::nothing(&collected, condition.filter(|_| requirement.authenticators().is_empty()));
        let unsigned = Refusal::unmet((image, digest.as_str()), rule.label(), (policy, requirement), &found);
        for object in [Object::Named, Object::Platform] {
            facts.verified.insert((place, object), Err(unsigned.clone()));
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_policy_text;
    use crate::policy::{Exception, ExceptionTarget, Scope};
    use crate::registry::Credentials;
    use crate::telemetry::{Kind, Reason};

    const KEYS: &str = include_str!("../../tests/fixtures/keys/throw-away-p256.pub.pem");

    fn ask(policy: Option<&str>, namespace: Option<&str>, break_glass: Option<&BreakGlass>) -> Refusal {
        let key = KEYS.trim();
        let policy = policy.map(|text| {
            let text = format!(
                "{text}\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ pem = \"\"\"{key}\"\"\" }}]\n"
            );
            load_policy_text(&text, Timestamp::now()).unwrap_or_else(|problems| panic!("{problems}")).policy
        });
        let request = AdmissionRequest {
            image: CANARY.to_owned(),
            credentials: Credentials::anonymous(),
            namespace: namespace.map(ToOwned::to_owned),
        };
        let reference = Reference::parse(CANARY).unwrap();
        assert!(is_canary(&reference));
        let (refusal, explanation) = refuse(&request, &reference, policy.as_ref(), break_glass);
        assert_eq!(explanation.reason, Some(refusal.reason()));
        refusal
    }

    const DENY: &str = "default = \"deny\"";
    const REQUIRE: &str =
        "default = \"deny\"\n[[namespace]]\nscope = \"**\"\nrequire = { all = [\"release\"] }";
    const ALLOW: &str =
        "default = \"deny\"\n[[namespace]]\nscope = \"**\"\nallow = \"unsigned\"\nreason = \"a test\"";

    #[test]
    fn the_policy_decides_and_the_image_is_refused_whatever_it_says() {
        let audit = format!("{REQUIRE}\nmode = \"audit\"");
        let off = format!("{REQUIRE}\nmode = \"off\"");
        let pods = format!(
            "{REQUIRE}\n[[namespace]]\nscope = \"**\"\npods = [\"lab\"]\nallow = \"unsigned\"\nreason = \"x\""
        );
        let denied =
            format!("{ALLOW}\n[deny]\ndigests = [{{ digest = \"sha256:{:064}\", reason = \"x\" }}]", 0);
        for (name, policy, namespace, refused, inside) in [
            ("deny", Some(DENY), None, true, "[denied-by-rule]"),
            ("require", Some(REQUIRE), None, true, "found no signature"),
            ("allow", Some(ALLOW), None, false, "[unsigned-allowed]"),
            ("audit", Some(&*audit), None, false, "[audit-only]"),
            ("off", Some(&*off), None, false, "[rule-off]"),
            ("a pod that is allowed", Some(&*pods), Some("lab"), false, "[unsigned-allowed]"),
            ("another pod", Some(&*pods), Some("web"), true, "[no-signature]"),
            ("deny list", Some(&*denied), None, true, "[digest-denied]"),
            ("no policy", None, None, true, "[no-policy]"),
        ] {
            let refusal = ask(policy, namespace, None);
            let reason = if refused { Reason::Canary } else { Reason::CanaryAdmitted };
            assert_eq!(refusal.reason(), reason, "{name}: {}", refusal.line());
            assert!(matches!(refusal.kind(), Kind::Refused(_)), "{name}");
            assert!(refusal.line().contains(inside), "{name}: {}", refusal.line());
        }
    }

    #[test]
    fn an_open_exception_is_told() {
        let exception = Exception {
            what: ExceptionTarget::Scope(Scope::parse(DOMAIN).unwrap()),
            reason: "outage".to_owned(),
            until: Timestamp::now() + jiff::SignedDuration::from_hours(1),
        };
        let glass = BreakGlass::new(vec![exception]);
        let refusal = ask(Some(DENY), None, Some(&glass));
        assert_eq!(refusal.reason(), Reason::CanaryAdmitted);
        assert!(refusal.line().contains("outage"), "{}", refusal.line());
    }

    #[test]
    fn other_names_are_no_canary() {
        for (name, expected) in [
            ("pullgate-canary.invalid/other:1", true),
            ("PULLGATE-CANARY.invalid/other:1", true),
            ("pullgate-canary.invalid:5000/doctor", false),
            ("pullgate-canary.example/doctor", false),
            ("reg.example/pullgate-canary.invalid", false),
        ] {
            assert_eq!(is_canary(&Reference::parse(name).unwrap()), expected, "{name}");
        }
    }
}
