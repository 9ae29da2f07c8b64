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
    /// To the runtime, if the operator wants methods that our definitions lack: this one may bring an image to the node,
    /// or run one.
    UnknownMethod,
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
const IMAGE_SERVICE: &str = "/runtime.v1.ImageService/";
const RUNTIME_SERVICE: &str = "/runtime.v1.RuntimeService/";

/// The paths of all methods in `proto`; made by `build.rs`.
const KNOWN_METHODS: &[&str] = &include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// Words in the names of runtime methods that bring images to the node, or run them: RestorePod came with Kubernetes 1.37.
const IMAGE_VERBS: [&str; 6] = ["pull", "load", "import", "create", "restore", "checkpoint"];

/// Routes a call by its method and path.
pub(super) fn of<B>(request: &Request<B>) -> Route {
    let path = request.uri().path();
    if request.method() != Method::POST || request.uri().query().is_some() {
        return Route::Unknown;
    }
    if let Some((_, route)) = CALLS.iter().find(|(call, _)| *call == path) {
        return *route;
    }
    if KNOWN_METHODS.contains(&path) {
        return Route::Forward;
    }
    match (path.strip_prefix(IMAGE_SERVICE), path.strip_prefix(RUNTIME_SERVICE)) {
        (Some(method), _) if is_identifier(method) => Route::UnknownMethod,
        (_, Some(method)) if is_identifier(method) => {
            let name = method.to_ascii_lowercase();
            let uses_images = IMAGE_VERBS.iter().any(|verb| name.contains(verb));
            if uses_images { Route::UnknownMethod } else { Route::Forward }
        }
        _ => Route::Unknown,
    }
}

/// Whether a call is one of those that go to kubelet's image endpoint.
pub(super) fn is_image_call<B>(request: &Request<B>) -> bool {
    request.uri().path().starts_with(IMAGE_SERVICE)
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
            ("/runtime.v1.ImageService/StreamImages", Route::Forward),
            ("/runtime.v1.ImageService/NewerThanUs", Route::UnknownMethod),
            ("/runtime.v1.ImageService/pullImage", Route::UnknownMethod),
            ("/runtime.v1.RuntimeService/NewerThanUs", Route::Forward),
            ("/runtime.v1.RuntimeService/CheckpointContainer", Route::Forward),
            ("/runtime.v1.RuntimeService/PullAndRun", Route::UnknownMethod),
            ("/runtime.v1.RuntimeService/StartPreloaded", Route::UnknownMethod),
            ("/runtime.v1.RuntimeService/ImportImage", Route::UnknownMethod),
            ("/runtime.v1.RuntimeService/createContainer", Route::UnknownMethod),
            ("/runtime.v1.RuntimeService/RestoreContainer", Route::UnknownMethod),
            ("/runtime.v1.RuntimeService/RunCheckpoint", Route::UnknownMethod),
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
    fn the_table_has_only_methods_that_are_known_or_newer() {
        assert!(KNOWN_METHODS.len() > 30, "{KNOWN_METHODS:?}");
        for path in KNOWN_METHODS {
            let request = Request::post(format!("http://localhost{path}")).body(()).unwrap();
            let expected =
                CALLS.iter().find(|(call, _)| call == path).map_or(Route::Forward, |(_, route)| *route);
            assert_eq!(of(&request), expected, "{path}");
        }
        let newer: Vec<_> =
            CALLS.iter().map(|(call, _)| *call).filter(|call| !KNOWN_METHODS.contains(call)).collect();
        let of_1_37 = ["/runtime.v1.RuntimeService/CheckpointPod", "/runtime.v1.RuntimeService/RestorePod"];
        assert_eq!(newer, of_1_37);
    }

    #[test]
    fn only_post_is_a_call() {
        let request = Request::get("http://localhost/runtime.v1.ImageService/ImageStatus").body(()).unwrap();
        assert_eq!(of(&request), Route::Unknown);
    }
}
