//! CreateContainer, where the runtime endpoint goes through pullgate too: the last moment before an image runs, and the
//! only request that has image, name and namespace together.

mod checkpoint;
mod request;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Code;

use super::decided::Decided;
use super::{MAX_NAME_BYTES, Peer, Proxy, RuntimeContent, frame, read_message, status};
use crate::api::Image;
use crate::containerd::{Body, presence};
use crate::digest::Digest;
use crate::gate::{Pod, Present, PresentVerdict, Refusal};
use crate::telemetry::decisions::Call;
use pullgate_core::untrusted::{error_chain, image_name, sanitize_to};
pub(super) use request::CreateRequest;
use request::{Changes, UsedImage};

/// Answers a CreateContainer call: forwards it when its pod may use every image in it.
///
/// # Errors
/// As [`Proxy::handle`].
pub(super) async fn handle(
    proxy: &Proxy,
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    match checked(proxy, head, body, peer).await {
        Ok(request) => {
            proxy.counters.passed.add();
            proxy.forward(request).await
        }
        Err(answer) => Ok(answer),
    }
}

/// The request to forward.
///
/// # Errors
/// The answer for a request that is not forwarded.
async fn checked(
    proxy: &Proxy,
    mut head: Parts,
    body: Incoming,
    peer: Peer,
) -> Result<Request<Body>, Response<Body>> {
    let (message, mut body) = read_message(proxy.gate.memory().calls(), 3, body).await?;
    let create = CreateRequest::parse(&message).map_err(|error| {
        status::answer(Code::InvalidArgument, format!("pullgate: {}", error_chain(&error)))
    })?;
    let changes = check_images(proxy, &create).await.map_err(|refusal| {
        proxy.counters.containers_refused.add(refusal.reason());
        record(&create, peer, &refusal);
        status::refused(&refusal)
    })?;
    if !changes.is_empty() {
        let framed = create.with(&changes).map(|message| frame::framed(&message));
        let Ok(Ok(framed)) = framed else {
            return Err(status::answer(Code::Internal, "pullgate: the checked request cannot be written"));
        };
        head.headers.remove(CONTENT_LENGTH);
        body = framed;
    }
    Ok(Request::from_parts(head, Body::full(body)))
}

/// Checks every image of the container. Returns what to change in the request: an image that is named otherwise than by
/// its id (crictl and critest do that) is handed on by the id that was checked, so that the name cannot move meanwhile.
async fn check_images(proxy: &Proxy, create: &CreateRequest<'_>) -> Result<Changes, Refusal> {
    let mut changes = Changes::default();
    for volume in create.volumes() {
        let found = check_image(proxy, volume, create.pod()).await;
        let found = counted(proxy, (create, volume), found)?;
        changes.volumes.push(found.and_then(|(_, image)| volume.changed_id(&image)));
    }
    let found = check_own_image(proxy, create).await;
    let Some((verdict, image)) = counted(proxy, (create, create.image()), found)? else {
        return Ok(changes);
    };
    changes.image = create.image().changed_id(&image);
    changes.user_specified = proxy.settings.pin_user_specified_image.then(|| verdict.pinned()).flatten();
    Ok(changes)
}

/// What is known about an image that may be used; `None` for a checkpoint, where that is allowed.
type Found = Option<(PresentVerdict, Image)>;

/// As [`check_image`] for the container's own image, which must not be a checkpoint either.
async fn check_own_image(proxy: &Proxy, create: &CreateRequest<'_>) -> Result<Found, Refusal> {
    let found = check_image(proxy, create.image(), create.pod()).await?;
    if let Some((_, image)) = &found
        && !proxy.settings.checkpoint_restore
    {
        // Asked again: the checks may have waited, and a pull meanwhile may have added the name that containerd uses first.
        let now = query_runtime(proxy, create.image(), presence::image(&proxy.upstream, &image.id)).await?;
        let absent = || Refusal::absent(create.image().image);
        let now = now.filter(|now| now.id == image.id).ok_or_else(absent)?;
        let (records, content) = (checkpoint::records(&now), RuntimeContent::of(&proxy.upstream));
        let record = proxy.gate.checkpoint_record(create.image().image, &records, &content).await?;
        if let Some(record) = record {
            return Err(Refusal::checkpoint_image(create.image().name(), record));
        }
    }
    Ok(found)
}

/// Counts the decision about one image of a container for the report.
fn counted(
    proxy: &Proxy,
    (create, used): (&CreateRequest<'_>, &UsedImage<'_>),
    found: Result<Found, Refusal>,
) -> Result<Found, Refusal> {
    let decided = Decided::new(Call::CreateContainer, used.name(), create.pod());
    match &found {
        Ok(Some((verdict, _))) => decided.present(&proxy.counters.decisions, verdict),
        Ok(None) => {}
        Err(refusal) => decided.refused(&proxy.counters.decisions, refusal),
    }
    found
}

/// The verdict on an image.
async fn check_image(proxy: &Proxy, used: &UsedImage<'_>, pod: Option<&Pod>) -> Result<Found, Refusal> {
    let is_id = Digest::parse(used.image).is_ok();
    let found = query_runtime(proxy, used, presence::image(&proxy.upstream, used.image)).await?;
    let Some(image) = found else {
        if is_id {
            return Err(Refusal::absent(used.image));
        }
        // containerd 2.1 to 2.3 restores a container when the image is the path of a file.
        if !proxy.settings.checkpoint_restore {
            return Err(Refusal::not_an_image(used.image));
        }
        tracing::warn!(
            path = image_name(used.image, MAX_NAME_BYTES),
            "container is restored from a checkpoint, whose content pullgate does not verify"
        );
        return Ok(None);
    };
    if is_id && image.id != used.image {
        return Err(Refusal::runtime(used.image, "the runtime returned another image for this id"));
    }
    let content = RuntimeContent::of(&proxy.upstream);
    let present = proxy.gate.read_content(Present::from(&image), &content).await;
    let verdict = proxy.gate.check_present(used.name(), &present, pod).await?;
    Ok(Some((verdict, image)))
}

/// The runtime's answer about an image, if it comes within `tag-record-timeout`.
async fn query_runtime<T, E: std::error::Error + 'static>(
    proxy: &Proxy,
    used: &UsedImage<'_>,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Refusal> {
    let answer = tokio::time::timeout(proxy.settings.limits.tag_record_timeout, answer).await;
    let answer = answer.map_err(|_| Refusal::runtime(used.image, "the runtime does not answer"))?;
    answer.map_err(|error| {
        tracing::warn!(error = error_chain(&error), "cannot look up an image in the runtime");
        Refusal::runtime(used.image, &error.to_string())
    })
}

fn record(create: &CreateRequest<'_>, peer: Peer, refusal: &Refusal) {
    let pod = create.pod().cloned().unwrap_or_default();
    tracing::warn!(
        verdict = "refused",
        image = image_name(create.image().name(), MAX_NAME_BYTES),
        pod.namespace = sanitize_to(&pod.namespace, MAX_NAME_BYTES),
        pod.name = sanitize_to(&pod.name, MAX_NAME_BYTES),
        peer.uid = peer.uid,
        peer.pid = peer.pid,
        reason = refusal.reason().code(),
        line = refusal.line(),
        "container refused"
    );
}
