//! A refusal, and the one line in which it explains itself.

mod attested;
mod found;

use std::time::Duration;

pub(super) use self::found::Found;
use self::found::list_problems;
use crate::policy::{Policy, Requirement};
use crate::registry::{Bound, RegistryError};
use crate::signature::Fault;
use crate::telemetry::{Cause, Kind, Reason};
use pullgate_core::untrusted::{error_chain, image_name, sanitize_to};
use pullgate_net::memory::MemoryError;

/// The longest line, in bytes. grpc-go is about to lower its default header limit to 8 KiB, and the line is
/// percent-encoded and shown again inside kubelet's own sentences.
const MAX_LINE_BYTES: usize = 1500;

/// The longest part of it that one quoted text may take, in bytes.
const MAX_QUOTE_BYTES: usize = 300;

/// The end of an advice about an image that was not pulled.
const AND_AGAIN: &str = ", then pull again";

/// What comes before the line of the policy in that of the canary.
pub const CANARY_IS_REFUSED: &str = "the policy refuses the canary: ";

/// Why an image may not run.
///
/// Its line is the same at every attempt: kubelet asks once for each pull secret, and recognises the reason only when
/// all answers are byte for byte the same (`utilerrors.NewAggregate` removes equal ones; several become "[a, b]").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    line: String,
    /// What to do, if that is the end of the line.
    advice: Option<&'static str>,
    rule: Option<String>,
}

impl Refusal {
    /// The stable code of the reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The line that explains it: image, rule, what was required, what was found, what to do.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The line if the rule is in audit mode, and the image was admitted: what enforce mode would do, and what to do before.
    pub fn line_in_audit_mode(&self) -> String {
        let suffix = format!(" [{}]", self.reason);
        let text = self.line.strip_suffix(&suffix).unwrap_or(&self.line);
        let cut = self.advice.and_then(|advice| Some((text.strip_suffix(advice)?, advice)));
        let text = cut.map_or_else(
            || text.to_owned(),
            |(text, advice)| {
                let advice = advice.strip_suffix(AND_AGAIN).unwrap_or(advice);
                format!("{text}before this rule is in enforce mode, {advice}")
            },
        );
        text.replacen("is refused by", "would be refused by", 1) + &suffix
    }

    /// The rule that refuses the image, with file and line, if it is known.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// The same, by the rule with this label.
    pub(super) fn by(self, label: &str) -> Self {
        Self { rule: Some(label.to_owned()), ..self }
    }

    /// What kubelet makes of it.
    pub fn kind(&self) -> Kind {
        self.reason.kind()
    }

    pub(super) fn invalid_reference(image: &str, error: &dyn std::error::Error) -> Self {
        Self::new(
            Reason::InvalidReference,
            image,
            &format!("is not a valid name: {}", quote(&error_chain(error))),
        )
    }

    pub(super) fn no_policy(image: &str) -> Self {
        Self::new(
            Reason::NoPolicy,
            image,
            "is refused because no policy could be loaded; run `pullgate policy check` on the node",
        )
    }

    pub(super) fn timeout(image: &str, limit: Duration) -> Self {
        Self::new(
            Reason::Timeout,
            image,
            &format!(
                "could not be verified within {limit:?}; run `pullgate verify` on the node to see which step takes the time"
            ),
        )
    }

    /// Documents of other images take the memory.
    pub(super) fn memory(image: &str, error: &MemoryError) -> Self {
        Self::new(Reason::MemoryInUse, image, &format!("cannot be verified: {error}"))
    }

    pub(super) fn denied(image: &str, rule: &str, why: Option<&str>) -> Self {
        let why = why.map_or_else(String::new, |why| format!(": {}", quote(why)));
        Self::new(Reason::DeniedByRule, image, &format!("is refused by {}{why}", quote(rule)))
    }

    pub(super) fn digest_denied(image: &str, digest: &str, why: &str) -> Self {
        let text = format!("({}) is on the deny list: {}", quote(digest), quote(why));
        Self::new(Reason::DigestDenied, image, &text)
    }

    pub(super) fn allowance_over(image: &str, rule: &str, until: &str) -> Self {
        let text =
            format!("is refused by {}: the rule allowed unsigned images only until {until}", quote(rule));
        Self::new(Reason::AllowanceOver, image, &text)
    }

