//! What the policy enforces.

use super::{Diagnosis, Finding, canary};
use crate::gate::CANARY;
use crate::policy::{Action, Mode, Policy, Rule};
use crate::reference::Reference;

/// How many rules the evidence names.
const MAX_NAMED: usize = 5;

/// Whether some rule is only for the pods of some namespaces.
#[must_use]
pub fn has_pod_rules(policy: &Policy) -> bool {
    policy.rules().any(|rule| rule.pods().is_some())
}

#[must_use]
pub fn evaluate(policy: &Policy) -> Vec<Finding> {
    let rules: Vec<&Rule> = policy.all_rules().collect();
    let of_mode = |mode: Mode| rules.iter().filter(move |rule| rule.mode() == mode);
    let refuses = |rule: &&&Rule| !matches!(rule.action(), Action::AllowUnsigned(_));
    let enforced = of_mode(Mode::Enforce).filter(refuses).count();
    let lax: Vec<_> =
        of_mode(Mode::Audit).chain(of_mode(Mode::Off)).map(|rule| (rule.label(), rule.mode())).collect();
    let named = || {
        let mut named: Vec<_> =
            lax.iter().take(MAX_NAMED).map(|(label, mode)| format!("{label}: {}", mode.name())).collect();
        if lax.len() > MAX_NAMED {
            named.push(format!("{} more", lax.len() - MAX_NAMED));
        }
        named.join(", ")
    };
    let mut findings = Vec::new();
    if enforced == 0 {
        let evidence = if lax.is_empty() { "every rule allows unsigned images".to_owned() } else { named() };
        findings.push(Finding::new(Diagnosis::NothingEnforced, &evidence));
    } else {
        let evidence = format!(
            "rules that refuse images, with the default: {enforced} of {}; {}",
            rules.len(),
            policy.hash()
        );
        findings.push(Finding::new(Diagnosis::PolicyOk, &evidence));
        if !lax.is_empty() {
            findings.push(Finding::new(Diagnosis::AuditRules, &named()));
        }
    }
    if let Some(rule) = rule_of_the_canary(policy) {
        findings.push(Finding::new(Diagnosis::CanaryRule, rule.label()));
    }
    findings
}

/// A rule that applies to the canary, but not to images of every host and pods of every namespace.
fn rule_of_the_canary(policy: &Policy) -> Option<&Rule> {
    let canary = Reference::parse(CANARY).ok()?;
    let rules = policy.applicable_rules(canary.repository(), Some(canary::NAMESPACE));
    rules.rules().find(|rule| rule.scope().limits_host() || rule.pods().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_policy_text;

    #[test]
    fn a_policy_that_refuses_nothing_is_found() {
        let rule = |scope: &str, rest: &str| format!("[[namespace]]\nscope = \"{scope}\"\n{rest}\n");
        let (deny, allow) =
            ("default = \"deny\"\n", "default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n");
        let unsigned = "allow = \"unsigned\"\nreason = \"x\"";
        for (name, text, expected, pods) in [
            ("deny", deny.to_owned(), &["policy"][..], false),
            (
                "a rule for the canary",
                format!("{allow}{}", rule("pullgate-canary.invalid", "deny = \"x\"")),
                &["policy", "canary-rule"],
                false,
            ),
            (
                "a rule for its pod",
                format!("{allow}{}", rule("**", "pods = [\"pullgate-*\"]\ndeny = \"x\"")),
                &["policy", "canary-rule"],
                true,
            ),
            ("allow", allow.to_owned(), &["nothing-enforced"], false),
            ("allow but one", format!("{allow}{}", rule("a.io", "deny = \"x\"")), &["policy"], false),
            (
                "audit",
                format!("{allow}{}", rule("a.io", "deny = \"x\"\nmode = \"audit\"")),
                &["nothing-enforced"],
                false,
            ),
            (
                "audit and deny",
                format!("{deny}{}{}", rule("a.io", "deny = \"x\"\nmode = \"off\""), rule("b.io", unsigned)),
                &["policy", "audit-rules"],
                false,
            ),
            (
                "pods",
                format!("{deny}{}", rule("a.io", &format!("pods = [\"lab\"]\n{unsigned}"))),
                &["policy"],
                true,
            ),
        ] {
            let policy = load_policy_text(&text, jiff::Timestamp::now())
                .unwrap_or_else(|it| panic!("{name}: {it}"))
                .policy;
            let codes: Vec<_> = evaluate(&policy).into_iter().map(|finding| finding.id).collect();
            assert_eq!(
                (codes.as_slice(), has_pod_rules(&policy)),
                (&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..], pods),
                "{name}"
            );
        }
    }
}
