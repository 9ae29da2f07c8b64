//! A refusal, and the one line in which it explains itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::gate::Finding;
use crate::registry::{Bound, Collected, RegistryError, Unfetched};
use crate::signature::{Fault, SignatureKind};
use crate::telemetry::{Kind, Reason};
use pullgate_core::untrusted::{error_chain, sanitize_to};
use pullgate_net::memory::MemoryError;

/// The longest line, in bytes. grpc-go is about to lower its default header limit to 8 KiB, and the line is
/// percent-encoded and shown again inside kubelet's own sentences.
const MAX_LINE_BYTES: usize = 1500;

/// The longest part of it that one quoted text may take, in bytes.
const MAX_QUOTE_BYTES: usize = 300;

/// How many signatures a line tells about.
const MAX_FINDINGS: usize = 3;

/// Why an image may not run.
///
/// Its line is the same at every attempt: kubelet asks once for each pull secret, and recognises the reason only when
/// all answers are byte for byte the same (`utilerrors.NewAggregate` removes equal ones; several become "[a, b]").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    line: String,
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
        let text = format!("is refused by {}: it was allowed unsigned until {until}", quote(rule));
        Self::new(Reason::AllowanceOver, image, &text)
    }

    pub(super) fn digest_not_allowed(image: &str, digest: &str, rule: &str) -> Self {
        let text =
            format!("({digest}) is refused by {}: the rule allows only other digests unsigned", quote(rule));
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
            "carries a checkpoint ({}), which the runtime would restore on top of an image that was not verified; see \
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
            "cannot be compared with the deny list, because its content in the runtime is unreadable: {}",
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
            "({digest}) cannot be verified by {}: its signatures are valid, but the key service has not confirmed them: {}",
            quote(rule),
            quote(why),
        );
        Self::new(Reason::KeyServiceUnavailable, image, &text)
    }

    /// Signatures are missing. `found` tells about those that are there.
    pub(super) fn unsatisfied(
        image: &str,
        digest: &str,
        rule: &str,
        required: &str,
        found: &Found<'_>,
    ) -> Self {
        let (reason, advice) = found.reason();
        let text = format!(
            "({digest}) is refused by {}: requires {}; {}; {advice}",
            quote(rule),
            quote(required),
            found.summary(),
        );
        Self::new(reason, image, &text)
    }

    /// The image is on the node, and nothing shows that it is what the rule of this name admits.
    pub(super) fn unverified(image: &str, id: &str, rule: &str, required: &str) -> Self {
        let text = format!(
            "({id}) is on the node, but refused by {}: requires {}; pullgate has no evidence that it was verified under \
             this name; pull it by this name through pullgate",
            quote(rule),
            quote(required),
        );
        Self::new(Reason::NotVerified, image, &text)
    }

    /// The image was asked for by its id, and nothing is known about that.
    pub(super) fn unverified_id(image: &str, id: &str) -> Self {
        let text = format!(
            "({}) is on the node, but pullgate has no evidence that it was verified; pull it by a name through pullgate",
            quote(id)
        );
        Self::new(Reason::NotVerified, image, &text)
    }

    fn new(reason: Reason, image: &str, text: &str) -> Self {
        let suffix = format!(" [{reason}]");
        let line = format!("image {} {text}", quote(image));
        let line = sanitize_to(&line, MAX_LINE_BYTES.saturating_sub(suffix.len())) + &suffix;
        Self { reason, line }
    }
}

/// The signatures that were found, where they do not suffice.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// How many there are.
    pub(super) attachments: usize,
    /// What could not be read.
    pub(super) collected: &'a Collected,
    /// The authenticators whose signatures hold.
    pub(super) valid: &'a [String],
    /// What became of each.
    pub(super) findings: &'a [Finding],
}