    pub(super) fn digest_not_allowed(image: &str, digest: &str, rule: &str) -> Self {
        let text = format!(
            "({digest}) is refused by {}: the rule allows some unsigned images, but not this digest",
            quote(rule)
        );
        Self::new(Reason::DigestNotAllowed, image, &text)
    }

    /// pullgate failed: a bug, but never an unverified pull.
    pub fn internal(image: &str) -> Self {
        Self::new(
            Reason::Internal,
            image,
            "is refused because of an internal error of pullgate; see its log on the node",
        )
    }

    /// The canary, which the policy refuses.
    pub(super) fn canary(image: &str, refusal: &Self) -> Self {
        let text = format!("is the canary of `pullgate doctor`, and {CANARY_IS_REFUSED}{}", refusal.line());
        Self::new(Reason::Canary, image, &text)
    }

    /// The canary, which the policy does not refuse.
    pub(super) fn canary_admitted(image: &str, rule: &str, why: Reason) -> Self {
        let text = format!(
            "is the canary of `pullgate doctor` and has no signature, but {} would admit the canary [{why}]; pullgate \
             refuses the canary anyway",
            quote(rule)
        );
        Self::new(Reason::CanaryAdmitted, image, &text)
    }

    /// A container's image is not an image on the node: containerd takes such a text for the path of a checkpoint.
    pub fn not_an_image(image: &str) -> Self {
        Self::new(
            Reason::Checkpoint,
            image,
            "is not an image on the node, so it may be the path of a checkpoint; see `checkpoint-restore` in [gate]",
        )
    }

    /// A call that restores whole pods.
    pub fn checkpoint(path: &str) -> Self {
        let text =
            "is refused: the content of a checkpoint cannot be verified; see `checkpoint-restore` in [gate]";
        Self::new(Reason::Checkpoint, path, text)
    }

    /// An image that the runtime would restore a container from, by the annotation of its record `record`.
    pub fn checkpoint_image(image: &str, record: &str) -> Self {
        let text = format!(
            "contains a checkpoint ({}), and the runtime would restore the checkpoint on top of an unverified image; see \
             `checkpoint-restore` in [gate]",
            quote(record)
        );
        Self::new(Reason::Checkpoint, image, &text)
    }

    /// The runtime does not have the image.
    pub fn absent(image: &str) -> Self {
        Self::new(Reason::NotFound, image, "is not on the node")
    }

    /// The runtime does not report what the image is.
    pub fn runtime(image: &str, why: &str) -> Self {
        let text = format!("cannot be looked up in the container runtime: {}", quote(why));
        Self::new(Reason::RuntimeUnavailable, image, &text)
    }

    /// Digests are denied, and the runtime's content of the image cannot be compared with them.
    pub(super) fn content(image: &str, why: &str) -> Self {
        let text = format!(
            "cannot be compared with the deny list, because pullgate cannot read the content of the image in the runtime: \
             {}",
            quote(why)
        );
        Self::new(Reason::RuntimeUnavailable, image, &text)
    }

    /// The registry's answer, or the lack of one, decides.
    pub(super) fn registry(image: &str, error: &RegistryError) -> Self {
        let reason = reason_of(error);
        let text = quote(&error_chain(error));
        let text = match reason {
            Reason::NotFound => format!("was not found: {text}"),
            Reason::RegistryUnauthorized => {
                format!("cannot be verified: {text}; check the pull secret of the pod")
            }
            _ => format!("cannot be verified: {text}"),
        };
        Self::new(reason, image, &text)
    }

    /// Signatures hold, and a service that has to confirm them does not answer.
    pub(super) fn key_service(image: &str, digest: &str, rule: &str, why: &str) -> Self {
        let text = format!(
            "({digest}) cannot be verified by {}: the signatures are valid, but the key service has not confirmed them: {}",
            quote(rule),
            quote(why),
        );
        Self::new(Reason::KeyServiceUnavailable, image, &text)
    }

