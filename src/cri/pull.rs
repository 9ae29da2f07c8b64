//! PullImage: read, decide, forward pinned, and answer only when kubelet will find what was pulled.

mod content;
mod record;
mod request;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Code;

use super::frame::{self, MAX_MESSAGE_BYTES, PREFIX_BYTES};
use super::{Peer, Proxy, deadline, status, tags, wire};
use crate::containerd::{Body, images, presence};
use crate::gate::{Explanation, Kind, Pinned, Question, Refusal};
use crate::telemetry::Step;
use record::Record;
use request::PullRequest;

/// The largest answer to a pull that is held back, in bytes: it carries one image id.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// When a pull began, by the clock and among the others.
#[derive(Clone, Copy)]
struct Begun<'a> {
    at: Instant,
    place: &'a tags::Pull<'a>,
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
        let mut record = Record::begin(pull.image(), pull.pod(), peer);
        let place = self.tags.begin();
        let admitted = self.admit(&pull, &mut record).await;
        let pinned = match admitted {
            Ok(pinned) => pinned,
            Err(refusal) => {
                self.counters.refused.add();
                record.refused(&refusal);
                return refuse(&refusal);
            }
        };
        self.counters.admitted.add();
        let answer =
            self.pull_pinned(&pull, &pinned, head, Begun { at: begin, place: &place }, &mut record).await;
        record.answered(&pinned, &answer);
        answer
    }

    /// Asks the gate, in a task of its own: a panic in there refuses this pull and no other, and dropping this future,
    /// as hyper does when the caller cancels, stops the work.
    async fn admit(&self, pull: &PullRequest, record: &mut Record) -> Result<Pinned, Refusal> {
        let question = Question {
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
        pull: &PullRequest,
        pinned: &Pinned,
        head: Parts,
        begun: Begun<'_>,
        record: &mut Record,
    ) -> Response<Body> {
        let Some(request) = pinned_request(pull, pinned, head, begun.at.elapsed()) else {
            return status::answer(Code::Internal, "pullgate: the pinned request cannot be written");
        };
        let answer = match record.steps().time(Step::Forward, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(failed) => return failed,
        };
        let known = match answer.image_id() {
            Pulled::Failed => return answer.into_response(),
            Pulled::Image(id) => {
                self.make_known(pull.image(), pinned, &id, begun.place, record).await.map(|()| id)
            }
            Pulled::Unreadable => Err("the runtime's answer names no image".to_owned()),
        };
        match known {
            Ok(id) => {
                // Before the answer: the next thing that kubelet asks for is the image.
                self.gate.pulled(pinned, &id, &content::Pulled::of(&self.upstream)).await;
                answer.into_response()
            }
            Err(text) => status::answer(Code::Unknown, format!("pullgate: pulled, but {text}")),
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Answer, Response<Body>> {
        let response = self.upstream.send(request).await.map_err(|error| self.unavailable(&error))?;
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| {
            status::answer(Code::Unavailable, format!("pullgate: the runtime's answer broke off: {error}"))
        })?;
        let trailers = collected.trailers().cloned();
        Ok(Answer { head, body: collected.to_bytes(), trailers })
    }

    /// Makes `ImageStatus` of the name that the pod wrote lead to the image that was pulled.
    async fn make_known(
        &self,
        written: &str,
        pinned: &Pinned,
        id: &str,
        place: &tags::Pull<'_>,
        record: &mut Record,
    ) -> Result<(), String> {
        let turn = place.turn(pinned.tag_record().unwrap_or(written), id).await;
        let mut turn = turn.ok_or_else(|| "the tag has moved meanwhile; pull again".to_owned())?;
        if let (Some(tagged), Some(digest)) = (pinned.tag_record(), pinned.digest()) {
            let added = images::record_tag(&self.upstream, tagged, pinned.name(), digest);
            let added =
                record.steps().time(Step::TagRecord, tokio::time::timeout(self.tag_record_timeout, added));
            added
                .await
                .map_err(|_| "the tag could not be recorded in time".to_owned())?
                .map_err(|e| told(&e))?;
        }
        let known = presence::wait_for(&self.upstream, written, id, self.tag_record_timeout);
        record.steps().time(Step::Confirm, known).await.map_err(|error| told(&error))?;
        turn.recorded(id);
        Ok(())
    }
}

async fn read(body: Incoming) -> Result<PullRequest, (Code, String)> {
    let limited = Limited::new(body, MAX_MESSAGE_BYTES + PREFIX_BYTES).collect().await;
    let body = limited.map_err(|error| (Code::InvalidArgument, error.to_string()))?.to_bytes();
    let message = frame::only_message(&body).map_err(|error| (error.code(), error.to_string()))?;
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

fn refuse(refusal: &Refusal) -> Response<Body> {
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

fn told(error: &dyn std::error::Error) -> String {
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

/// The runtime's answer to a pull, held until the image is known by its name.
struct Answer {
    head: http::response::Parts,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answer {
    fn image_id(&self) -> Pulled {
        let trailers = self.trailers.as_ref().unwrap_or(&self.head.headers);
        if trailers.get("grpc-status").is_none_or(|status| status != "0") {
            return Pulled::Failed;
        }
        let id = frame::only_message(&self.body).ok().and_then(|message| {
            let first = wire::fields(&message).filter_map(Result::ok).find(|field| field.number == 1)?;
            first.text().ok().filter(|id| !id.is_empty()).map(ToOwned::to_owned)
        });
        id.map_or(Pulled::Unreadable, Pulled::Image)
    }

    fn into_response(self) -> Response<Body> {
        let data = (!self.body.is_empty()).then_some(self.body);
        Response::from_parts(self.head, Body::Held { data, trailers: self.trailers })
    }
}
