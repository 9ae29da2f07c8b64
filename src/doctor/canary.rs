//! The canary: an image that must be refused is asked for at the socket that kubelet uses.

use std::path::Path;
use std::time::Duration;

use tonic::Code;

use super::{Diagnosis, Finding};
use crate::api::image_service_client::ImageServiceClient;
use crate::api::{ImageSpec, PodSandboxConfig, PodSandboxMetadata, PullImageRequest};
use crate::containerd::Upstream;
use crate::gate::{CANARY, CANARY_IS_REFUSED};
use crate::telemetry::Reason;

/// The namespace of the pod in the request. No rule is for it, so those for all other pods apply.
pub const NAMESPACE: &str = "pullgate-doctor";

/// What became of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanaryAnswer {
    /// It was not sent, because the socket is that of the runtime, or there is none.
    NotSent,
    /// There was no answer.
    Unanswered(String),
    /// An error, with its gRPC status.
    Failed { code: i32, message: String },
    /// It succeeded.
    Pulled,
}

/// Sends the request that kubelet would send for a pod with the canary.
pub async fn ask(socket: &Path, limit: Duration) -> CanaryAnswer {
    let metadata = PodSandboxMetadata {
        name: "canary".to_owned(),
        uid: "canary".to_owned(),
        namespace: NAMESPACE.to_owned(),
        ..PodSandboxMetadata::default()
    };
    let request = PullImageRequest {
        image: Some(ImageSpec { image: CANARY.to_owned(), ..ImageSpec::default() }),
        auth: None,
        sandbox_config: Some(PodSandboxConfig { metadata: Some(metadata), ..PodSandboxConfig::default() }),
    };
    let mut client = ImageServiceClient::new(Upstream::new(socket));
    match tokio::time::timeout(limit, client.pull_image(request)).await {
        Ok(Ok(_)) => CanaryAnswer::Pulled,
        Ok(Err(status)) => {
            CanaryAnswer::Failed { code: status.code().into(), message: status.message().to_owned() }
        }
        Err(_) => CanaryAnswer::Unanswered(format!("no answer within {} s", limit.as_secs())),
    }
}

/// Only pullgate's own refusal counts: an error of a registry, or of DNS, is not one.
#[must_use]
pub fn evaluate(answer: &CanaryAnswer) -> Vec<Finding> {
    let (diagnosis, evidence) = match answer {
        CanaryAnswer::NotSent => return Vec::new(),
        CanaryAnswer::Unanswered(why) => (Diagnosis::CanaryUnanswered, why.clone()),
        CanaryAnswer::Pulled => (Diagnosis::CanaryNotRefused, "the pull succeeded".to_owned()),
        CanaryAnswer::Failed { code, message } => {
            let ends = |reason: Reason| message.ends_with(&format!(" [{reason}]"));
            let refused = message.strip_prefix("SignatureValidationFailed: ");
            match refused.filter(|_| Code::from(*code) == Code::Unknown) {
                // What the policy says about it.
                Some(line) if ends(Reason::Canary) => {
                    let why = line.split_once(CANARY_IS_REFUSED).map_or(line, |(_, why)| why);
                    (Diagnosis::CanaryOk, why.trim_end_matches(&format!(" [{}]", Reason::Canary)).to_owned())
                }
                Some(line) if ends(Reason::CanaryAdmitted) => (Diagnosis::CanaryAdmitted, line.to_owned()),
                _ => (Diagnosis::CanaryNotRefused, format!("{:?}: {message}", Code::from(*code))),
            }
        }
    };
    vec![Finding::new(diagnosis, &evidence)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_is_what_the_policy_says() {
        let why = "image x is refused by default [denied-by-rule]";
        let line = format!(
            "SignatureValidationFailed: image x is the canary, and {CANARY_IS_REFUSED}{why} [canary]"
        );
        let found = evaluate(&CanaryAnswer::Failed { code: Code::Unknown.into(), message: line });
        assert_eq!(found.first().map(|finding| finding.evidence.as_str()), Some(why));
    }

    #[test]
    fn only_our_own_refusal_is_proof() {
        let failed = |code: Code, message: &str| CanaryAnswer::Failed {
            code: code.into(),
            message: message.to_owned(),
        };
        for (answer, expected) in [
            (failed(Code::Unknown, "SignatureValidationFailed: image x is … [canary]"), Some("canary")),
            (
                failed(Code::Unknown, "SignatureValidationFailed: … [canary-admitted]"),
                Some("canary-admitted"),
            ),
            (
                failed(Code::Unknown, "SignatureValidationFailed: … [no-signature]"),
                Some("canary-not-refused"),
            ),
            (failed(Code::NotFound, "SignatureValidationFailed: … [canary]"), Some("canary-not-refused")),
            (failed(Code::Unknown, "RegistryUnavailable: … [canary]"), Some("canary-not-refused")),
            (failed(Code::Unknown, "failed to resolve reference: no such host"), Some("canary-not-refused")),
            (failed(Code::Unimplemented, "unknown service"), Some("canary-not-refused")),
            (CanaryAnswer::Pulled, Some("canary-not-refused")),
            (CanaryAnswer::Unanswered("no answer".to_owned()), Some("canary-unanswered")),
            (CanaryAnswer::NotSent, None),
        ] {
            let found = evaluate(&answer);
            assert_eq!(found.first().map(|finding| finding.id.as_str()), expected, "{answer:?}");
        }
    }
}