    /// Signatures or attestations are missing. `found` tells about those that are there.
    pub(super) fn unmet(
        (image, digest): (&str, &str),
        rule: &str,
        (policy, requirement): (&Policy, &Requirement),
        found: &Found<'_>,
    ) -> Self {
        let condition = found.condition.map(|name| policy.condition(name).ok_or(name));
        let (reason, summary, advice) = match condition {
            None => {
                let (reason, advice) = found.reason();
                (reason, found.summary(), advice)
            }
            Some(Ok(condition)) => attested::explain(condition, found),
            // The policy does not load without it.
            Some(Err(_)) => return Self::internal(image),
        };
        let required = quote(&requirement.to_string());
        let rule = quote(rule);
        let text = format!("({digest}) is refused by {rule}, which requires {required}; {summary}");
        Self::advised(reason, image, &text, advice)
    }

    /// The image is on the node, and nothing shows that it is what the rule of this name admits.
    pub(super) fn unverified(image: &str, id: &str, rule: &str, required: &str) -> Self {
        let text = format!(
            "({id}) is on the node, but is refused by {}, which requires {}; pullgate has no evidence that the image was \
             verified under this name",
            quote(rule),
            quote(required),
        );
        Self::advised(Reason::NotVerified, image, &text, "pull the image by this name through pullgate")
    }

    /// The image was asked for by its id, and nothing is known about that.
    pub(super) fn unverified_id(image: &str, id: &str) -> Self {
        let text = format!(
            "({}) is on the node, but pullgate has no evidence that the image was verified; pull the image by a name \
             through pullgate",
            quote(id)
        );
        Self::new(Reason::NotVerified, image, &text)
    }

    /// A refusal for what is wrong with a signature.
    #[cfg(test)]
    pub(super) fn of_fault(image: &str, fault: Fault) -> Self {
        let (reason, advice) = reason_of_fault(fault);
        Self::new(reason, image, advice)
    }

    fn advised(reason: Reason, image: &str, text: &str, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..Self::new(reason, image, &format!("{text}; {advice}")) }
    }

    fn new(reason: Reason, image: &str, text: &str) -> Self {
        let suffix = format!(" [{reason}]");
        let line = format!("image {} {text}", image_name(image, MAX_QUOTE_BYTES));
        let line = sanitize_to(&line, MAX_LINE_BYTES.saturating_sub(suffix.len())) + &suffix;
        Self { reason, line, advice: None, rule: None }
    }
}

/// The reason of a fault, and what to do.
fn reason_of_fault(fault: Fault) -> (Reason, &'static str) {
    match fault {
        Fault::OtherKind(_) => (
            Reason::OtherSignatureKind,
            "sign in a way that the authenticators of the rule can verify, or add another authenticator to the rule",
        ),
        Fault::UnknownKey => (
            Reason::UnknownKey,
            "sign this digest with a key of the authenticator, or add the signer's key to the authenticator",
        ),
        Fault::OtherDigest => (Reason::OtherDigest, "sign this digest"),
        Fault::OtherRepository => (
            Reason::OtherRepository,
            "sign this digest under the name of this repository, or list the signed name in `aliases` of the rule",
        ),
        Fault::WrongIdentity => {
            (Reason::WrongIdentity, "sign this digest as an identity that the authenticator accepts")
        }
        Fault::UntrustedCertificate => (
            Reason::UntrustedCertificate,
            "sign with a certificate from an authority that the authenticator trusts",
        ),
        Fault::CertificateExpired => (Reason::CertificateExpired, "sign this digest again"),
        Fault::KeyNotValidNow => {
            (Reason::KeyNotValidNow, "check the clock of the node; sign this digest with a key that is valid")
        }
        Fault::CertificateNotValidNow => (
            Reason::CertificateNotValidNow,
            "check the clock of the node; sign this digest again, with a valid certificate or with a timestamp",
        ),
        Fault::SignatureExpired => {
            (Reason::SignatureExpired, "check the clock of the node; sign this digest again")
        }
        Fault::CertificateRevoked => {
            (Reason::CertificateRevoked, "sign this digest with a certificate that is not revoked")
        }
        Fault::RevocationUnknown => (
            Reason::RevocationUnknown,
            "renew the CRL in `crl`, or check that this node reaches the address of the CRL",
        ),
        Fault::VerificationPlugin => {
            (Reason::VerificationPlugin, "sign this digest without `verificationPlugin`")
        }
        Fault::RootExpired => (Reason::TrustRootExpired, "renew the file in `trust-root`"),
        Fault::NoCertificateLog => {
            (Reason::NoCertificateLog, "sign with the Sigstore instance whose root is in `trust-root`")
        }
        Fault::NoLogEntry => {
            (Reason::NoLogEntry, "sign this digest again, and upload the signature to the transparency log")
        }
        Fault::UntrustedLog => {
            (Reason::UntrustedLog, "sign with the Sigstore instance whose root is in `trust-root`")
        }
        Fault::OtherLogEntry => (Reason::OtherLogEntry, "remove this attachment, and sign this digest again"),
        Fault::NoSigningTime => (Reason::NoSigningTime, "sign this digest again, with a timestamp"),
        Fault::WeakSignature => {
            (Reason::WeakSignature, "sign this digest again, with SHA-256 or a longer hash")
        }
        Fault::OtherPayload => (
            Reason::OtherPayload,
            "have the attestor attest this digest in the format of Binary Authorization or kritis",
        ),
        Fault::KeyRevoked => (Reason::KeyRevoked, "sign this digest with another key"),
        Fault::FutureTime => (Reason::FutureSigningTime, "check the clock of this node"),
        Fault::UntrustedTimestamp => {
            (Reason::UntrustedTimestamp, "sign with a timestamp authority that the authenticator trusts")
        }
        Fault::NotMet => (
            Reason::AttestationNotMet,
            "build, scan or attest the image again so that it meets the condition",
        ),
        Fault::Stale => (Reason::AttestationStale, "attest this digest again"),
        Fault::TooManyAttempts => (
            Reason::TooManySignatures,
            "remove unneeded attestations from the image, or remove keys from the attestors of the policy",
        ),
    }
}

