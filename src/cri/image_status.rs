//! ImageStatus: an image that is on the node but not admitted is answered as absent, so that kubelet pulls it and the
//! pull is evaluated.
//!
//! The image in the runtime's answer decides, never the text in the request: containerd finds images by tag, digest, id
//! and prefix of an id.
//!
//! Absent is not always a safe answer. kubelet's `getImageUser` (`kuberuntime/helpers.go`) takes it for "runs as root".
//! That query has the bare name only; the one before a pull carries the pod's annotations, of which there is always one
//! (`kubernetes.io/config.source`, which kubelet adds itself). So a query without annotations, and one for a name that
//! was answered as present a moment ago, is refused with an error instead.
//!
//! Field numbers: `runtime.v1` `ImageStatusRequest`, `ImageStatusResponse`, `Image`.

use std::fmt::Display;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Code;

use super::decided::Decided;
use super::frame::{MAX_MESSAGE_BYTES, PREFIX_BYTES};
use super::message::{SPEC_ANNOTATIONS, SPEC_IMAGE, text};
use super::runtime_answer::RuntimeAnswer;
use super::wire::{self, WireError};
use super::{MAX_NAME_BYTES, Peer, Proxy, RuntimeContent, read_message, status};
use crate::containerd::Body;
use crate::gate::{Present, Refusal};
use crate::telemetry::decisions::Call;
use pullgate_core::untrusted::{error_chain, image_name, sanitize_to};

/// How many names of one image are read at most. The runtime's answer is bounded in bytes as well.
const MAX_NAMES: usize = 10_000;

/// Answers an ImageStatus call: with the runtime's own bytes, or as if the image were absent, or with an error.
pub(super) async fn handle(proxy: &Proxy, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    answer(proxy, request, peer).await.unwrap_or_else(|answer| answer)
}

async fn answer(
    proxy: &Proxy,
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response<Body>, Response<Body>> {
    let (head, body) = request.into_parts();
    let (message, body) = read_message(proxy.gate.memory().calls(), 2, body).await?;
    let query = Query::parse(&message).map_err(|error| {
        status::answer(Code::InvalidArgument, format!("pullgate: {}", error_chain(&error)))
    })?;
    let request = Request::from_parts(head, Body::full(body));
    let answer = proxy.exchange(request, MAX_MESSAGE_BYTES + PREFIX_BYTES).await?;
    // The runtime reports an error of its own.
    let Some(message) = answer.message() else { return Ok(answer.into_response()) };
    let message = message.map_err(|error| unreadable(&error))?;
    if let Some(admitted) = proxy.admitted_answers.find(&proxy.gate, query.image, &message) {
        proxy.recent_answers.present_as(admitted.canonical());
        return Ok(answer.into_response());
    }
    // On the heap: it is rare and large.
    Box::pin(decide(proxy, &query, (answer, &message), peer)).await
}

/// Lets the gate decide about the image in `message` of the runtime's answer.
async fn decide(
    proxy: &Proxy,
    query: &Query<'_>,
    (answer, message): (RuntimeAnswer, &Bytes),
    peer: Peer,
) -> Result<Response<Body>, Response<Body>> {
    let present = read_present(message).map_err(|error| unreadable(&error))?;
    // Absent.
    let Some(present) = present else { return Ok(answer.into_response()) };
    let present = proxy.gate.read_content(present, &RuntimeContent::of(&proxy.upstream)).await;
    match proxy.gate.check_present_to_cache(query.image, &present).await {
        Ok((verdict, to_cache)) => {
            if let Some(cached) = to_cache {
                proxy.admitted_answers.keep(query.image, message, cached);
            }
            // An admitted image is asked about again and again, and its pull was counted.
            let pulled = || proxy.recent_answers.is_pulled(query.image, &present.id, &proxy.policy_hash());
            if !verdict.audited().is_empty() && !pulled() {
                let decided = Decided::new(Call::ImageStatus, query.image, None);
                decided.present(&proxy.counters.decisions, &verdict);
            }
            proxy.recent_answers.present(query.image);
            Ok(answer.into_response())
        }
        Err(refusal) => Ok(withhold(proxy, (query, &present), &refusal, answer, peer)),
    }
}

fn unreadable(error: &impl Display) -> Response<Body> {
    status::answer(Code::Internal, format!("pullgate: cannot parse the runtime's response: {error}"))
}

fn withhold(
    proxy: &Proxy,
    (query, present): (&Query<'_>, &Present),
    refusal: &Refusal,
    answer: RuntimeAnswer,
    peer: Peer,
) -> Response<Body> {
    let recent = &proxy.recent_answers;
    // Pulled a moment ago for a pod whose namespace allows more than others: the container of that very pod is next.
    if !query.has_annotations && recent.is_pulled(query.image, &present.id, &proxy.policy_hash()) {
        return answer.into_response();
    }
    let safe = query.has_annotations && !recent.is_present(query.image);
    proxy.counters.withheld.add(refusal.reason());
    Decided::new(Call::ImageStatus, query.image, None).refused(&proxy.counters.decisions, refusal);
    tracing::info!(
        image = image_name(query.image, MAX_NAME_BYTES),
        id = sanitize_to(&present.id, MAX_NAME_BYTES),
        peer.uid = peer.uid,
        peer.pid = peer.pid,
        reason = refusal.reason().code(),
        answer = if safe { "absent" } else { "error" },
        "image withheld from the caller, because the policy does not admit it"
    );
    if !safe {
        return status::refused(refusal);
    }
    answer.with_message(&[]).map_or_else(
        |error| status::answer(Code::Internal, format!("pullgate: {error}")),
        RuntimeAnswer::into_response,
    )
}

/// The part of an ImageStatusRequest that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    image: &'a str,
    has_annotations: bool,
}

impl<'a> Query<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let [spec] = wire::singles(message, [1])?;
        let spec = spec.map_or(Ok(&[][..]), |spec| spec.bytes())?;
        let [image] = wire::singles(spec, [SPEC_IMAGE])?;
        let mut has_annotations = false;
        for field in wire::fields(spec) {
            has_annotations |= field?.number == SPEC_ANNOTATIONS;
        }
        Ok(Self { image: text(image.as_ref())?, has_annotations })
    }
}

