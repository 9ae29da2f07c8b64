//! PullImage: read, decide, forward pinned, and answer only when kubelet will find what was pulled.

mod content;
mod forwarded;
mod hand_over;
mod record;
mod request;
mod unchecked;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Code;

use super::request_message::SMALL_MESSAGE;
use super::runtime_answer::RuntimeAnswer;
use super::tag_locks::PullOrder;
use super::{Peer, Proxy, deadline, frame, read_message, status, wire};
use crate::containerd::images::Recorded;
use crate::containerd::{Body, images, presence};
use crate::gate::{AdmissionRequest, Explanation, Pinned, Refusal};
use crate::telemetry::{Reason, Step};
pub use content::RuntimeContent;
pub(super) use hand_over::HandOvers;
use pullgate_core::untrusted::error_chain;
use record::Record;
pub(super) use record::error_of;
pub(super) use request::PullRequest;
use unchecked::Unchecked;
pub(super) use unchecked::UncheckedPulls;

/// The largest answer to a pull that is read, in bytes: it carries one image id.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// A PullImage call.
pub(super) struct PullCall {
    request: PullRequest,
    head: Parts,
    begun: Instant,
    /// Whether the decision is in `pullgate report`.
    counts: bool,
}

impl PullCall {
    pub(super) fn new(request: PullRequest, head: Parts, begun: Instant) -> Self {
        Self { request, head, begun, counts: true }
    }

    /// Whether the decision is in `pullgate report`.
    pub(super) fn counted(self, counts: bool) -> Self {
        Self { counts, ..self }
    }
}

/// Answers a PullImage call. After any failure, the runtime is asked for nothing that was not admitted.
pub(super) async fn handle(proxy: &Proxy, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    let begun = Instant::now();
    let (head, body) = request.into_parts();
    match read(proxy, body).await {
        Ok(request) => pull(proxy, PullCall::new(request, head, begun), peer).await,
        Err(answer) => {
            proxy.counters.pulls.unreadable.add();
            let reason = error_of(&answer);
            tracing::warn!(
                peer.uid = peer.uid,
                peer.pid = peer.pid,
                reason,
                "pull refused: unreadable request"
            );
            answer
        }
    }
}

/// Decides about an image, and forwards the pull if it is admitted.
pub(super) async fn pull(proxy: &Proxy, call: PullCall, peer: Peer) -> Response<Body> {
    let mut record = Record::begin(&proxy.counters, (call.request.image(), call.request.pod()), peer);
    if !call.counts {
        record.leave_out_of_report();
    }
    let answer = match run(proxy, call, &mut record).await {
        Ok(answer) => answer.into_response(),
        Err(answer) => answer,
    };
    record.answered(&answer);
    answer
}

/// The way of a pull, in order.
///
/// # Errors
/// The answer for a pull that ends early.
async fn run(
    proxy: &Proxy,
    mut call: PullCall,
    record: &mut Record<'_>,
) -> Result<RuntimeAnswer, Response<Body>> {
    // Before the tag is resolved: of two pulls of one tag, the one that began later records it.
    let order = proxy.tag_locks.begin();
    // A policy that comes into force from now on has not admitted this pull.
    let policy = proxy.policy_hash();

    let mut pinned = decide(proxy, &mut call.request, record).await?;
    let restore = proxy.settings.checkpoint_restore;
    let checked = proxy.gate.check_pinned(&pinned, restore).await;
    checked.map_err(|refusal| refuse(&refusal, record))?;
    if let Some(document) = pinned.document() {
        hand_over::begin(&proxy.hand_overs, &proxy.upstream, proxy.gate.memory(), document);
    }
    let evidence = proxy.gate.begin_evidence(&mut pinned).await;
    let mut unchecked = Unchecked::begin(proxy, &pinned).await;
    let image = call.request.image().to_owned();
    let answer = forward(proxy, call, &pinned, record).await?;
    unchecked.answered();
    let Some(id) = image_id(&answer).map_err(pulled_but)? else { return Ok(answer) };
    let checked = Box::pin(unchecked.check(&pinned, &id)).await;
    checked.map_err(|refusal| refuse(&refusal, record))?;

    let content = RuntimeContent::of(&proxy.upstream);
    // Both before the answer: kubelet asks for the image next. Each on the heap by itself: what has ended takes no memory
    // while the other waits for the runtime, and calls that wait for the gate are small.
    let record_tag = Box::pin(record_tag(proxy, (&image, &id), &pinned, &order, record));
    let keep_evidence = Box::pin(proxy.gate.finish_evidence(&pinned, evidence, &id, &content));
    let (recorded, ()) = tokio::join!(record_tag, keep_evidence);
    recorded.map_err(|text| pulled_but(&text))?;

    // What an exception admits is asked for again each time: it ends with its file.
    if pinned.reason() != Reason::BreakGlass {
        proxy.recent_answers.pulled(&image, &id, policy);
    }
    Ok(answer)
}

async fn read(proxy: &Proxy, body: Incoming) -> Result<PullRequest, Response<Body>> {
    // As it came, and the parts that are read of it.
    let (message, _) = read_message(proxy.gate.memory().pulls(), 2, body).await?;
    PullRequest::parse(message)
        .map_err(|error| status::answer(Code::InvalidArgument, format!("pullgate: {}", error_chain(&error))))
}

