//! One image under one name: what evidence says, then what the registry says, and whether that is the last word.

use std::borrow::Cow;

use super::{Finding, MAX_NAMES, Verdict};
use crate::api::Image;
use crate::containerd::Upstream;
use crate::cri::RuntimeContent;
use crate::digest::{Digest, is_id_prefix};
use crate::gate::{AdmissionRequest, Explanation, Gate, Kind, Pod, Present, Refusal};
use crate::reference::Reference;
use crate::registry::Credentials;
use crate::telemetry::Reason;

pub(super) struct Judge<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) gate: &'a Gate,
    pub(super) credentials: &'a Credentials,
}

/// One image under one name.
struct Case<'a> {
    name: &'a str,
    /// The name, where it is no id.
    reference: Option<Reference>,
    image: &'a Image,
    present: Present,
    pod: Option<&'a Pod>,
}

/// A refusal, and whether nothing that could still be found out would change it.
struct Refused {
    refusal: Refusal,
    settled: bool,
}

impl Judge<'_> {
    pub(super) async fn judge(&self, name: &str, image: &Image, pod: Option<Pod>) -> Finding {
        let case = Case {
            name,
            reference: Reference::parse(name).ok().filter(|_| !is_id(name, &image.id)),
            image,
            present: Present {
                id: image.id.clone(),
                repo_tags: image.repo_tags.clone(),
                repo_digests: image.repo_digests.clone(),
            },
            pod: pod.as_ref(),
        };
        let decided = self.decide(&case).await;
        let (verdict, reason, refused) = match decided {
            Ok(reason) => (Verdict::Admitted, reason, None),
            Err(refused) if refused.refusal.kind() == Kind::Signature => {
                (Verdict::Refused, refused.refusal.reason(), Some(refused))
            }
            Err(refused) => (Verdict::Unknown, refused.refusal.reason(), Some(refused)),
        };
        Finding {
            name: name.to_owned(),
            id: image.id.clone(),
            pod: pod.map(|pod| format!("{}/{}", pod.namespace, pod.name)),
            verdict,
            reason: Cow::Borrowed(reason.code()),
            settled: verdict == Verdict::Refused && refused.as_ref().is_some_and(|refused| refused.settled),
            message: refused.map(|refused| refused.refusal.line().to_owned()),
        }
    }

    async fn decide(&self, case: &Case<'_>) -> Result<Reason, Refused> {
        let refusal = match self.check_present(case).await {
            Ok(reason) => return Ok(reason),
            Err(refusal) => refusal,
        };
        let alone = case.reference.as_ref().is_some_and(|asked| self.has_one_rule(asked));
        let settled = match refusal.reason() {
            Reason::DigestDenied => true,
            // Another rule may admit it for other pods.
            Reason::DeniedByRule | Reason::AllowanceOver => alone,
            // Only evidence was missing, or is older than what the registry has.
            reason if of_signatures(reason) => {
                let asked = self.ask_registry(case, refusal).await;
                return asked.map_err(|told| Refused { settled: told.settled && alone, ..told });
            }
            _ => false,
        };
        Err(Refused { refusal, settled })
    }

    /// What does the registry have for the digests that the image is recorded under, and for its tag?
    async fn ask_registry(&self, case: &Case<'_>, refusal: Refusal) -> Result<Reason, Refused> {
        let recorded = recorded_as(case);
        let mut settled = !recorded.is_empty();
        let mut told: Option<Refusal> = None;
        for digest in recorded {
            match self.fetch_evidence(&digest, case).await {
                Ok(()) => match self.check_present(case).await {
                    Ok(reason) => return Ok(reason),
                    // The image is not what its record says: nobody knows what it is.
                    Err(refusal) => (told, settled) = (Some(refusal), false),
                },
                Err(refusal) => {
                    settled &= of_signatures(refusal.reason());
                    told = told.or(Some(refusal));
                }
            }
        }
        if case.reference.as_ref().is_some_and(|asked| asked.digest().is_none()) {
            match self.fetch_evidence(case.name, case).await {
                Ok(()) => {
                    if let Ok(reason) = self.check_present(case).await {
                        return Ok(reason);
                    }
                }
                Err(refusal) if refusal.kind() == Kind::Unavailable => {
                    (told, settled) = (told.or(Some(refusal)), false);
                }
                // It is about what the tag means now, which this image need not be.
                Err(_) => {}
            }
        }
        // A registry that says nothing takes back nothing that evidence says.
        let open = matches!(refusal.reason(), Reason::NotVerified | Reason::DigestNotAllowed);
        let told = told.filter(|told| open || told.kind() == Kind::Signature);
        Err(Refused { refusal: told.unwrap_or(refusal), settled })
    }

    async fn check_present(&self, case: &Case<'_>) -> Result<Reason, Refusal> {
        self.gate.check_present(case.name, &case.present, case.pod).await.map(|found| found.reason())
    }

    async fn fetch_evidence(&self, name: &str, case: &Case<'_>) -> Result<(), Refusal> {
        let question = AdmissionRequest {
            image: name.to_owned(),
            credentials: self.credentials.clone(),
            namespace: case.pod.map(|pod| pod.namespace.clone()),
        };
        let pinned = self.gate.admit(&question, &mut Explanation::default()).await?;
        self.gate.link_present_image(&pinned, &case.present.id, &RuntimeContent::of(self.upstream)).await;
        Ok(())
    }

    /// Whether one rule speaks for the name, whatever pod asks.
    fn has_one_rule(&self, name: &Reference) -> bool {
        let policy = self.gate.policy();
        policy.is_some_and(|policy| policy.applicable_rules(name.repository(), None).rules().count() == 1)
    }
}

/// Whether a refusal tells of signatures that are missing: where the registry has said so, it is about the image itself.
fn of_signatures(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotVerified
            | Reason::DigestNotAllowed
            | Reason::NoSignature
            | Reason::NoValidSignature
            | Reason::NotEnoughSignatures
    )
}

/// Whether `name` may be the id of the image, or the beginning of it.
fn is_id(name: &str, id: &str) -> bool {
    Digest::parse(id).is_ok_and(|id| is_id_prefix(name, &id))
}

/// The names with a digest of the repository that is asked for.
fn recorded_as(case: &Case<'_>) -> Vec<String> {
    let same = |recorded: &&String| {
        let recorded = Reference::parse(recorded).ok();
        let (Some(recorded), Some(asked)) = (&recorded, &case.reference) else { return true };
        recorded.repository() == asked.repository() || case.image.repo_tags.is_empty()
    };
    case.image.repo_digests.iter().take(MAX_NAMES).filter(same).cloned().collect()
}
