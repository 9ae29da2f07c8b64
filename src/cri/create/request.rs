//! A CreateContainer request: the images in it, and the pod it is for.
//!
//! Field numbers: `runtime.v1` `CreateContainerRequest`, `ContainerConfig`, `Mount`.

use crate::cri::message::{RequestError, SPEC_IMAGE, SPEC_USER_SPECIFIED, pod, text};
use crate::cri::wire::{self, Field, WireError};
use crate::gate::Pod;

const CONFIG: u64 = 2;
const SANDBOX: u64 = 3;
const CONFIG_IMAGE: u64 = 2;
const CONFIG_MOUNTS: u64 = 7;
const MOUNT_IMAGE: u64 = 9;

/// How many image volumes one container may mount.
const MAX_VOLUMES: usize = 256;

/// A request that can be read in one way only.
#[derive(Debug)]
pub(super) struct CreateRequest<'a> {
    message: &'a [u8],
    config: Field<'a>,
    spec: Field<'a>,
    user_specified: Option<Field<'a>>,
    image: UsedImage<'a>,
    volumes: Vec<UsedImage<'a>>,
    pod: Option<Pod>,
}

/// An image that a container uses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsedImage<'a> {
    /// The name or id that the runtime uses; kubelet writes an id.
    pub(super) image: &'a str,
    user_specified: &'a str,
}

impl UsedImage<'_> {
    /// The name in the pod; the id where the request has no name.
    pub(super) fn name(&self) -> &str {
        if self.user_specified.is_empty() { self.image } else { self.user_specified }
    }
}

impl<'a> CreateRequest<'a> {
    /// Reads `message`. Everything that two parsers could read in two ways is an error.
    ///
    /// # Errors
    /// When it is not a well-formed request, names no image, or repeats a field that is read here.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, RequestError> {
        let [config, sandbox] = wire::singles(message, [CONFIG, SANDBOX])?;
        let config = config.ok_or(RequestError::NoImage)?;
        let content = config.bytes()?;
        let [spec] = wire::singles(content, [CONFIG_IMAGE])?;
        let spec = spec.ok_or(RequestError::NoImage)?;
        let image = used(&spec)?.ok_or(RequestError::NoImage)?;
        let [user_specified] = wire::singles(spec.bytes()?, [SPEC_USER_SPECIFIED])?;
        let mut volumes = Vec::new();
        for field in wire::fields(content) {
            let field = field?;
            if field.number != CONFIG_MOUNTS {
                continue;
            }
            let [mounted] = wire::singles(field.bytes()?, [MOUNT_IMAGE])?;
            // A mount of a directory has no image, or an empty one.
            volumes.extend(mounted.as_ref().map(used).transpose()?.flatten());
            if volumes.len() > MAX_VOLUMES {
                return Err(RequestError::TooManyImages);
            }
        }
        let pod = sandbox.as_ref().map(pod).transpose()?.flatten();
        Ok(Self { message, config, spec, user_specified, image, volumes, pod })
    }

    /// The container's own image.
    pub(super) fn image(&self) -> &UsedImage<'a> {
        &self.image
    }

    /// The images that it mounts.
    pub(super) fn volumes(&self) -> &[UsedImage<'a>] {
        &self.volumes
    }

    /// The pod, as kubelet reports it.
    pub(super) fn pod(&self) -> Option<&Pod> {
        self.pod.as_ref()
    }

    /// The same request with `name` as its `user_specified_image`, if it has one.
    ///
    /// # Errors
    /// Never for a request that was parsed.
    pub(super) fn with_user_specified(&self, name: &str) -> Result<Vec<u8>, RequestError> {
        let Some(user_specified) =
            self.user_specified.as_ref().filter(|_| !self.image.user_specified.is_empty())
        else {
            return Ok(self.message.to_vec());
        };
        let spec =
            wire::splice(self.spec.bytes()?, &user_specified.range, SPEC_USER_SPECIFIED, name.as_bytes())?;
        let config = wire::splice(self.config.bytes()?, &self.spec.range, CONFIG_IMAGE, &spec)?;
        Ok(wire::splice(self.message, &self.config.range, CONFIG, &config)?)
    }
}

