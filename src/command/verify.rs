//! `pullgate verify`: the decision that the daemon would make, step by step.

use std::path::Path;

use serde::Serialize;

use super::local_gate::LocalGate;
use crate::gate::{AdmissionRequest, Explanation, Gate, Kind, Pinned, Refusal};
use crate::registry::Credentials;
use crate::telemetry::{Step, log};
use crate::trust::Identity;
use pullgate_cli::LoginArgs;
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::sanitize;

/// Arguments of `pullgate verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Images, named as in a pod
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    #[command(flatten)]
    output: OutputOption,
    /// Kubernetes namespace of the pod; without it, the strictest rule applies
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
            let decision = gate.admit(&request, &mut explanation).await;
            let report = Report::of(image, &explanation, &decision);
            self.output.show(&report, Report::text);
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

#[derive(Debug, Serialize)]
struct SignatureReport {
    place: String,
    authenticator: String,
    /// The condition that it was compared with, if it is an attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<String>,
    key: Option<String>,
    /// Who signed, where it is not a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    error: Option<String>,
}

impl Report {
    fn of(image: &str, explanation: &Explanation, decision: &Result<Pinned, Refusal>) -> Self {
        let signatures = explanation.findings.iter().map(|finding| SignatureReport {
            place: finding.place.clone(),
            authenticator: finding.authenticator.clone(),
            attestation: finding.condition.clone(),
            key: finding.outcome.as_ref().ok().filter(|it| it.is_key()).map(Identity::to_string),
            identity: finding.outcome.as_ref().ok().filter(|it| !it.is_key()).map(Identity::to_string),
            error: finding.outcome.clone().err(),
        });
        let (verdict, outcome) = match decision {
            Ok(_) => ("admitted", Outcome::Success),
            Err(refusal) if matches!(refusal.kind(), Kind::Refused(_)) => ("refused", Outcome::Refused),
            Err(_) => ("unknown", Outcome::Undetermined),
        };
        // The sum of an empty iterator is -0.
        let spent: f64 =
            Step::ALL.iter().filter_map(|step| explanation.steps.milliseconds(*step)).sum::<f64>() + 0.0;
        Self {
            image: image.to_owned(),
            reference: explanation.reference.clone(),
            rule: explanation.rule.clone(),
            requires: explanation.required.clone(),
            digest: explanation.digest.clone(),
            media_type: explanation.media_type.clone(),
            signatures: signatures.collect(),
            problems: explanation.problems.clone(),
            audited: explanation.audited.iter().map(|refusal| refusal.line().to_owned()).collect(),
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

    fn text(&self) -> String {
        let mut lines = vec![sanitize(&self.image)];
        let mut row = |label: &str, text: &str| lines.push(format!("  {label:<10} {text}"));
        let mut optional = |label: &str, text: &Option<String>| {
            if let Some(text) = text {
                row(label, text);
            }
        };
        optional("name", &self.reference);
        optional("rule", &self.rule);
        optional("requires", &self.requires);
        optional("digest", &self.digest);
        optional("type", &self.media_type);
        for signature in &self.signatures {
            let SignatureReport { authenticator, attestation, key, identity, error, .. } = signature;
            match attestation {
                None => row("signature", &signature.place),
                Some(condition) => row("attested", &format!("{}, for {condition}", signature.place)),
            }
            match (key, identity) {
                (Some(key), _) => row("", &format!("valid for {authenticator}, key {key}")),
                (_, Some(identity)) => {
                    row("", &format!("valid for {authenticator}, identity {}", sanitize(identity)));
                }
                _ => {
                    row(
                        "",
                        &format!("not valid for {authenticator}: {}", error.as_deref().unwrap_or_default()),
                    );
                }
            }
        }
        for problem in &self.problems {
            row("problem", problem);
        }
        for refusal in &self.audited {
            row("audit", refusal);
        }
        if let Some(pinned) = &self.pinned {
            row("pull", pinned);
        }
        if let Some(message) = &self.message {
            row("message", message);
        }
        row("verdict", &format!("{} ({}) in {:.1} ms", self.verdict, self.reason, self.milliseconds));
        lines.join("\n")
    }
}
