//! CreateContainer, where the runtime endpoint goes through pullgate too: the last moment before an image runs, and the
//! only request that has image, name and namespace together.

mod checkpoint;
mod request;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Code;

use super::{Peer, Proxy, frame, read_message, status};
use crate::api::Image;
use crate::containerd::{Body, presence};
use crate::digest::Digest;
use crate::gate::{Pod, Present, PresentVerdict, Refusal};
use pullgate_core::untrusted;
use request::{CreateRequest, UsedImage};

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
    let (message, mut body) = read_message(proxy.gate.memory(), 3, body).await?;
    let create = CreateRequest::parse(&message).map_err(|error| {
        status::answer(Code::InvalidArgument, format!("pullgate: {}", untrusted::chain(&error)))
    })?;
    let verdict = check_images(proxy, &create).await.map_err(|refusal| {
        proxy.counters.containers_refused.add();
        record(&create, peer, &refusal);
        status::refused(&refusal)
    })?;
    if proxy.settings.pin_user_specified_image
        && let Some(pinned) = verdict.and_then(|verdict| verdict.pinned())
    {
        let framed = create.with_user_specified(&pinned).map(|message| frame::framed(&message));
        let Ok(Ok(framed)) = framed else {
            return Err(status::answer(Code::Internal, "pullgate: the pinned request cannot be written"));
        };
        head.headers.remove(CONTENT_LENGTH);
        body = framed;
    }
    Ok(Request::from_parts(head, Body::full(body)))
}

/// Checks every image of the container. Returns the verdict on its own image, not on those that it mounts.
async fn check_images(proxy: &Proxy, create: &CreateRequest<'_>) -> Result<Option<PresentVerdict>, Refusal> {
    for volume in create.volumes() {
        check_image(proxy, volume, create.pod()).await?;
    }
    let Some((verdict, image)) = check_image(proxy, create.image(), create.pod()).await? else {
        return Ok(None);
    };
    if !proxy.settings.checkpoint_restore {
        check_not_checkpoint(proxy, create.image(), &image).await?;
    }
    Ok(Some(verdict))
}

/// The verdict on an image; `None` for a checkpoint, where that is allowed.
async fn check_image(
    proxy: &Proxy,
    used: &UsedImage<'_>,
    pod: Option<&Pod>,
) -> Result<Option<(PresentVerdict, Image)>, Refusal> {
    let restore = proxy.settings.checkpoint_restore;
    // containerd 2.1 to 2.3 restores a container when the image is the path of a file.
    let is_id = Digest::parse(used.image).is_ok();
    if !is_id && !restore {
        return Err(Refusal::not_by_id(used.image));
    }
    let found = query_runtime(proxy, used, presence::image(&proxy.upstream, used.image)).await?;
    let Some(image) = found else {
        if is_id {
            return Err(Refusal::absent(used.image));
        }
        tracing::warn!(
            path = used.image.escape_debug().to_string(),
            "restored from a checkpoint, unverified"
        );
        return Ok(None);
    };
    if is_id && image.id != used.image {
        return Err(Refusal::runtime(used.image, "it finds another image by this id"));
    }
    let verdict = proxy.gate.check_present(used.name(), &Present::from(&image), pod).await?;
    Ok(Some((verdict, image)))
}

/// An image that is admitted may still be one from which the runtime restores a container, on top of another image that
/// it pulls itself.
async fn check_not_checkpoint(proxy: &Proxy, used: &UsedImage<'_>, image: &Image) -> Result<(), Refusal> {
    match query_runtime(proxy, used, checkpoint::is_in(&proxy.upstream, image)).await? {
        false => Ok(()),
        true => Err(Refusal::checkpoint_image(used.name())),
    }
}

/// The runtime's answer about an image, if it comes within `tag-record-timeout`.
async fn query_runtime<T, E: std::error::Error + 'static>(
    proxy: &Proxy,
    used: &UsedImage<'_>,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Refusal> {
    let answer = tokio::time::timeout(proxy.settings.tag_record_timeout, answer).await;
    let answer = answer.map_err(|_| Refusal::runtime(used.image, "it does not answer"))?;
    answer.map_err(|error| {
        tracing::warn!(error = untrusted::chain(&error), "cannot look up an image in the runtime");
        Refusal::runtime(used.image, &error.to_string())
    })
}

fn record(create: &CreateRequest<'_>, peer: Peer, refusal: &Refusal) {
    let pod = create.pod().cloned().unwrap_or_default();
    tracing::warn!(
        verdict = "refused",
        image = create.image().name().chars().flat_map(char::escape_debug).take(512).collect::<String>(),
        pod.namespace = pod.namespace.escape_debug().to_string(),
        pod.name = pod.name.escape_debug().to_string(),
        peer.uid = peer.uid,
        peer.pid = peer.pid,
        reason = refusal.reason().code(),
        line = refusal.line(),
        "container refused"
    );
}