fn used<'a>(spec: &Field<'a>) -> Result<Option<UsedImage<'a>>, WireError> {
    let [image, user_specified] = wire::singles(spec.bytes()?, [SPEC_IMAGE, SPEC_USER_SPECIFIED])?;
    let used = UsedImage { image: text(image.as_ref())?, user_specified: text(user_specified.as_ref())? };
    Ok((!used.image.is_empty()).then_some(used))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::api;

    fn spec(image: &str, user_specified: &str) -> api::ImageSpec {
        api::ImageSpec {
            image: image.to_owned(),
            user_specified_image: user_specified.to_owned(),
            ..Default::default()
        }
    }

    fn request() -> api::CreateContainerRequest {
        let volume = api::Mount { image: Some(spec("sha256:b", "data:1")), ..Default::default() };
        let directory = api::Mount { host_path: "/etc".to_owned(), ..Default::default() };
        api::CreateContainerRequest {
            pod_sandbox_id: "sandbox".to_owned(),
            config: Some(api::ContainerConfig {
                image: Some(spec("sha256:a", "app:1")),
                mounts: vec![directory, volume],
                log_path: "log".to_owned(),
                ..Default::default()
            }),
            sandbox_config: Some(api::PodSandboxConfig {
                metadata: Some(api::PodSandboxMetadata {
                    name: "web-0".to_owned(),
                    namespace: "shop".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        }
    }

    fn field(number: u64, content: &[u8]) -> Vec<u8> {
        wire::splice(&[], &(0..0), number, content).unwrap()
    }

    #[test]
    fn reads_images_volumes_and_pod() {
        let message = request().encode_to_vec();
        let read = CreateRequest::parse(&message).unwrap();
        assert_eq!((read.image().image, read.image().name()), ("sha256:a", "app:1"));
        assert_eq!(read.volumes(), [UsedImage { image: "sha256:b", user_specified: "data:1" }]);
        assert_eq!(read.pod(), Some(&Pod { name: "web-0".to_owned(), namespace: "shop".to_owned() }));
    }

    #[test]
    fn pins_the_name_that_the_user_wrote_and_nothing_else() {
        let message = request().encode_to_vec();
        let pinned = CreateRequest::parse(&message).unwrap().with_user_specified("app@sha256:c").unwrap();
        let mut expected = request();
        expected.config.as_mut().unwrap().image = Some(spec("sha256:a", "app@sha256:c"));
        assert_eq!(api::CreateContainerRequest::decode(&pinned[..]).unwrap(), expected);
        let mut nameless = request();
        nameless.config.as_mut().unwrap().image = Some(spec("sha256:a", ""));
        let message = nameless.encode_to_vec();
        let same = CreateRequest::parse(&message).unwrap().with_user_specified("app@sha256:c").unwrap();
        assert_eq!(same, message);
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        let image = field(2, &field(1, b"sha256:a"));
        let twice = |number| Err(RequestError::Wire(WireError::Duplicate(number)));
        let mount = |content: &[u8]| [image.clone(), field(7, content)].concat();
        for (message, expected) in [
            (field(2, &image), Ok(0)),
            (field(2, &mount(&field(9, &field(1, b"sha256:b")))), Ok(1)),
            (field(2, &mount(&field(9, b""))), Ok(0)),
            (vec![], Err(RequestError::NoImage)),
            (field(2, b""), Err(RequestError::NoImage)),
            (field(2, &field(2, b"")), Err(RequestError::NoImage)),
            ([field(2, &image), field(2, &image)].concat(), twice(2)),
            (field(2, &[image.clone(), image.clone()].concat()), twice(2)),
            (field(2, &field(2, &[field(1, b"a"), field(1, b"b")].concat())), twice(1)),
            (field(2, &field(2, &[field(1, b"a"), field(18, b"a"), field(18, b"b")].concat())), twice(18)),
            (field(2, &mount(&[field(9, b""), field(9, &field(1, b"b"))].concat())), twice(9)),
            (field(2, &mount(&field(9, &[field(1, b"a"), field(1, b"b")].concat()))), twice(1)),
            ([field(2, &image), field(3, b""), field(3, b"")].concat(), twice(3)),
            (field(2, &[image.clone(), field(7, b"\x48\x01")].concat()), Err(WireError::WireType(9).into())),
        ] {
            let read = CreateRequest::parse(&message).map(|read| read.volumes().len());
            assert_eq!(read, expected, "{message:?}");
        }
        let many = field(7, &field(9, &field(1, b"sha256:b"))).repeat(MAX_VOLUMES + 1);
        let message = field(2, &[image, many].concat());
        assert_eq!(CreateRequest::parse(&message).map(drop), Err(RequestError::TooManyImages));
    }
}
