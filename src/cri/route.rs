//! Which call is whose. Decided by the exact path, as grpc-go does: what is not on the list does not cross.
//!
//! containerd's socket carries much more than the CRI: `containerd.services.*` can pull and run images by itself, and
//! `runtime.v1alpha2` (containerd 1.6 and 1.7) has a PullImage of the same layout.

use http::{Method, Request};

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To the runtime, untouched.
    Forward,
    /// To the gate.
    PullImage,
    /// To the runtime; the gate reads the answer.
    ImageStatus,
    /// To the gate.
    CreateContainer,
    /// To the runtime, if the operator wants checkpoints of pods.
    Checkpoint,
    /// Nowhere.
    Unknown,
}

const CALLS: [(&str, Route); 5] = [
    ("/runtime.v1.ImageService/PullImage", Route::PullImage),
    ("/runtime.v1.ImageService/ImageStatus", Route::ImageStatus),
    ("/runtime.v1.RuntimeService/CreateContainer", Route::CreateContainer),
    // Kubernetes 1.37 (KEP-5823): a whole pod from a directory on the node.
    ("/runtime.v1.RuntimeService/CheckpointPod", Route::Checkpoint),
    ("/runtime.v1.RuntimeService/RestorePod", Route::Checkpoint),
];
const SERVICES: [&str; 2] = ["/runtime.v1.ImageService/", "/runtime.v1.RuntimeService/"];

/// Routes a call by its method and path.
pub(super) fn of<B>(request: &Request<B>) -> Route {
    let path = request.uri().path();
    if request.method() != Method::POST || request.uri().query().is_some() {
        return Route::Unknown;
    }
    if let Some((_, route)) = CALLS.iter().find(|(call, _)| *call == path) {
        return *route;
    }
    let method = SERVICES.iter().find_map(|service| path.strip_prefix(service));
    match method {
        // Methods newer than our definitions cross too; anything that is no method name does not.
        Some(method) if is_identifier(method) => Route::Forward,
        _ => Route::Unknown,
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_services_cross() {
        for (path, expected) in [
            ("/runtime.v1.ImageService/PullImage", Route::PullImage),
            ("/runtime.v1.ImageService/ImageStatus", Route::ImageStatus),
            ("/runtime.v1.ImageService/ListImages", Route::Forward),
            ("/runtime.v1.ImageService/NewerThanUs", Route::Forward),
            ("/runtime.v1.RuntimeService/CreateContainer", Route::CreateContainer),
            ("/runtime.v1.RuntimeService/RestorePod", Route::Checkpoint),
            ("/runtime.v1.RuntimeService/CheckpointPod", Route::Checkpoint),
            ("/runtime.v1.RuntimeService/StartContainer", Route::Forward),
            ("/runtime.v1alpha2.ImageService/PullImage", Route::Unknown),
            ("/runtime.v1alpha2.RuntimeService/Version", Route::Unknown),
            ("/containerd.services.images.v1.Images/Create", Route::Unknown),
            ("/containerd.services.transfer.v1.Transfer/Transfer", Route::Unknown),
            ("/runtime.v1.ImageService/PullImage/", Route::Unknown),
            ("/runtime.v1.ImageService//PullImage", Route::Unknown),
            ("/runtime.v1.ImageService/", Route::Unknown),
            ("/runtime.v1.ImageService/PullImage?x=1", Route::Unknown),
            ("/runtime.v1.ImageService/PullOrder%49mage", Route::Unknown),
            ("//runtime.v1.ImageService/PullImage", Route::Unknown),
            ("/runtime.v1.ImageServicePullImage", Route::Unknown),
            ("/Runtime.v1.ImageService/PullImage", Route::Unknown),
            ("/", Route::Unknown),
        ] {
            let request = Request::post(format!("http://localhost{path}")).body(()).unwrap();
            assert_eq!(of(&request), expected, "{path}");
        }
    }

    #[test]
    fn only_post_is_a_call() {
        let request = Request::get("http://localhost/runtime.v1.ImageService/ImageStatus").body(()).unwrap();
        assert_eq!(of(&request), Route::Unknown);
    }
}