/// Whether another attempt may end otherwise, for example with another clock.
fn is_of_attempt(fault: Fault) -> bool {
    reason_of_fault(fault).0.kind() == Kind::Refused(Cause::Attempt)
}

/// Of several faults, the largest gives the reason. Only if none is of the attempt, the refusal is about the signatures, which
/// lets a scan remove the image.
fn rank(fault: &Fault) -> (bool, Fault) {
    (is_of_attempt(*fault), *fault)
}

fn reason_of(error: &RegistryError) -> Reason {
    use RegistryError as E;
    match error {
        E::TooLarge { bound, .. } | E::TooMany { bound, .. } => match bound {
            Bound::Manifest => Reason::TooLarge,
            Bound::Signature => Reason::SignatureTooLarge,
            Bound::Attestation => Reason::AttestationTooLarge,
            Bound::Collected => Reason::SignaturesTooLarge,
            Bound::Headers => Reason::HeadersTooLarge,
            Bound::Token => Reason::TokenTooLarge,
            Bound::Signatures => Reason::TooManySignatures,
            Bound::Referrers => Reason::TooManyReferrers,
            Bound::Pages => Reason::TooManyPages,
        },
        E::RedirectRefused { .. } => Reason::RedirectRefused,
        E::TooManyRedirects { .. } => Reason::TooManyRedirects,
        E::Status { status: 429 | 503, .. } => Reason::RegistryBusy,
        E::Timeout { .. } => Reason::RegistryTimeout,
        E::ConnectTimeout { .. } => Reason::ConnectTimeout,
        E::QueueTimeout { .. } => Reason::TooManyRequests,
        E::Memory(_) => Reason::MemoryInUse,
        E::Tls { .. } => Reason::RegistryTls,
        E::Lost => Reason::Internal,
        E::Unavailable { .. } | E::Status { .. } | E::Token { .. } => Reason::RegistryUnavailable,
        E::Configuration { .. } | E::NoHost { .. } => Reason::RegistryUnavailable,
        E::Unauthorized { .. } | E::Credentials(_) | E::RealmRefused { .. } => Reason::RegistryUnauthorized,
        E::NotFound { .. } => Reason::NotFound,
        E::DigestMismatch { .. } | E::HeaderMismatch { .. } | E::SizeMismatch { .. } => {
            Reason::DigestMismatch
        }
        E::Ambiguous { .. } | E::Platform { .. } | E::SchemaOne { .. } | E::Unsupported { .. } => {
            Reason::BadManifest
        }
        E::MediaTypeMismatch { .. } | E::Malformed { .. } | E::Encoded { .. } => Reason::BadManifest,
    }
}

