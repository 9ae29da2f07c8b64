//! CreateContainer, where the runtime endpoint goes through pullgate too: the last moment before an image runs, and the
//! only one at which image, name and namespace stand in one request.

mod checkpoint;
mod request;

use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Code;

use super::pull::{refuse, told};
use super::{MAX_NAME_BYTES, Peer, Proxy, answer, frame, status};
use crate::api::Image;
use crate::containerd::{Body, presence};
use crate::digest::Digest;
use crate::gate::{Pod, Present, PresentVerdict, Refusal};
use pullgate_core::untrusted::sanitize_to;
use request::{CreateRequest, Used};

impl Proxy {
    /// Answers a CreateContainer call: hands it on when every image in it may be used by its pod.
    pub(super) async fn create_container(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Result<Response<Body>, hyper::Error> {
        let (mut head, body) = request.into_parts();
        let (message, mut body) = match answer::read(body).await {
            Ok(read) => read,
            Err((code, text)) => return Ok(status::answer(code, format!("pullgate: {text}"))),
        };
        let create = match CreateRequest::parse(&message) {
            Ok(create) => create,
            Err(error) => {
                return Ok(status::answer(Code::InvalidArgument, format!("pullgate: {}", told(&error))));
            }
        };
        let standing = match self.all_may_be_used(&create).await {
            Ok(standing) => standing,
            Err(refusal) => {
                self.counters.containers_refused.add();
                record(&create, peer, &refusal);
                return Ok(refuse(&refusal));
            }
        };
        if self.settings.pin_user_specified_image
            && let Some(pinned) = standing.and_then(|standing| standing.pinned())
        {
            let framed = create.with_user_specified(&pinned).map(|message| frame::framed(&message));
            let Ok(Ok(framed)) = framed else {
                return Ok(status::answer(Code::Internal, "pullgate: the pinned request cannot be written"));
            };
            head.headers.remove(CONTENT_LENGTH);
            body = framed;
        }
        self.counters.passed.add();
        self.forward(Request::from_parts(head, Body::full(body))).await
    }

    /// What the container's own image stands as, when all of its images may be used.
    async fn all_may_be_used(&self, create: &CreateRequest<'_>) -> Result<Option<PresentVerdict>, Refusal> {
        for volume in create.volumes() {
            self.may_be_used(volume, create.pod()).await?;
        }
        let Some((standing, image)) = self.may_be_used(create.image(), create.pod()).await? else {
            return Ok(None);
        };
        if !self.settings.checkpoint_restore {
            self.is_no_checkpoint(create.image(), &image).await?;
        }
        Ok(Some(standing))
    }

    /// An image and what it stands as; nothing for a checkpoint, where that is allowed.
    async fn may_be_used(
        &self,
        used: &Used<'_>,
        pod: Option<&Pod>,
    ) -> Result<Option<(PresentVerdict, Image)>, Refusal> {
        let restore = self.settings.checkpoint_restore;
        // containerd 2.1 to 2.3 restores a container when the image is the path of a file.
        let is_id = Digest::parse(used.image).is_ok();
        if !is_id && !restore {
            return Err(Refusal::not_by_id(used.image));
        }
        let found = self.asked(used, presence::image(&self.upstream, used.image)).await?;
        let Some(image) = found else {
            if is_id {
                return Err(Refusal::absent(used.image));
            }
            tracing::warn!(
                path = sanitize_to(used.image, MAX_NAME_BYTES),
                "restored from a checkpoint, unverified"
            );
            return Ok(None);
        };
        if is_id && image.id != used.image {
            return Err(Refusal::runtime(used.image, "it finds another image by this id"));
        }
        let present = Present {
            id: image.id.clone(),
            repo_tags: image.repo_tags.clone(),
            repo_digests: image.repo_digests.clone(),
        };
        let standing = self.gate.check_present(used.name(), &present, pod).await?;
        Ok(Some((standing, image)))
    }

    /// An image that is admitted may still be one from which the runtime restores a container, on top of another image
    /// that it pulls by itself.
    async fn is_no_checkpoint(&self, used: &Used<'_>, image: &Image) -> Result<(), Refusal> {
        match self.asked(used, checkpoint::is_in(&self.upstream, image)).await? {
            false => Ok(()),
            true => Err(Refusal::checkpoint_image(used.name())),
        }
    }

    /// What the runtime says about an image, within the time that it has for that.
    async fn asked<T, E: std::error::Error + 'static>(
        &self,
        used: &Used<'_>,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Refusal> {
        let answer = tokio::time::timeout(self.settings.tag_record_timeout, answer).await;
        let answer = answer.map_err(|_| Refusal::runtime(used.image, "it does not answer"))?;
        answer.map_err(|error| {
            tracing::warn!(error = told(&error), "cannot look up an image in the runtime");
            Refusal::runtime(used.image, &error.to_string())
        })
    }

    /// Answers a call that makes or restores the checkpoint of a whole pod, whose images never pass by here.
    pub(super) fn refuse_checkpoint(&self, path: &str, peer: Peer) -> Response<Body> {
        self.counters.containers_refused.add();
        tracing::warn!(path, peer.uid = peer.uid, peer.pid = peer.pid, "checkpoint call refused");
        refuse(&Refusal::checkpoint(path))
    }
}

fn record(create: &CreateRequest<'_>, peer: Peer, refusal: &Refusal) {
    let pod = create.pod().cloned().unwrap_or_default();
    tracing::warn!(
        verdict = "refused",
        image = sanitize_to(create.image().name(), MAX_NAME_BYTES),
        pod.namespace = sanitize_to(&pod.namespace, MAX_NAME_BYTES),
        pod.name = sanitize_to(&pod.name, MAX_NAME_BYTES),
        peer.uid = peer.uid,
        peer.pid = peer.pid,
        reason = refusal.reason().code(),
        line = refusal.line(),
        "container refused"
    );
}
