//! Decisions of the gate, as the record of `pullgate report` counts them.

use crate::gate::{Kind, Pod, PresentVerdict, Refusal};
use crate::telemetry::decisions::{Call, Decision, Decisions, Verdict};
use crate::telemetry::{Cause, Reason};

/// What was asked, and what is known besides the decision.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    pub call: Call,
    /// The image as the caller named it.
    pub image: &'a str,
    pub pod: Option<&'a Pod>,
    /// The rules that apply, where a refusal names none.
    pub rule: Option<&'a str>,
    pub digest: Option<&'a str>,
}

impl<'a> Decided<'a> {
    /// Without more than the call, the image and the pod.
    #[must_use]
    pub fn new(call: Call, image: &'a str, pod: Option<&'a Pod>) -> Self {
        Self { call, image, pod, rule: None, digest: None }
    }

    /// Counts an admitted image: by what rules in audit mode would have done, if there are any.
    pub fn admitted(&self, decisions: &Decisions, reason: Reason, audited: &[Refusal]) {
        if audited.is_empty() {
            decisions.add(&self.decision(Verdict::Admitted, Some(reason), None));
        }
        for refusal in audited {
            let verdict = self.verdict_in_enforce_mode(refusal);
            decisions.add(&self.decision(verdict, Some(refusal.reason()), refusal.rule()));
        }
    }

    /// As [`Decided::admitted`] for an image on the node.
    pub fn present(&self, decisions: &Decisions, verdict: &'a PresentVerdict) {
        let digest = verdict.digest().map(|digest| digest.as_str());
        let decided = Self { rule: Some(verdict.rule()), digest, ..*self };
        decided.admitted(decisions, verdict.reason(), verdict.audited());
    }

    /// Counts a refused image, unless it is the canary of `pullgate doctor`, which nobody wants to run.
    pub fn refused(&self, decisions: &Decisions, refusal: &Refusal) {
        self.refused_for(decisions, refusal.reason(), refusal.rule());
    }

    /// As [`Decided::refused`], for this reason and by this rule.
    pub fn refused_for(&self, decisions: &Decisions, reason: Reason, rule: Option<&str>) {
        if reason.is_canary() {
            return;
        }
        let verdict = match (self.call, reason.kind()) {
            (Call::ImageStatus, _) => Verdict::Withheld,
            (_, Kind::NotFound) => Verdict::Undecided,
            _ => Verdict::Refused,
        };
        decisions.add(&self.decision(verdict, Some(reason), rule));
    }

    /// Counts the call as undecided when the returned guard is dropped before `done` is called.
    pub fn waiting(self, decisions: &'a Decisions) -> Waiting<'a> {
        Waiting { decided: self, decisions, done: false }
    }

    /// The caller cancelled before there was a decision.
    pub fn undecided(&self, decisions: &Decisions) {
        decisions.add(&self.decision(Verdict::Undecided, None, None));
    }

    /// What `refusal` of a rule in audit mode would have been. An image on the node is pulled again when it is withheld, and
    /// the registry may have what the node lacks, unless the rule or the digest itself is the cause.
    fn verdict_in_enforce_mode(&self, refusal: &Refusal) -> Verdict {
        match (self.call, refusal.kind()) {
            (_, Kind::NotFound) => Verdict::Undecided,
            (Call::Pull | Call::ImageVerifier, _)
            | (Call::CreateContainer, Kind::Refused(Cause::Rule | Cause::Digest)) => Verdict::WouldRefuse,
            (Call::CreateContainer | Call::ImageStatus, _) => Verdict::WouldWithhold,
        }
    }

    fn decision<'b>(
        &'b self,
        verdict: Verdict,
        reason: Option<Reason>,
        rule: Option<&'b str>,
    ) -> Decision<'b> {
        let Self { call, image, pod, digest, .. } = *self;
        let namespace = pod.map_or("", |pod| &pod.namespace);
        let rule = rule.or(self.rule).unwrap_or_default();
        Decision { call, verdict, reason, image, namespace, rule, digest }
    }
}

/// A call whose caller may cancel it.
#[derive(Debug)]
#[must_use]
pub struct Waiting<'a> {
    decided: Decided<'a>,
    decisions: &'a Decisions,
    done: bool,
}

impl Waiting<'_> {
    /// There is a decision.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.decided.undecided(self.decisions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_cancelled_is_counted_as_undecided() {
        let decisions = Decisions::default();
        decisions.record();
        let waiting = || Decided::new(Call::ImageVerifier, "r.io/app:1", None).waiting(&decisions);
        waiting().done();
        assert!(decisions.take().tallies.is_empty());
        drop(waiting());
        let pending = decisions.take();
        let verdicts: Vec<_> = pending.tallies.keys().map(|key| (key.verdict, key.reason)).collect();
        assert_eq!(verdicts, [(Verdict::Undecided, None)]);
    }
}