/// `text` as it can stand in a line, cut where it would flood it.
fn quote(text: &str) -> String {
    sanitize_to(text, MAX_QUOTE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Finding;
    use crate::registry::Collected;

    #[test]
    fn a_rule_in_audit_mode_says_what_enforce_mode_would_do() {
        let policy = crate::config::load_policy_text("default = \"deny\"\n", jiff::Timestamp::UNIX_EPOCH)
            .unwrap()
            .policy;
        let requirement = Requirement::all(vec!["release".to_owned()]).unwrap();
        let collected = Collected::default();
        let found = Found::nothing(&collected, None);
        let unsigned = Refusal::unmet(("r.io/a:1", "sha256:1"), "a rule", (&policy, &requirement), &found);
        let long = "x".repeat(2 * MAX_LINE_BYTES);
        for (refusal, line, audited) in [
            (
                unsigned,
                "image r.io/a:1 (sha256:1) is refused by a rule, which requires release; found no signature; sign this digest, then \
                 pull again [no-signature]",
                "image r.io/a:1 (sha256:1) would be refused by a rule, which requires release; found no signature; before this rule \
                 is in enforce mode, sign this digest [no-signature]",
            ),
            (
                Refusal::denied("r.io/a:1", "a rule", Some("old")),
                "image r.io/a:1 is refused by a rule: old [denied-by-rule]",
                "image r.io/a:1 would be refused by a rule: old [denied-by-rule]",
            ),
            (
                Refusal::absent("r.io/a:1"),
                "image r.io/a:1 is not on the node [not-found]",
                "image r.io/a:1 is not on the node [not-found]",
            ),
        ] {
            assert_eq!((refusal.line(), refusal.line_in_audit_mode().as_str()), (line, audited));
        }
        let cut = Refusal::advised(Reason::NoSignature, "r.io/a:1", &long, "sign it");
        assert_eq!(cut.line_in_audit_mode(), cut.line());
        let id = Refusal::unverified("r.io/a:1", "sha256:1", "a rule", "release").line_in_audit_mode();
        assert!(
            id.contains("but would be refused by a rule, ") && id.contains("enforce mode, pull the image by"),
            "{id}"
        );
    }

    /// A scan must not remove signed images because of a trusted root that is out of date, or a clock that is slow.
    #[test]
    fn what_time_or_a_new_root_can_heal_is_about_the_attempt() {
        for fault in [
            Fault::KeyNotValidNow,
            Fault::RootExpired,
            Fault::FutureTime,
            Fault::CertificateNotValidNow,
            Fault::SignatureExpired,
            Fault::RevocationUnknown,
        ] {
            let (reason, _) = reason_of_fault(fault);
            assert_eq!(reason.kind(), Kind::Refused(Cause::Attempt), "{reason}");
        }
    }

    /// The same where others are wrong for good.
    #[test]
    fn a_wrong_clock_is_never_final() {
        let collected = Collected::default();
        let finding = |fault| Finding {
            place: "place".to_owned(),
            authenticator: "someone".to_owned(),
            condition: None,
            outcome: Err("why".to_owned()),
            fault,
        };
        for (faults, attested, signed) in [
            (vec![Some(Fault::FutureTime)], Reason::FutureSigningTime, Reason::FutureSigningTime),
            (
                vec![Some(Fault::KeyNotValidNow), Some(Fault::WrongIdentity), None],
                Reason::KeyNotValidNow,
                Reason::KeyNotValidNow,
            ),
            (
                vec![Some(Fault::NotMet), Some(Fault::CertificateNotValidNow)],
                Reason::CertificateNotValidNow,
                Reason::CertificateNotValidNow,
            ),
            (
                vec![Some(Fault::NotMet), Some(Fault::Stale)],
                Reason::AttestationStale,
                Reason::AttestationStale,
            ),
            (vec![Some(Fault::NotMet), None], Reason::AttestationNotMet, Reason::AttestationNotMet),
            (vec![Some(Fault::WrongIdentity)], Reason::NoValidAttestation, Reason::WrongIdentity),
        ] {
            let findings: Vec<_> = faults.iter().map(|fault| finding(*fault)).collect();
            let found = Found::failed(&collected, &findings);
            assert_eq!((attested::reason(&found).0, found.reason().0), (attested, signed), "{faults:?}");
        }
    }
}