/// The image in a message of the runtime; `None` in one that has none.
pub(super) fn read_present(message: &[u8]) -> Result<Option<Present>, WireError> {
    let [image] = wire::singles(message, [1])?;
    let Some(image) = image else { return Ok(None) };
    let image = image.bytes()?;
    let [id] = wire::singles(image, [1])?;
    let mut present = Present { id: text(id.as_ref())?.to_owned(), ..Present::default() };
    for field in wire::fields(image) {
        let field = field?;
        let names = match field.number {
            2 => &mut present.repo_tags,
            3 => &mut present.repo_digests,
            _ => continue,
        };
        if names.len() < MAX_NAMES {
            names.push(field.text()?.to_owned());
        }
    }
    Ok(Some(present))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::api;

    fn field(number: u64, content: &[u8]) -> Vec<u8> {
        wire::splice(&[], &(0..0), number, content).unwrap()
    }

    #[test]
    fn reads_a_request_in_one_way_only() {
        let annotation = field(2, &[field(1, b"a"), field(2, b"b")].concat());
        for (message, expected) in [
            (field(1, &field(1, b"app")), Ok(("app", false))),
            (field(1, &[field(1, b"app"), annotation.clone(), annotation].concat()), Ok(("app", true))),
            ([field(1, &field(1, b"app")), b"\x10\x01".to_vec()].concat(), Ok(("app", false))),
            (vec![], Ok(("", false))),
            ([field(1, &field(1, b"a")), field(1, &field(1, b"b"))].concat(), Err(WireError::Duplicate(1))),
            (field(1, &[field(1, b"a"), field(1, b"b")].concat()), Err(WireError::Duplicate(1))),
            (b"\x08\x01".to_vec(), Err(WireError::WireType(1))),
        ] {
            let read = Query::parse(&message).map(|read| (read.image, read.has_annotations));
            assert_eq!(read, expected, "{message:?}");
        }
    }

    #[test]
    fn reads_what_generated_code_writes() {
        let image = api::Image {
            id: "sha256:1".to_owned(),
            repo_tags: vec!["a:1".to_owned(), "b:1".to_owned()],
            repo_digests: vec!["a@sha256:2".to_owned()],
            size: 7,
            username: "app".to_owned(),
            ..Default::default()
        };
        let present = Present {
            id: image.id.clone(),
            repo_tags: image.repo_tags.clone(),
            repo_digests: image.repo_digests.clone(),
            ..Present::default()
        };
        let response = api::ImageStatusResponse { image: Some(image), ..Default::default() };
        assert_eq!(read_present(&response.encode_to_vec()), Ok(Some(present)));
        assert_eq!(read_present(&api::ImageStatusResponse::default().encode_to_vec()), Ok(None));
        let twice = [field(1, &field(1, b"a")), field(1, &field(1, b"b"))].concat();
        assert_eq!(read_present(&twice), Err(WireError::Duplicate(1)));
    }
}
