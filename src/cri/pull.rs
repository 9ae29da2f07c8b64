//! PullImage: read, decide, forward pinned, and answer only when kubelet will find what was pulled.

mod content;
mod record;
mod request;

use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Code;

use super::answer::{self, Answer};
use super::{Peer, Proxy, deadline, frame, status, tag_locks, wire};
use crate::containerd::images::Recorded;
use crate::containerd::{Body, images, presence};
use crate::gate::{AdmissionRequest, Explanation, Kind, Pinned, Refusal};
use crate::telemetry::Step;
pub use content::Pulled as RuntimeContent;
use record::Record;
pub(super) use record::error_of;
pub(super) use request::PullRequest;

/// The largest answer to a pull that is held back, in bytes: it carries one image id.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// When a pull began, by the clock and among the others.
#[derive(Clone, Copy)]
struct Begun<'a> {
    at: Instant,
    place: &'a tag_locks::PullOrder<'a>,
    /// The policy of that moment, by hash: one that comes into force meanwhile has admitted nothing.
    policy: &'a str,
}

impl Proxy {
    /// Answers a PullImage call. Whatever goes wrong on the way, the runtime is asked for nothing that was not admitted.
    pub(super) async fn pull(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let begin = Instant::now();
        let (head, body) = request.into_parts();
        let pull = match read(body).await {
            Ok(pull) => pull,
            Err((code, text)) => {
                self.counters.refused.add();
                tracing::warn!(
                    peer.uid,
                    peer.pid,
                    reason = text,
                    "pull refused: the request is not readable"
                );
                return status::answer(code, format!("pullgate: {text}"));
            }
        };
        self.decide_and_pull(&pull, head, begin, peer).await
    }

    /// Decides about a pull, and forwards it when it is admitted.
    pub(super) async fn decide_and_pull(
        &self,
        pull: &PullRequest,
        head: Parts,
        begin: Instant,
        peer: Peer,
    ) -> Response<Body> {
        let mut record = Record::begin(pull.image(), pull.pod(), peer);
        let place = self.tags.begin();
        let policy = self.policy_hash();
        let admitted = self.admit(pull, &mut record).await;
        let pinned = match admitted {
            Ok(pinned) => pinned,
            Err(refusal) => {
                self.counters.refused.add();
                record.refused(&refusal);
                return refuse(&refusal);
            }
        };
        self.counters.admitted.add();
        let begun = Begun { at: begin, place: &place, policy: &policy };
        // On the heap, so that the calls that wait for the gate are small.
        let answer = Box::pin(self.pull_pinned((pull, head), &pinned, begun, &mut record)).await;
        record.answered(&pinned, &answer);
        answer
    }

