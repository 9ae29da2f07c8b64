//! Evaluates one image under one name: with evidence, then with the registry; and decides whether a refusal is final.

use std::borrow::Cow;

use super::{Finding, MAX_NAMES, Verdict};
use crate::api::Image;
use crate::containerd::Upstream;
use crate::cri::RuntimeContent;
use crate::digest::{Digest, is_id_prefix};
use crate::gate::{AdmissionRequest, Explanation, Gate, Kind, Pod, Present, Refusal};
use crate::reference::Reference;
use crate::registry::Credentials;
use crate::telemetry::{Cause, Reason};

pub(super) struct Evaluator<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) gate: &'a Gate,
    pub(super) credentials: &'a Credentials,
}

/// One image under one name.
struct Case<'a> {
    name: &'a str,
    /// The parsed name; `None` if it is an image id.
    reference: Option<Reference>,
    image: &'a Image,
    present: Present,
    pod: Option<&'a Pod>,
}

/// A refusal, and whether no further information could change it.
struct Refused {
    refusal: Refusal,
    is_final: bool,
}

impl Evaluator<'_> {
    pub(super) async fn evaluate(&self, name: &str, image: &Image, pod: Option<Pod>) -> Finding {
        let content = RuntimeContent::of(self.upstream);
        let case = Case {
            name,
            reference: Reference::parse(name).ok().filter(|_| !is_id(name, &image.id)),
            image,
            present: self.gate.read_content(Present::from(image), &content).await,
            pod: pod.as_ref(),
        };
        let decision = self.decide(&case).await;
        let (verdict, reason, refused) = match decision {
            Ok(reason) => (Verdict::Admitted, reason, None),
            Err(refused) if matches!(refused.refusal.kind(), Kind::Refused(_)) => {
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
            is_final: verdict == Verdict::Refused && refused.as_ref().is_some_and(|refused| refused.is_final),
            message: refused.map(|refused| refused.refusal.line().to_owned()),
        }
    }

    async fn decide(&self, case: &Case<'_>) -> Result<Reason, Refused> {
        let refusal = match self.check_present(case).await {
            Ok(reason) => return Ok(reason),
            Err(refusal) => refusal,
        };
        let is_same_for_all_pods =
            case.reference.as_ref().is_some_and(|name| self.is_same_for_all_pods(name));
        let is_final = match refusal.kind() {
            Kind::Refused(Cause::Digest) => true,
            Kind::Refused(Cause::Rule) => is_same_for_all_pods,
            Kind::Refused(Cause::Evidence | Cause::Signatures) => {
                let result = self.ask_registry(case, refusal).await;
                return result.map_err(|refused| Refused {
                    is_final: refused.is_final && is_same_for_all_pods,
                    ..refused
                });
            }
            Kind::Refused(Cause::Attempt) | Kind::Unavailable | Kind::NotFound | Kind::Admitted => false,
        };
        Err(Refused { refusal, is_final })
    }

    /// Fetches evidence from the registry for the digests in the image's record, and for its tag, and evaluates again.
    async fn ask_registry(&self, case: &Case<'_>, refusal: Refusal) -> Result<Reason, Refused> {
        let recorded = recorded_as(case);
        let mut is_final = !recorded.is_empty();
        let mut registry_refusal: Option<Refusal> = None;
        for digest in recorded {
            match self.fetch_evidence(&digest, case).await {
                Ok(()) => match self.check_present(case).await {
                    Ok(reason) => return Ok(reason),
                    // The image does not match its record, so its content is unknown.
                    Err(refusal) => (registry_refusal, is_final) = (Some(refusal), false),
                },
                Err(refusal) => {
                    // Confirmed by the registry, it is about the image itself.
                    is_final &= matches!(refusal.kind(), Kind::Refused(Cause::Evidence | Cause::Signatures));
                    registry_refusal = registry_refusal.or(Some(refusal));
                }
            }
        }
        if case.reference.as_ref().is_some_and(|name| name.digest().is_none()) {
            match self.fetch_evidence(case.name, case).await {
                Ok(()) => {
                    if let Ok(reason) = self.check_present(case).await {
                        return Ok(reason);
                    }
                }
                Err(refusal) if refusal.kind() == Kind::Unavailable => {
                    (registry_refusal, is_final) = (registry_refusal.or(Some(refusal)), false);
                }
                // About what the tag resolves to now, which may be another image.
                Err(_) => {}
            }
        }
        // A registry that does not answer does not override a refusal based on evidence.
        let may_be_replaced = refusal.kind() == Kind::Refused(Cause::Evidence);
        let registry_refusal =
            registry_refusal.filter(|refusal| may_be_replaced || matches!(refusal.kind(), Kind::Refused(_)));
        Err(Refused { refusal: registry_refusal.unwrap_or(refusal), is_final })
    }

    async fn check_present(&self, case: &Case<'_>) -> Result<Reason, Refusal> {
        self.gate.check_present(case.name, &case.present, case.pod).await.map(|found| found.reason())
    }

    async fn fetch_evidence(&self, name: &str, case: &Case<'_>) -> Result<(), Refusal> {
        let request = AdmissionRequest {
            image: name.to_owned(),
            credentials: self.credentials.clone(),
            namespace: case.pod.map(|pod| pod.namespace.clone()),
        };
        let pinned = self.gate.admit(&request, &mut Explanation::default()).await?;
        self.gate.link_present_image(&pinned, &case.present.id, &RuntimeContent::of(self.upstream)).await;
        Ok(())
    }

    /// Whether the same rules apply to the name for every pod.
    fn is_same_for_all_pods(&self, name: &Reference) -> bool {
        self.gate.policy().is_some_and(|policy| policy.is_same_for_all_pods(name.repository()))
    }
}

/// Whether `name` may be the id of the image, or a prefix of it.
fn is_id(name: &str, id: &str) -> bool {
    Digest::parse(id).is_ok_and(|id| is_id_prefix(name, &id))
}

/// The repo digests of the image in the repository of the name.
fn recorded_as(case: &Case<'_>) -> Vec<String> {
    let same = |recorded: &&String| {
        let recorded = Reference::parse(recorded).ok();
        let (Some(recorded), Some(name)) = (&recorded, &case.reference) else { return true };
        recorded.repository() == name.repository() || case.image.repo_tags.is_empty()
    };
    case.image.repo_digests.iter().take(MAX_NAMES).filter(same).cloned().collect()
}
