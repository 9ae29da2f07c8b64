//! A PullImage request: what is read from it, and how its image name is replaced.
//!
//! Field numbers: `runtime.v1` `PullImageRequest`, `AuthConfig`.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::cri::message::{RequestError, SPEC_IMAGE, pod};
use crate::cri::wire::{self, Field, WireError, once};
use crate::gate::Pod;
use crate::registry::{AuthConfig, Credentials};

const IMAGE: u64 = 1;
const AUTH: u64 = 2;
const SANDBOX: u64 = 3;

/// A request with exactly one image name.
pub(in crate::cri) struct PullRequest {
    message: Bytes,
    spec: Range<usize>,
    spec_content: Range<usize>,
    name: Range<usize>,
    image: String,
    credentials: Credentials,
    pod: Option<Pod>,
}

impl PullRequest {
    /// Reads `message`. Everything that two parsers could read in two ways is an error.
    ///
    /// # Errors
    /// When it is not a well-formed request, or repeats a field that is read here.
    pub(in crate::cri) fn parse(message: Bytes) -> Result<Self, RequestError> {
        let [spec, auth, sandbox] = wire::singles(&message, [IMAGE, AUTH, SANDBOX])?;
        let spec = spec.ok_or(RequestError::NoImage)?;
        let content = spec.bytes()?;
        let [name] = wire::singles(content, [SPEC_IMAGE])?;
        let name = name.ok_or(RequestError::NoImage)?;
        let image = name.text()?.to_owned();
        if image.is_empty() {
            return Err(RequestError::NoImage);
        }
        let credentials = auth.as_ref().map(credentials).transpose()?.unwrap_or_default();
        let pod = sandbox.as_ref().map(pod).transpose()?.flatten();
        let (spec, name) = (spec.range.clone(), name.range.clone());
        // A length-delimited field ends with its content.
        let spec_content = spec.end.saturating_sub(content.len())..spec.end;
        Ok(Self { spec, spec_content, name, image, credentials, pod, message })
    }

    /// The image name as the pod's author wrote it (kubelet adds `:latest` to a bare name).
    pub(super) fn image(&self) -> &str {
        &self.image
    }

    /// Takes the credentials in this very request out of it.
    pub(super) fn take_credentials(&mut self) -> Credentials {
        std::mem::take(&mut self.credentials)
    }

    /// The pod that the image is pulled for; absent from requests of `crictl pull` and kubeadm.
    pub(super) fn pod(&self) -> Option<&Pod> {
        self.pod.as_ref()
    }

    /// The parts of the same request for the image `name`: every byte but those of the name and the two lengths around it
    /// is kept, and none of them is copied: a request may have 16 MiB.
    ///
    /// # Errors
    /// Never for a request that was parsed.
    pub(in crate::cri) fn with_image(self, name: &str) -> Result<Vec<Bytes>, RequestError> {
        let Self { message, spec, spec_content, name: old, .. } = self;
        let part = |of: &Bytes, range: Range<usize>| {
            let is_within = range.start <= range.end && range.end <= of.len();
            if is_within { Ok(of.slice(range)) } else { Err(WireError::Truncated) }
        };
        let content = part(&message, spec_content)?;
        let (before, after) = (part(&content, 0..old.start)?, part(&content, old.end..content.len())?);
        let name = wire::splice(&[], &(0..0), SPEC_IMAGE, name.as_bytes())?;
        let header = wire::header(IMAGE, before.len() + name.len() + after.len());
        Ok(vec![
            part(&message, 0..spec.start)?,
            header.into(),
            before,
            name.into(),
            after,
            part(&message, spec.end..message.len())?,
        ])
    }
}

impl fmt::Debug for PullRequest {
    /// Without the message itself: the pod's credentials are in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullRequest")
            .field("image", &self.image)
            .field("pod", &self.pod)
            .finish_non_exhaustive()
    }
}

