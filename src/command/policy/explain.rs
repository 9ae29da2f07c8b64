//! `pullgate policy explain`: which rule speaks for an image, and why the others do not.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::super::{Outcome, output};
use super::{Format, load};
use crate::config::BreakGlassFile;
use crate::policy::{Action, Policy, Role, Rule};
use crate::reference::Reference;

/// Arguments of `pullgate policy explain`.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Explain {
    /// An image, as a pod would name it
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The Kubernetes namespace of the pod; without it, every rule that could speak must admit
    #[arg(long, value_name = "NAMESPACE")]
    pod_namespace: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
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
        match self.output {
            Format::Text => output::line(&report.text()),
            Format::Json => output::line(&serde_json::to_string(&report).unwrap_or_default()),
        }
        Outcome::Fine
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    image: String,
    pod_namespace: Option<String>,
    speaks: Vec<RuleReport>,
    silent: Vec<RuleReport>,
    /// How many rules do not cover the name.
    elsewhere: usize,
    denied: Option<String>,
    break_glass: Option<String>,
    policy: String,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    rule: String,
    does: String,
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
        let ruling = policy.rule_for(repository, namespace);
        let alone = ruling.rules().count() == 1;
        let why = if alone { "most specific" } else { "could speak for some namespace; all must admit" };
        let speaks = ruling.rules().map(|rule| RuleReport::of(rule, why, now)).collect();
        let (mut silent, mut elsewhere) = (Vec::new(), 0);
        for (rule, role) in policy.roles(repository, namespace) {
            match role {
                Role::Speaks => {}
                Role::OtherPods => silent.push(RuleReport::of(rule, "for pods of other namespaces", now)),
                Role::LessSpecific => silent.push(RuleReport::of(rule, "less specific", now)),
                Role::OtherNames => elsewhere += 1,
            }
        }
        let digest = reference.digest();
        let glass = BreakGlassFile::of(root).read(now).unwrap_or_default();
        let opening = glass.opening_for(repository, digest, now);
        Self {
            image: reference.to_string(),
            pod_namespace: namespace.map(str::to_owned),
            speaks,
            silent,
            elsewhere,
            denied: digest.and_then(|digest| policy.denials().of_digest(digest)).map(str::to_owned),
            break_glass: opening.map(|opening| format!("until {}: {}", opening.until, opening.reason)),
            policy: policy.hash().to_owned(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut lines = vec![self.image.clone()];
        let mut row = |label: &str, text: &str| lines.push(format!("  {label:<12} {text}"));
        row("pods", self.pod_namespace.as_deref().unwrap_or("(namespace not known)"));
        if let Some(opening) = &self.break_glass {
            row("break-glass", opening);
        }
        if let Some(why) = &self.denied {
            row("deny list", why);
        }
        for (label, rules) in [("speaks", &self.speaks), ("silent", &self.silent)] {
            for rule in rules {
                row(label, &format!("{}: {}", rule.rule, rule.why));
                row("", &format!("{}, mode {}", rule.does, rule.mode));
            }
        }
        row("elsewhere", &format!("{} rules do not cover this name", self.elsewhere));
        lines.join("\n")
    }
}

impl RuleReport {
    fn of(rule: &Rule, why: &'static str, now: Timestamp) -> Self {
        let mut does = match rule.action() {
            Action::Require(requirement) => {
                format!("requires {requirement}, signed on {}", rule.accept().name())
            }
            Action::AllowUnsigned(allowance) => {
                let of = match allowance.digests.len() {
                    0 => String::new(),
                    count => format!(" for {count} digests"),
                };
                let until = match allowance.until {
                    Some(until) if allowance.is_over(now) => format!(" until {until}, which is over"),
                    Some(until) => format!(" until {until}"),
                    None => String::new(),
                };
                format!("allows unsigned{of}{until}: {}", allowance.reason)
            }
            Action::Deny { reason: Some(reason) } => format!("denies: {reason}"),
            Action::Deny { reason: None } => "denies".to_owned(),
        };
        if let Some(pods) = rule.pods() {
            does = format!("for pods of {pods}, {does}");
        }
        Self { rule: rule.label().to_owned(), does, mode: rule.mode().name(), why }
    }
}
