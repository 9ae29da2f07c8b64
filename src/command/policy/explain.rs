//! `pullgate policy explain`: which rules apply to an image, and why the others do not.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::load;
use crate::config::BreakGlassFile;
use crate::policy::{Action, Applicability, Policy, Rule};
use crate::reference::Reference;
use crate::signature::RepositoryIdentity;
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};

/// Arguments of `pullgate policy explain`.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Explain {
    /// Image, named as in a pod
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Kubernetes namespace of the pod; if it is not given, every rule that could apply must admit the image
    #[arg(long, value_name = "NAMESPACE")]
    pod_namespace: Option<String>,
    #[command(flatten)]
    output: OutputOption,
}

impl Explain {
    pub(in crate::command) fn run(self, root: &Path) -> Outcome {
        let policy = match load(root) {
            Ok(policy) => policy,
            Err(outcome) => return outcome,
        };
        let reference = match Reference::parse(&self.image) {
            Ok(reference) => reference,
            Err(error) => {
                output::error(&error);
                return Outcome::Usage;
            }
        };
        let report = Report::of(&policy, &reference, self.pod_namespace.as_deref(), root, Timestamp::now());
        self.output.show(&report, Report::text);
        Outcome::Success
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    image: String,
    pod_namespace: Option<String>,
    applies: Vec<RuleReport>,
    not_applied: Vec<RuleReport>,
    /// Number of rules whose scope does not cover the name.
    other_scopes: usize,
    denied: Option<String>,
    break_glass: Option<String>,
    policy: String,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    rule: String,
    action: String,
    mode: &'static str,
    why: &'static str,
}

impl Report {
    pub(super) fn of(
        policy: &Policy,
        reference: &Reference,
        namespace: Option<&str>,
        root: &Path,
        now: Timestamp,
    ) -> Self {
        let repository = reference.repository();
        let applicable = policy.applicable_rules(repository, namespace);
        let alone = applicable.rules().count() == 1 || policy.is_same_for_all_pods(repository);
        let why = if alone {
            "most specific"
        } else {
            "may apply, depending on the Kubernetes namespace of the pod; all rules that may apply must admit the image"
        };
        let applies = applicable.rules().map(|rule| RuleReport::of(rule, why, now)).collect();
        let (mut not_applied, mut other_scopes) = (Vec::new(), 0);
        for (rule, role) in policy.applicability(repository, namespace) {
            match role {
                Applicability::Applies => {}
                Applicability::OtherPods => {
                    not_applied.push(RuleReport::of(rule, "for pods in other Kubernetes namespaces", now))
                }
                Applicability::LessSpecific => not_applied.push(RuleReport::of(rule, "less specific", now)),
                Applicability::OtherNames => other_scopes += 1,
            }
        }
        let digest = reference.digest();
        let break_glass = BreakGlassFile::of(root).read(now).unwrap_or_default();
        let exception = break_glass.exception_for(repository, digest, now);
        Self {
            image: reference.to_string(),
            pod_namespace: namespace.map(str::to_owned),
            applies,
            not_applied,
            other_scopes,
            denied: digest.and_then(|digest| policy.deny_list().of_digest(digest)).map(str::to_owned),
            break_glass: exception
                .map(|exception| format!("until {}: {}", exception.until, exception.reason)),
            policy: policy.hash().to_owned(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut lines = vec![self.image.clone()];
        let mut row = |label: &str, text: &str| lines.push(format!("  {label:<12} {text}"));
        row("pods", self.pod_namespace.as_deref().unwrap_or("(namespace unknown)"));
        if let Some(exception) = &self.break_glass {
            row("break-glass", exception);
        }
        if let Some(why) = &self.denied {
            row("deny list", why);
        }
        for (label, rules) in [("applies", &self.applies), ("not applied", &self.not_applied)] {
            for rule in rules {
                row(label, &format!("{}: {}", rule.rule, rule.why));
                row("", &format!("{}; mode {}", rule.action, rule.mode));
            }
        }
        row("other scopes", &format!("rules that do not match this name: {}", self.other_scopes));
        lines.join("\n")
    }
}

impl RuleReport {
    fn of(rule: &Rule, why: &'static str, now: Timestamp) -> Self {
        let mut action = match rule.action() {
            Action::Require(requirement) => {
                let only = match rule.layouts().len() {
                    1 => rule
                        .layouts()
                        .iter()
                        .map(|format| format!("; only in layout {}", format.layout()))
                        .collect(),
                    _ => String::new(),
                };
                let named = match rule.repository_identity() {
                    RepositoryIdentity::Optional => "",
                    RepositoryIdentity::Required => {
                        "; bundles and Notation signatures must name the repository"
                    }
                };
                let object = rule.signed_object().name();
                format!("requires {requirement}; accepts signatures on {object}{only}{named}")
            }
            Action::AllowUnsigned(allowance) => {
                let of = match allowance.digests.len() {
                    0 => String::new(),
                    count => format!(" by digest ({count} listed)"),
                };
                let until = match allowance.until {
                    Some(until) if allowance.is_over(now) => format!(" until {until}, which has passed"),
                    Some(until) => format!(" until {until}"),
                    None => String::new(),
                };
                format!("allows unsigned{of}{until}: {}", allowance.reason)
            }
            Action::Deny { reason: Some(reason) } => format!("denies: {reason}"),
            Action::Deny { reason: None } => "denies".to_owned(),
        };
        if let Some(pods) = rule.pods() {
            action = format!("for pods in {pods}: {action}");
        }
        Self { rule: rule.label().to_owned(), action, mode: rule.mode().name(), why }
    }
}
