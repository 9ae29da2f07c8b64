//! `pullgate verify`: the decision that the daemon would make, step by step.

mod signatures;

use std::path::Path;

use serde::Serialize;

use self::signatures::SignatureReport;
use super::local_gate::LocalGate;
use crate::gate::{AdmissionRequest, Explanation, Gate, Kind, Pinned, Refusal};
use crate::registry::Credentials;
use crate::telemetry::{Step, log};
use pullgate_cli::LoginArgs;
use pullgate_cli::terminal::{Page, Progress, ReportOptions, Span};
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::image_name;

/// Arguments of `pullgate verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Images, named as in a pod
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    #[command(flatten)]
    output: ReportOptions,
    /// Kubernetes namespace of the pod; if it is not given, the strictest rule applies
    #[arg(long, value_name = "NAMESPACE")]
    pod_namespace: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
}

impl Verify {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::WARN);
        let local = match LocalGate::open(root) {
            Ok(local) => local,
            Err(error) => {
                output::error(&error);
                return error.outcome();
            }
        };
        let credentials = match self.login.credentials() {
            Ok(credentials) => credentials,
            Err(error) => {
                output::error(&error);
                return Outcome::Usage;
            }
        };
        local.runtime.block_on(self.verify_all(&local.gate, &credentials))
    }

    async fn verify_all(&self, gate: &Gate, credentials: &Credentials) -> Outcome {
        let mut outcome = Outcome::Success;
        for image in &self.images {
            let request = AdmissionRequest {
                image: image.clone(),
                credentials: credentials.clone(),
                namespace: self.pod_namespace.clone(),
            };
            let mut explanation = Explanation::default();
            let progress = Progress::start(&format!("verifying {}", image_name(image, usize::MAX)));
            let decision = gate.admit(&request, &mut explanation).await;
            drop(progress);
            let report = Report::of(image, &explanation, &decision);
            self.output.show(&report, Report::page);
            outcome = outcome.max(report.outcome);
        }
        outcome
    }
}

/// A decision in its output format.
#[derive(Debug, Serialize)]
struct Report {
    image: String,
    reference: Option<String>,
    rule: Option<String>,
    requires: Option<String>,
    digest: Option<String>,
    media_type: Option<String>,
    signatures: Vec<SignatureReport>,
    problems: Vec<String>,
    audited: Vec<String>,
    verdict: &'static str,
    reason: &'static str,
    pinned: Option<String>,
    message: Option<String>,
    milliseconds: f64,
    #[serde(skip)]
    outcome: Outcome,
}

impl Report {
    fn of(image: &str, explanation: &Explanation, decision: &Result<Pinned, Refusal>) -> Self {
        let (verdict, outcome) = match decision {
            Ok(_) => ("admitted", Outcome::Success),
            Err(refusal) if matches!(refusal.kind(), Kind::Refused(_)) => ("refused", Outcome::Refused),
            Err(_) => ("unknown", Outcome::Undetermined),
        };
        // The sum of an empty iterator is -0.
        let spent: f64 =
            Step::ALL.iter().filter_map(|step| explanation.steps.milliseconds(*step)).sum::<f64>() + 0.0;
        Self {
            image: image_name(image, usize::MAX),
            reference: explanation.reference.clone(),
            rule: explanation.rule.clone(),
            requires: explanation.required.clone(),
            digest: explanation.digest.clone(),
            media_type: explanation.media_type.clone(),
            signatures: explanation.findings.iter().map(SignatureReport::of).collect(),
            problems: explanation.problems.clone(),
            audited: explanation.audited.iter().map(Refusal::line_in_audit_mode).collect(),
            verdict,
            reason: match decision {
                Ok(pinned) => pinned.reason().code(),
                Err(refusal) => refusal.reason().code(),
            },
            pinned: decision.as_ref().ok().map(|pinned| pinned.name().to_owned()),
            message: decision.as_ref().err().map(|refusal| refusal.line().to_owned()),
            milliseconds: spent,
            outcome,
        }
    }

    fn page(&self) -> Page {
        let mut page = Page::new();
        page.line([Span::strong(&self.image).whole()]);
        let mut optional = |label: &str, text: &Option<String>| {
            if let Some(text) = text {
                page.row(label, [Span::plain(text)]);
            }
        };
        // A name that is as in the pod says nothing new.
        optional("name", &self.reference.clone().filter(|name| *name != self.image));
        optional("rule", &self.rule);
        optional("requires", &self.requires);
        if let Some(digest) = &self.digest {
            let digest = Span::plain(digest);
            // The row `pull` has all of it.
            page.row("digest", [if self.pinned.is_some() { digest } else { digest.whole() }]);
        }
        if let Some(media_type) = &self.media_type {
            page.row("type", [media_type.as_str().into()]);
        }
        signatures::add(&mut page, &self.signatures);
        for problem in &self.problems {
            page.row("problem", [Span::warning(problem)]);
        }
        for refusal in &self.audited {
            page.row("audit", [Span::warning(refusal).whole()]);
        }
        if let Some(pinned) = &self.pinned {
            page.row("pull", [Span::plain(pinned).whole()]);
        }
        if let Some(message) = &self.message {
            page.row("message", [Span::plain(message).whole()]);
        }
        let verdict = match self.outcome {
            Outcome::Success => Span::good(self.verdict),
            Outcome::Refused => Span::bad(self.verdict),
            _ => Span::warning(self.verdict),
        };
        let details = format!(" ({}) in {:.1} ms", self.reason, self.milliseconds);
        page.row("verdict", [verdict, details.into()]);
        page
    }
}
