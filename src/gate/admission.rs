//! The proof that an image is admitted, and on which grounds.

use std::sync::Arc;

use super::Refusal;
use crate::digest::Digest;
use crate::policy::{Allowance, Exception, Mode, Rule, Satisfied};
use crate::telemetry::Reason;

/// The proof that every applicable rule admits an image.
///
/// It is made of [`Outcome`]s, at least one, or of an exception. It is consumed where the image is pinned or answered as
/// present, so nothing is admitted without one.
#[derive(Debug)]
pub(super) struct Admission {
    grounds: Grounds,
    digest: Option<Digest>,
    label: String,
    audited: Vec<Refusal>,
}

/// The proof that one rule admits an image.
#[derive(Debug)]
pub(super) struct Outcome {
    grounds: Grounds,
    digest: Option<Digest>,
    overrides: bool,
    audited: Option<Refusal>,
}

/// A digest whose signatures meet a requirement.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    /// The manifest or index that is signed.
    pub(super) digest: Digest,
    /// The proof; only `Requirement::judge` makes one.
    pub(super) satisfied: Arc<Satisfied>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grounds {
    Verified,
    Unsigned,
    Off,
    Audited,
    Exception,
}

impl Outcome {
    /// The requirement of the rule is met. `overrides`: this digest is what is pulled, whatever another rule verified.
    pub(super) fn verified(verified: Verified, overrides: bool) -> Self {
        let Verified { digest, satisfied: _ } = verified;
        Self { grounds: Grounds::Verified, digest: Some(digest), overrides, audited: None }
    }

    /// The rule allows the image unsigned, where `digest` is one that the allowance names, or it names none.
    pub(super) fn unsigned(allowance: &Allowance, digest: Option<&Digest>) -> Option<Self> {
        let named = |digest: &Digest| allowance.digests.contains(digest);
        let allowed = allowance.digests.is_empty() || digest.is_some_and(named);
        allowed.then(|| Self {
            grounds: Grounds::Unsigned,
            digest: digest.cloned(),
            overrides: false,
            audited: None,
        })
    }

    /// The rule is off.
    pub(super) fn off(rule: &Rule) -> Option<Self> {
        let off = Self { grounds: Grounds::Off, digest: None, overrides: false, audited: None };
        (rule.mode() == Mode::Off).then_some(off)
    }

    /// The rule refuses the image, but is in audit mode.
    pub(super) fn audited(rule: &Rule, refusal: Refusal, digest: Option<Digest>) -> Result<Self, Refusal> {
        let refusal = refusal.by(rule.label());
        if rule.mode() != Mode::Audit {
            return Err(refusal);
        }
        Ok(Self { grounds: Grounds::Audited, digest, overrides: false, audited: Some(refusal) })
    }
}

impl Admission {
    /// What the first rule, the strictest, admits; its grounds are the reason that is reported.
    pub(super) fn first(outcome: Outcome) -> Self {
        let Outcome { grounds, digest, audited, .. } = outcome;
        Self { grounds, digest, label: String::new(), audited: audited.into_iter().collect() }
    }

    /// What another rule admits as well.
    pub(super) fn and(mut self, outcome: Outcome) -> Self {
        let digest = if outcome.overrides { outcome.digest } else { self.digest.take().or(outcome.digest) };
        self.digest = digest;
        self.audited.extend(outcome.audited);
        self
    }

    /// The same, with the rules that admitted it.
    pub(super) fn by(self, label: String) -> Self {
        Self { label, ..self }
    }

    /// A break-glass exception for the image, as `digest` if the exception names it or the registry served it.
    pub(super) fn exception(exception: &Exception, digest: Option<Digest>) -> Self {
        let label = format!("break-glass until {}: {}", exception.until, exception.reason);
        Self { grounds: Grounds::Exception, digest, label, audited: Vec::new() }
    }

    /// The reason code.
    pub(super) fn reason(&self) -> Reason {
        match self.grounds {
            Grounds::Verified => Reason::Verified,
            Grounds::Unsigned => Reason::UnsignedAllowed,
            Grounds::Off => Reason::RuleOff,
            Grounds::Audited => Reason::AuditOnly,
            Grounds::Exception => Reason::BreakGlass,
        }
    }

    /// The digest that is admitted; `None` where the image was not looked up.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The rules that admit the image, or the exception, in words.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// What rules in audit mode would have refused.
    pub(super) fn audited(&self) -> &[Refusal] {
        &self.audited
    }
}
