//! The one log record of each decision.

use http::Response;

use crate::containerd::Body;
use crate::cri::decided::Decided;
use crate::cri::{MAX_NAME_BYTES, Peer};
use crate::gate::{Explanation, Pinned, Pod, Refusal};
use crate::telemetry::decisions::{Call, Decisions};
use crate::telemetry::{Counters, Reason, Step, Steps};
use pullgate_core::untrusted::{image_name, sanitize_to};

/// The record of one pull. It is written and counted exactly once, when it is dropped: also when the caller cancels.
#[derive(Debug)]
pub(super) struct Record<'a> {
    counters: &'a Counters,
    image: String,
    pod: Pod,
    peer: Peer,
    explanation: Explanation,
    /// What was admitted: its reason and its pinned name.
    admitted: Option<(Reason, String)>,
    outcome: Outcome,
    is_reported: bool,
}

#[derive(Debug)]
enum Outcome {
    /// The caller no longer waits for an answer: it cancelled the call, or its deadline passed.
    Cancelled,
    Refused(Refusal),
    Pulled {
        reason: Reason,
        pinned: String,
    },
    Failed {
        reason: Reason,
        pinned: String,
        error: String,
    },
}

impl<'a> Record<'a> {
    pub(super) fn begin(counters: &'a Counters, (image, pod): (&str, Option<&Pod>), peer: Peer) -> Self {
        // Names are untrusted: a line break in one must not start a record of its own.
        let shown = image_name(image, MAX_NAME_BYTES);
        Self {
            counters,
            image: shown,
            pod: pod.cloned().unwrap_or_default(),
            peer,
            explanation: Explanation::default(),
            admitted: None,
            outcome: Outcome::Cancelled,
            is_reported: true,
        }
    }

    /// Nobody asked for this pull: it is counted, but not in `pullgate report`.
    pub(super) fn leave_out_of_report(&mut self) {
        self.is_reported = false;
    }

    pub(super) fn explained(&mut self, explanation: Explanation) {
        self.explanation = explanation;
    }

    pub(super) fn steps(&mut self) -> &mut Steps {
        &mut self.explanation.steps
    }

    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.admitted = None;
        self.outcome = Outcome::Refused(refusal.clone());
    }

    pub(super) fn admitted(&mut self, pinned: &Pinned) {
        self.admitted = Some((pinned.reason(), pinned.name().to_owned()));
    }

    /// The pull ended with this answer.
    pub(super) fn answered(&mut self, answer: &Response<Body>) {
        let Some((reason, pinned)) = self.admitted.take() else { return };
        self.outcome = match error_of(answer) {
            None => Outcome::Pulled { reason, pinned },
            Some(error) => Outcome::Failed { reason, pinned, error },
        };
    }
}

impl Record<'_> {
    fn count(&self) {
        let Self { explanation, .. } = self;
        let Counters { pulls, decisions, .. } = self.counters;
        let unrecorded = Decisions::default();
        let decisions = if self.is_reported { decisions } else { &unrecorded };
        let decided = Decided {
            rule: explanation.rule.as_deref(),
            digest: explanation.digest.as_deref(),
            ..Decided::new(Call::Pull, &self.image, Some(&self.pod))
        };
        let (counts, reason) = match (&self.outcome, &self.admitted) {
            (Outcome::Pulled { reason, .. }, _) => (&pulls.pulled, reason),
            (Outcome::Failed { reason, .. }, _) => (&pulls.failed, reason),
            (Outcome::Cancelled, Some((reason, _))) => (&pulls.cancelled, reason),
            (Outcome::Refused(refusal), _) => {
                pulls.refused.add(refusal.reason());
                decided.refused(decisions, refusal);
                return;
            }
            (Outcome::Cancelled, None) => {
                pulls.undecided.add();
                decided.undecided(decisions);
                return;
            }
        };
        counts.add(*reason);
        decided.admitted(decisions, *reason, &explanation.audited);
    }

    fn count_explanation(&self) {
        let Self { counters: Counters { pulls, .. }, explanation, .. } = self;
        for refusal in &explanation.audited {
            pulls.audited.add(refusal.reason());
        }
        pulls.steps.observe(&explanation.steps);
    }
}