fn credentials(field: &Field<'_>) -> Result<Credentials, RequestError> {
    let mut found: [Option<String>; 6] = Default::default();
    for field in wire::fields(field.bytes()?) {
        let field = field?;
        let slot = field.number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        if let Some(slot) = slot.and_then(|index| found.get_mut(index)) {
            once(slot, field.text()?.to_owned(), field.number)?;
        }
    }
    let [username, password, auth, server_address, identity_token, registry_token] =
        found.map(Option::unwrap_or_default);
    Ok(Credentials::from_auth_config(AuthConfig {
        username,
        password,
        auth,
        server_address,
        identity_token,
        registry_token,
    }))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::api as cri;

    fn request(image: &str) -> cri::PullImageRequest {
        cri::PullImageRequest {
            image: Some(cri::ImageSpec {
                image: image.to_owned(),
                annotations: [("a".to_owned(), "b".to_owned())].into(),
                user_specified_image: "as-written".to_owned(),
                runtime_handler: "kata".to_owned(),
                image_ref: "sha256:a".to_owned(),
            }),
            auth: Some(cri::AuthConfig {
                username: "user".to_owned(),
                password: "secret".to_owned(),
                ..Default::default()
            }),
            sandbox_config: Some(cri::PodSandboxConfig {
                metadata: Some(cri::PodSandboxMetadata {
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
    fn reads_name_credentials_and_pod() {
        let parsed = PullRequest::parse(request("nginx:1").encode_to_vec().into()).unwrap();
        assert_eq!(parsed.image(), "nginx:1");
        assert!(!format!("{parsed:?}").contains("secret"), "credentials are not shown");
        assert_eq!(parsed.pod(), Some(&Pod { name: "web-0".to_owned(), namespace: "shop".to_owned() }));
    }

    #[test]
    fn a_request_without_a_pod_has_none() {
        let parsed = PullRequest::parse(field(1, &field(1, b"nginx")).into()).unwrap();
        assert_eq!(parsed.pod(), None);
    }

    #[test]
    fn replaces_the_name_and_keeps_unknown_fields_where_they_stand() {
        let spec =
            [field(20, b"future"), field(1, b"nginx:1"), field(18, b"written"), field(99, b"later")].concat();
        let message = [field(77, b"first"), field(1, &spec), field(78, b"last")].concat();
        let expected_spec =
            [field(20, b"future"), field(1, b"pinned"), field(18, b"written"), field(99, b"later")].concat();
        let expected = [field(77, b"first"), field(1, &expected_spec), field(78, b"last")].concat();
        let parsed = PullRequest::parse(message.into()).unwrap();
        assert_eq!(parsed.with_image("pinned").unwrap().concat(), expected);
    }

    #[test]
    fn a_replaced_name_is_what_generated_code_reads() {
        let long = format!("registry.example.com/{}@sha256:{}", "a".repeat(200), "0".repeat(64));
        let parsed = PullRequest::parse(request("nginx:1").encode_to_vec().into()).unwrap();
        let mut expected = request("nginx:1");
        expected.image.as_mut().unwrap().image.clone_from(&long);
        let decoded = cri::PullImageRequest::decode(&parsed.with_image(&long).unwrap().concat()[..]).unwrap();
        assert_eq!(decoded, expected);
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        let image = field(1, &field(1, b"nginx"));
        let twice = |number| Err(RequestError::Wire(WireError::Duplicate(number)));
        for (message, expected) in [
            (vec![], Err(RequestError::NoImage)),
            (field(1, b""), Err(RequestError::NoImage)),
            (field(1, &field(1, b"")), Err(RequestError::NoImage)),
            ([image.clone(), image.clone()].concat(), twice(1)),
            (field(1, &[field(1, b"good"), field(1, b"evil")].concat()), twice(1)),
            ([image.clone(), field(2, b""), field(2, b"")].concat(), twice(2)),
            ([image.clone(), field(3, b""), field(3, b"")].concat(), twice(3)),
            ([image.clone(), field(2, &[field(1, b"u"), field(1, b"v")].concat())].concat(), twice(1)),
            ([image.clone(), field(3, &[field(1, b""), field(1, b"")].concat())].concat(), twice(1)),
            (
                [image.clone(), field(3, &field(1, &[field(3, b"a"), field(3, b"b")].concat()))].concat(),
                twice(3),
            ),
            (
                [image.clone(), field(3, &field(1, &field(3, &[b'n'; 254])))].concat(),
                Err(RequestError::PodName),
            ),
            (b"\x08\x01".to_vec(), Err(RequestError::Wire(WireError::WireType(1)))),
            (field(1, b"\x08\x01"), Err(RequestError::Wire(WireError::WireType(1)))),
            (field(1, &field(1, b"\xff")), Err(RequestError::Wire(WireError::NotText(1)))),
            (b"\x0b\x0c".to_vec(), Err(RequestError::Wire(WireError::WireType(1)))),
            ([image.clone(), b"\x12".to_vec()].concat(), Err(RequestError::Wire(WireError::Truncated))),
        ] {
            assert_eq!(PullRequest::parse(message.clone().into()).map(|_| ()), expected, "{message:?}");
        }
    }
}