    /// Asks the gate, in a task of its own: a panic in there refuses this pull and no other, and dropping this future,
    /// as hyper does when the caller cancels, stops the work.
    async fn admit(&self, pull: &PullRequest, record: &mut Record) -> Result<Pinned, Refusal> {
        let question = AdmissionRequest {
            image: pull.image().to_owned(),
            credentials: pull.credentials().clone(),
            namespace: pull.pod().map(|pod| pod.namespace.clone()),
        };
        let gate = self.gate.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut explanation = Explanation::default();
            let decided = gate.admit(&question, &mut explanation).await;
            (decided, explanation)
        });
        match task.join_next().await {
            Some(Ok((decided, explanation))) => {
                record.explained(explanation);
                decided
            }
            _ => Err(Refusal::internal(pull.image())),
        }
    }

    /// Forwards the pull of what was admitted, and takes only that.
    async fn pull_pinned(
        &self,
        (pull, head): (&PullRequest, Parts),
        pinned: &Pinned,
        begun: Begun<'_>,
        record: &mut Record,
    ) -> Response<Body> {
        let Some(request) = pinned_request(pull, pinned, head, begun.at.elapsed()) else {
            return status::answer(Code::Internal, "pullgate: the pinned request cannot be written");
        };
        let evidence = self.gate.begin_evidence(pinned);
        let answer = match record.steps().time(Step::Forward, self.exchange(request, MAX_ANSWER_BYTES)).await
        {
            Ok(answer) => answer,
            Err(failed) => return failed,
        };
        let known = match pulled(&answer) {
            Pulled::Failed => return answer.into_response(),
            Pulled::Image(id) => {
                // Both before the answer: the next thing that kubelet asks for is the image.
                let content = content::Pulled::of(&self.upstream);
                let known = self.make_known((pull.image(), &id), pinned, begun.place, record);
                let both = Box::pin(async {
                    tokio::join!(known, self.gate.finish_evidence(pinned, evidence, &id, &content))
                });
                let (known, ()) = both.await;
                known.map(|()| id)
            }
            Pulled::Unreadable => Err("the runtime's answer names no image".to_owned()),
        };
        match known {
            Ok(id) => {
                self.told.pulled(pull.image(), &id, begun.policy.to_owned());
                answer.into_response()
            }
            Err(text) => status::answer(Code::Unknown, format!("pullgate: pulled, but {text}")),
        }
    }

    /// Makes `ImageStatus` of the name that the pod wrote lead to the image that was pulled.
    async fn make_known(
        &self,
        (written, id): (&str, &str),
        pinned: &Pinned,
        place: &tag_locks::PullOrder<'_>,
        record: &mut Record,
    ) -> Result<(), String> {
        let turn = place.turn(pinned.tag_record().unwrap_or(written), id).await;
        let mut turn = turn.ok_or_else(|| "the tag has moved meanwhile; pull again".to_owned())?;
        if let (Some(tagged), Some(digest)) = (pinned.tag_record(), pinned.digest()) {
            let labels: &[_] = if self.is_sandbox_image(tagged) { &[images::PINNED_LABEL] } else { &[] };
            let added = images::record_tag(&self.upstream, tagged, pinned.name(), digest, labels);
            // An image that was here before mostly has its record too: then one round of questions tells all.
            let both = async { tokio::join!(added, presence::is_known(&self.upstream, written, id)) };
            let both = tokio::time::timeout(self.settings.tag_record_timeout, both);
            let (added, known) = record
                .steps()
                .time(Step::TagRecord, both)
                .await
                .map_err(|_| "the tag could not be recorded in time".to_owned())?;
            if added.map_err(|error| told(&error))? == Recorded::Before && known {
                turn.recorded(id);
                return Ok(());
            }
        }
        let known = presence::wait_for(&self.upstream, written, id, self.settings.tag_record_timeout);
        record.steps().time(Step::Confirm, known).await.map_err(|error| told(&error))?;
        turn.recorded(id);
        Ok(())
    }
}

async fn read(body: Incoming) -> Result<PullRequest, (Code, String)> {
    let (message, _) = answer::read(body).await?;
    PullRequest::parse(message).map_err(|error| (Code::InvalidArgument, told(&error)))
}

fn pinned_request(
    pull: &PullRequest,
    pinned: &Pinned,
    mut head: Parts,
    spent: Duration,
) -> Option<Request<Body>> {
    let message = pull.with_image(pinned.name()).ok()?;
    head.headers.remove(CONTENT_LENGTH);
    // The message is not compressed, and the answer, which has to be read here, must not be either: grpc-go answers in
    // the encoding of the request.
    head.headers.remove("grpc-encoding");
    deadline::reduce(&mut head.headers, spent);
    Some(Request::from_parts(head, Body::full(frame::framed(&message).ok()?)))
}

pub(super) fn refuse(refusal: &Refusal) -> Response<Body> {
    // kubelet strips the gRPC prefix for code Unknown only, and then matches these words at the start
    // (cri-client `pullImageV1`, kubelet `evalCRIPullErr`, cri-api `pkg/errors`).
    match refusal.kind() {
        Kind::Signature => {
            status::answer(Code::Unknown, format!("SignatureValidationFailed: {}", refusal.line()))
        }
        Kind::Unavailable => {
            status::answer(Code::Unknown, format!("RegistryUnavailable: {}", refusal.line()))
        }
        Kind::NotFound => status::answer(Code::NotFound, refusal.line()),
    }
}

pub(super) fn told(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// What the runtime says of a pull.
enum Pulled {
    /// An error, which crosses as it is.
    Failed,
    /// The id of the image.
    Image(String),
    /// Success, but of what is not to be read: the image could not be made known by its name.
    Unreadable,
}

fn pulled(answer: &Answer) -> Pulled {
    let Some(message) = answer.message() else { return Pulled::Failed };
    let id = message.ok().and_then(|message| {
        let first = wire::fields(&message).filter_map(Result::ok).find(|field| field.number == 1)?;
        first.text().ok().filter(|id| !id.is_empty()).map(ToOwned::to_owned)
    });
    id.map_or(Pulled::Unreadable, Pulled::Image)
}