/// Asks the gate, in a task of its own: a panic there refuses this pull only, and dropping this future, as hyper does
/// when the caller cancels, stops the work.
async fn decide(
    proxy: &Proxy,
    pull: &mut PullRequest,
    record: &mut Record<'_>,
) -> Result<Pinned, Response<Body>> {
    let request = AdmissionRequest {
        image: pull.image().to_owned(),
        credentials: pull.take_credentials(),
        namespace: pull.pod().map(|pod| pod.namespace.clone()),
    };
    let gate = proxy.gate.clone();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut explanation = Explanation::default();
        let decided = gate.admit(&request, &mut explanation).await;
        (decided, explanation)
    });
    let decided = match task.join_next().await {
        Some(Ok((decided, explanation))) => {
            record.explained(explanation);
            decided
        }
        _ => Err(Refusal::internal(pull.image())),
    };
    match decided {
        Ok(pinned) => {
            record.admitted(&pinned);
            Ok(pinned)
        }
        Err(refusal) => Err(refuse(&refusal, record)),
    }
}

fn refuse(refusal: &Refusal, record: &mut Record<'_>) -> Response<Body> {
    record.refused(refusal);
    status::refused(refusal)
}

/// Forwards the pull of an admitted image. This is the only function that sends a pull to the runtime.
async fn forward(
    proxy: &Proxy,
    call: PullCall,
    pinned: &Pinned,
    record: &mut Record<'_>,
) -> Result<RuntimeAnswer, Response<Body>> {
    let request = pinned_request(call, pinned)
        .ok_or_else(|| status::answer(Code::Internal, "pullgate: the pinned request cannot be written"))?;
    record.steps().time(Step::Forward, Box::pin(proxy.exchange(request, MAX_ANSWER_BYTES))).await
}

fn pinned_request(call: PullCall, pinned: &Pinned) -> Option<Request<Body>> {
    let PullCall { request, mut head, begun, counts: _ } = call;
    let mut parts = request.with_image(pinned.name()).ok()?;
    let length = parts.iter().map(Bytes::len).sum();
    parts.insert(0, Bytes::copy_from_slice(&frame::prefix(length).ok()?));
    head.headers.remove(CONTENT_LENGTH);
    // The message is not compressed. Nor may the answer be, which has to be read here: grpc-go answers in the encoding
    // of the request.
    head.headers.remove("grpc-encoding");
    deadline::reduce(&mut head.headers, begun.elapsed());
    let body =
        if length > SMALL_MESSAGE { Body::Parts(parts.into()) } else { Body::full(parts.concat().into()) };
    Some(Request::from_parts(head, body))
}

/// The id of the image that was pulled; `None` for an error of the runtime, which is passed on unchanged.
///
/// # Errors
/// Why the image of a success could not be recorded under its name.
fn image_id(answer: &RuntimeAnswer) -> Result<Option<String>, &'static str> {
    let Some(message) = answer.message() else { return Ok(None) };
    let id = message.ok().and_then(|message| {
        let first = wire::fields(&message).filter_map(Result::ok).find(|field| field.number == 1)?;
        first.text().ok().filter(|id| !id.is_empty()).map(ToOwned::to_owned)
    });
    id.map(Some).ok_or("the runtime's response contains no image id")
}

/// Makes `ImageStatus` of the name in the pod lead to the image that was pulled.
///
/// # Errors
/// Why kubelet would not find it.
async fn record_tag(
    proxy: &Proxy,
    (written, id): (&str, &str),
    pinned: &Pinned,
    order: &PullOrder<'_>,
    record: &mut Record<'_>,
) -> Result<(), String> {
    let lock = order.lock(pinned.tag_record().unwrap_or(written), id).await;
    let mut lock =
        lock.ok_or_else(|| "the tag has moved to another digest during the pull; pull again".to_owned())?;
    let timeout = proxy.settings.limits.tag_record_timeout;
    if let (Some(tagged), Some(digest)) = (pinned.tag_record(), pinned.digest()) {
        let is_sandbox_image = proxy.sandbox_image_name().is_some_and(|sandbox| sandbox == tagged);
        let labels: &[_] = if is_sandbox_image { &[images::PINNED_LABEL] } else { &[] };
        let added = images::record_tag(&proxy.upstream, tagged, pinned.name(), digest, labels);
        // An image that was here before mostly has its record too: then one round trip answers both questions.
        let both = async { tokio::join!(added, presence::is_known(&proxy.upstream, written, id)) };
        let both = tokio::time::timeout(timeout, both);
        let (added, known) = record
            .steps()
            .time(Step::TagRecord, both)
            .await
            .map_err(|_| "the runtime did not record the tag in time".to_owned())?;
        if added.map_err(|error| error_chain(&error))? == Recorded::Before && known {
            lock.recorded(id);
            return Ok(());
        }
    }
    let known = presence::wait_for(&proxy.upstream, written, id, timeout);
    record.steps().time(Step::Confirm, known).await.map_err(|error| error_chain(&error))?;
    lock.recorded(id);
    Ok(())
}

fn pulled_but(text: &str) -> Response<Body> {
    status::answer(Code::Unknown, format!("pullgate: the runtime pulled the image, but {text}"))
}