/// The gRPC status of an answer, if it is an error.
pub(in crate::cri) fn error_of(answer: &Response<Body>) -> Option<String> {
    let trailers = match answer.body() {
        Body::Held { trailers: Some(trailers), .. } => trailers,
        _ => answer.headers(),
    };
    let status = trailers.get("grpc-status").and_then(|status| status.to_str().ok()).unwrap_or("missing");
    if status == "0" {
        return None;
    }
    // Percent-encoded on the wire; decoded, it may have line breaks.
    let message = tonic::Status::from_header_map(trailers).map(|status| status.message().to_owned());
    Some(format!("{status}: {}", sanitize_to(&message.unwrap_or_default(), MAX_NAME_BYTES)))
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        self.count();
        self.count_explanation();
        let explanation = &self.explanation;
        let spent = |step| explanation.steps.milliseconds(step);
        macro_rules! record {
            ($level:ident, $verdict:literal, $message:literal, $($extra:tt)*) => {
                tracing::$level!(
                    verdict = $verdict,
                    image = self.image,
                    digest = explanation.digest,
                    rule = explanation.rule,
                    pod.namespace = self.pod.namespace,
                    pod.name = self.pod.name,
                    peer.uid = self.peer.uid,
                    peer.pid = self.peer.pid,
                    known = explanation.known,
                    resolve_ms = spent(Step::Resolve),
                    collect_ms = spent(Step::Collect),
                    judge_ms = spent(Step::Judge),
                    key_service_ms = spent(Step::KeyService),
                    forward_ms = spent(Step::Forward),
                    tag_record_ms = spent(Step::TagRecord),
                    confirm_ms = spent(Step::Confirm),
                    $($extra)*
                    $message
                )
            };
        }
        match &self.outcome {
            Outcome::Pulled { reason, pinned } => {
                record!(info, "admitted", "pulled", reason = reason.code(), pinned,);
            }
            Outcome::Failed { reason, pinned, error } => {
                record!(
                    warn,
                    "admitted",
                    "image admitted, but the pull failed",
                    reason = reason.code(),
                    pinned,
                    error,
                );
            }
            Outcome::Refused(refusal) => {
                let (reason, line) = (refusal.reason(), refusal.line());
                if reason.is_canary() {
                    record!(info, "refused", "canary refused", reason = reason.code(), line,);
                } else {
                    record!(warn, "refused", "pull refused", reason = reason.code(), line,);
                }
            }
            Outcome::Cancelled => {
                record!(info, "cancelled", "the caller cancelled the pull, or its deadline passed",)
            }
        }
        if explanation.break_glass {
            tracing::warn!(
                image = self.image,
                digest = explanation.digest,
                rule = explanation.rule,
                pod.namespace = self.pod.namespace,
                reason = Reason::BreakGlass.code(),
                "image admitted by the break-glass file, not by the policy"
            );
        }
        for refusal in &explanation.audited {
            let (reason, line) = (refusal.reason().code(), refusal.line_in_audit_mode());
            tracing::warn!(
                image = self.image,
                pod.namespace = self.pod.namespace,
                reason,
                line,
                "image would be refused, but the rule is in audit mode"
            );
        }
        for problem in &explanation.problems {
            tracing::warn!(
                image = self.image,
                problem,
                "problem during verification that did not change the decision"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_the_message_of_an_error_is_shown_decoded_on_one_line() {
        for (status, message, shown) in [
            ("0", "", None),
            (
                "7",
                "image%20%22r.io%2Fa%22 is refused: caf%C3%A9",
                Some("7: image \"r.io/a\" is refused: café"),
            ),
            ("2", "one%0Atwo%1b[2J", Some("2: one\\ntwo\\u{1b}[2J")),
            ("5", "plain", Some("5: plain")),
        ] {
            let answer = Response::builder()
                .header("grpc-status", status)
                .header("grpc-message", message)
                .body(Body::default())
                .unwrap();
            assert_eq!(error_of(&answer).as_deref(), shown, "{message}");
        }
    }
}