impl Found<'_> {
    fn reason(&self) -> (Reason, &'static str) {
        if let Some(problem) = self.collected.exceeded() {
            let reason = reason_of(&problem.error);
            (reason, advice_of_limit(reason))
        } else if !self.valid.is_empty() {
            (Reason::NotEnoughSignatures, "have the remaining authenticators sign this digest")
        } else if self.attachments == 0
            && self.collected.problems.is_empty()
            && self.collected.unfetched.is_empty()
        {
            (Reason::NoSignature, "sign this digest, then pull again")
        } else {
            self.fault().map_or(
                (Reason::NoValidSignature, "sign this digest with a key that the rule names"),
                reason_of_fault,
            )
        }
    }

    /// What is wrong with the signature that got furthest. That the kind is another counts if nothing else was found.
    fn fault(&self) -> Option<Fault> {
        let failed = self.findings.iter().filter(|finding| finding.outcome.is_err());
        let read = failed.map(|finding| finding.fault).filter(|fault| !is_other_kind(*fault));
        match read.max() {
            Some(furthest) => furthest,
            None if self.collected.problems.is_empty() => {
                self.other_kinds().into_values().min().map(Fault::OtherKind)
            }
            None => None,
        }
    }

    /// The signatures that no authenticator of the rule reads, by their places.
    fn other_kinds(&self) -> BTreeMap<&str, SignatureKind> {
        let mut kinds = BTreeMap::new();
        for finding in self.findings {
            let kind = match finding.fault {
                Some(Fault::OtherKind(kind)) => Some(kind),
                _ => None,
            };
            // Of two authenticators, the one that looked closer knows better.
            let known = kinds.entry(finding.place.as_str()).or_insert(kind);
            *known = (*known).zip(kind).map(|(one, other)| one.min(other));
        }
        for Unfetched { place, format } in &self.collected.unfetched {
            kinds.entry(place).or_insert(Some(SignatureKind::Of(*format)));
        }
        kinds.into_iter().filter_map(|(place, kind)| Some((place, kind?))).collect()
    }

    fn summary(&self) -> String {
        let others = self.other_kinds();
        if let (Some(Fault::OtherKind(_)), []) = (self.fault(), self.valid) {
            return in_words(&others);
        }
        let mut text = match (self.attachments, self.valid) {
            (0, _) => "found no signature".to_owned(),
            (1, []) => "found 1 signature, which is not valid".to_owned(),
            (count, []) => format!("found {count} signatures, none of them valid"),
            (count, valid) => {
                format!("found {count} signatures, but valid ones only for {}", valid.join(", "))
            }
        };
        let failed = self.findings.iter().filter_map(|finding| {
            let why = finding.outcome.as_ref().err()?;
            // What another authenticator reads is told once.
            let told = !is_other_kind(finding.fault) || others.contains_key(finding.place.as_str());
            told.then(|| format!("{} for {}: {}", finding.place, finding.authenticator, why))
        });
        let mut all: Vec<_> = failed.chain(self.collected.problems.iter().map(ToString::to_string)).collect();
        // A registry may list referrers in another order each time; the line stays the same.
        all.sort_unstable();
        for (number, problem) in all.iter().take(MAX_FINDINGS).enumerate() {
            let before = if number == 0 { " (" } else { ", " };
            let _ = write!(text, "{before}{}", quote(problem));
        }
        if all.len() > MAX_FINDINGS {
            let _ = write!(text, ", and {} more", all.len() - MAX_FINDINGS);
        }
        if !all.is_empty() {
            text.push(')');
        }
        text
    }
}

/// What to do if what is attached exceeds a limit.
fn advice_of_limit(reason: Reason) -> &'static str {
    match reason {
        Reason::TooManySignatures => {
            "remove signatures that are not needed, or raise `signatures` in [limits]"
        }
        Reason::TooManyReferrers => "remove referrers that are not needed, or raise `referrers` in [limits]",
        Reason::TooManyPages => "remove referrers that are not needed, or raise `referrer-pages` in [limits]",
        Reason::SignatureTooLarge => "remove this signature, or raise `signature-max-size` in [limits]",
        Reason::SignaturesTooLarge => {
            "remove signatures that are not needed, or raise `signatures-total-size` in [limits]"
        }
        _ => "remove signatures that are not needed, or raise the limit in [limits]",
    }
}

fn is_other_kind(fault: Option<Fault>) -> bool {
    matches!(fault, Some(Fault::OtherKind(_)))
}

/// What was found where nothing is read.
fn in_words(others: &BTreeMap<&str, SignatureKind>) -> String {
    let mut counts: BTreeMap<SignatureKind, usize> = BTreeMap::new();
    for kind in others.values() {
        *counts.entry(*kind).or_default() += 1;
    }
    let found: Vec<_> = counts.iter().map(|(kind, count)| kind.counted(*count)).collect();
    let read: Vec<_> = counts.keys().map(|kind| kind.reading()).collect();
    format!(
        "found {}, but no authenticator of this rule can verify {}",
        found.join(" and "),
        read.join(" or ")
    )
}

/// The reason of a fault, and what to do.
fn reason_of_fault(fault: Fault) -> (Reason, &'static str) {
    match fault {
        Fault::OtherKind(_) => (
            Reason::OtherSignatureKind,
            "require an authenticator that can verify this kind in the rule, or sign in another way",
        ),
        Fault::WrongIdentity => {
            (Reason::WrongIdentity, "sign this digest by an identity that the rule names")
        }
        Fault::UntrustedCertificate => (
            Reason::UntrustedCertificate,
            "sign with a certificate of an authority that the authenticator trusts",
        ),
        Fault::CertificateExpired => (Reason::CertificateExpired, "sign this digest again"),
        Fault::KeyNotValidNow => {
            (Reason::KeyNotValidNow, "check the clock of the node; sign this digest with a key that is valid")
        }
        Fault::CertificateNotValidNow => (
            Reason::CertificateNotValidNow,
            "check the clock of the node; sign this digest again, with a certificate that is valid or a timestamp",
        ),
        Fault::SignatureExpired => {
            (Reason::SignatureExpired, "check the clock of the node; sign this digest again")
        }
        Fault::CertificateRevoked => {
            (Reason::CertificateRevoked, "sign this digest with a certificate that is not revoked")
        }
        Fault::RevocationUnknown => {
            (Reason::RevocationUnknown, "renew the list in `crl`, or make its address reachable for the node")
        }
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
        Fault::KeyRevoked => (Reason::KeyRevoked, "sign this digest with another key"),
        Fault::FutureTime => (Reason::FutureSigningTime, "check the clock of this node"),
        Fault::UntrustedTimestamp => {
            (Reason::UntrustedTimestamp, "sign with a timestamp authority that the authenticator trusts")
        }
    }
}

fn reason_of(error: &RegistryError) -> Reason {
    use RegistryError as E;
    match error {
        E::TooLarge { bound, .. } | E::TooMany { bound, .. } => match bound {
            Bound::Manifest => Reason::TooLarge,
            Bound::Signature => Reason::SignatureTooLarge,
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
    use crate::telemetry::Cause;

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
}
