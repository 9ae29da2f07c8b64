//! A CreateContainer request: the images in it, and the pod it is for.
//!
//! Field numbers: `runtime.v1` `CreateContainerRequest`, `ContainerConfig`, `Mount`.

use crate::api::Image;
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
pub(in crate::cri) struct CreateRequest<'a> {
    message: &'a [u8],
    config: Field<'a>,
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

    /// The id of `image`, unless the request has it already.
    pub(super) fn changed_id(&self, image: &Image) -> Option<String> {
        (self.image != image.id).then(|| image.id.clone())
    }
}

impl<'a> CreateRequest<'a> {
    /// Reads `message`. Everything that two parsers could read in two ways is an error.
    ///
    /// # Errors
    /// When it is not a well-formed request, names no image, or repeats a field that is read here.
    pub(in crate::cri) fn parse(message: &'a [u8]) -> Result<Self, RequestError> {
        let [config, sandbox] = wire::singles(message, [CONFIG, SANDBOX])?;
        let config = config.ok_or(RequestError::NoImage)?;
        let content = config.bytes()?;
        let [spec] = wire::singles(content, [CONFIG_IMAGE])?;
        let spec = spec.ok_or(RequestError::NoImage)?;
        let image = used(&spec)?.ok_or(RequestError::NoImage)?;
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
        Ok(Self { message, config, image, volumes, pod })
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

    /// The same request with other names or ids of its images. Every other byte but the lengths around them is kept.
    ///
    /// # Errors
    /// Never for a request that was parsed.
    pub(super) fn with(&self, changes: &Changes) -> Result<Vec<u8>, RequestError> {
        let content = self.config.bytes()?;
        let mut config = Vec::with_capacity(content.len() + 512);
        let mut volumes = changes.volumes.iter();
        for field in wire::fields(content) {
            let field = field?;
            let changed = match field.number {
                CONFIG_IMAGE => Some(changed_spec(field.bytes()?, &changes.image, &changes.user_specified)?),
                CONFIG_MOUNTS => changed_mount(field.bytes()?, &mut volumes)?,
                _ => None,
            };
            match changed {
                Some(changed) => config.extend(wire::splice(&[], &(0..0), field.number, &changed)?),
                None => config.extend_from_slice(content.get(field.range).ok_or(WireError::Truncated)?),
            }
        }
        Ok(wire::splice(self.message, &self.config.range, CONFIG, &config)?)
    }
}

/// What is changed in a request. Volumes are in the order of [`CreateRequest::volumes`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) image: Option<String>,
    /// Only replaces a name that is there.
    pub(super) user_specified: Option<String>,
    pub(super) volumes: Vec<Option<String>>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.image.is_none() && self.user_specified.is_none() && self.volumes.iter().all(Option::is_none)
    }
}

fn changed_mount<'c>(
    mount: &[u8],
    volumes: &mut impl Iterator<Item = &'c Option<String>>,
) -> Result<Option<Vec<u8>>, WireError> {
    let [spec] = wire::singles(mount, [MOUNT_IMAGE])?;
    let Some(spec) = spec else { return Ok(None) };
    if used(&spec)?.is_none() {
        return Ok(None);
    }
    let Some(image) = volumes.next().filter(|image| image.is_some()) else { return Ok(None) };
    let changed = changed_spec(spec.bytes()?, image, &None)?;
    wire::splice(mount, &spec.range, MOUNT_IMAGE, &changed).map(Some)
}

fn changed_spec(
    spec: &[u8],
    image: &Option<String>,
    user_specified: &Option<String>,
) -> Result<Vec<u8>, WireError> {
    let mut spec = spec.to_vec();
    for (number, text) in [(SPEC_IMAGE, image), (SPEC_USER_SPECIFIED, user_specified)] {
        let Some(text) = text else { continue };
        let [field] = wire::singles(&spec, [number])?;
        if let Some(range) =
            field.filter(|field| field.text().is_ok_and(|old| !old.is_empty())).map(|field| field.range)
        {
            spec = wire::splice(&spec, &range, number, text.as_bytes())?;
        }
    }
    Ok(spec)
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
    fn changes_only_the_images_that_are_named() {
        let some = |text: &str| Some(text.to_owned());
        let mut nameless = request();
        nameless.config.as_mut().unwrap().image = Some(spec("sha256:a", ""));
        for (label, message, changes, image, volume) in [
            ("nothing", request(), Changes::default(), spec("sha256:a", "app:1"), spec("sha256:b", "data:1")),
            (
                "the user's name",
                request(),
                Changes { user_specified: some("app@sha256:c"), ..Changes::default() },
                spec("sha256:a", "app@sha256:c"),
                spec("sha256:b", "data:1"),
            ),
            (
                "a user's name that is missing",
                nameless,
                Changes { user_specified: some("app@sha256:c"), ..Changes::default() },
                spec("sha256:a", ""),
                spec("sha256:b", "data:1"),
            ),
            (
                "all",
                request(),
                Changes {
                    image: some("sha256:longer"),
                    user_specified: some("x"),
                    volumes: vec![some("sha256:d")],
                },
                spec("sha256:longer", "x"),
                spec("sha256:d", "data:1"),
            ),
        ] {
            let mut expected = message.clone();
            let config = expected.config.as_mut().unwrap();
            config.image = Some(image);
            config
                .mounts
                .iter_mut()
                .filter_map(|mount| mount.image.as_mut())
                .for_each(|it| *it = volume.clone());
            // A field that our definitions do not have must stay, at its place.
            let unknown = field(4000, b"newer");
            let message = [unknown.clone(), message.encode_to_vec()].concat();
            let changed = CreateRequest::parse(&message).unwrap().with(&changes).unwrap();
            assert!(changed.starts_with(&unknown), "{label}");
            assert_eq!(api::CreateContainerRequest::decode(&changed[..]).unwrap(), expected, "{label}");
        }
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
