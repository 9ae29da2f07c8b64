//! Calls of kubelet, and answers of the runtime: messages in protocol buffers.

use pullgate::cri::fuzzing;

use super::text;
use crate::Target;
use crate::seeds::texts;

/// A field with a length: these numbers and lengths are below 128.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or_default();
    [&[number << 3 | 2, length], content].concat()
}

/// The name of an image, and an annotation.
fn spec() -> Vec<u8> {
    let annotation = [field(1, b"key"), field(2, b"value")].concat();
    [field(1, b"registry.example.com/team/app:1"), field(2, &annotation)].concat()
}

fn pod() -> Vec<u8> {
    field(1, &[field(1, b"app"), field(2, b"uid"), field(3, b"default")].concat())
}

pub(super) const PULL_IMAGE: Target = Target {
    name: "PullImage request",
    seeds: || {
        let credentials = [field(1, b"user"), field(2, b"password")].concat();
        vec![
            [field(1, &spec()), field(2, &credentials), field(3, &pod())].concat(),
            field(1, &field(1, b"nginx")),
        ]
    },
    parse: fuzzing::pull_image,
};

pub(super) const IMAGE_STATUS: Target =
    Target { name: "ImageStatus request", seeds: || vec![field(1, &spec())], parse: fuzzing::image_status };

pub(super) const IMAGE_STATUS_ANSWER: Target = Target {
    name: "ImageStatus answer",
    seeds: || {
        let image = [
            field(1, b"sha256:0"),
            field(2, b"docker.io/library/nginx:1"),
            field(3, b"docker.io/library/nginx@sha256:0"),
        ];
        vec![field(1, &image.concat())]
    },
    parse: fuzzing::image_status_answer,
};

pub(super) const CREATE_CONTAINER: Target = Target {
    name: "CreateContainer request",
    seeds: || {
        let image = field(2, &spec());
        vec![[field(1, b"sandbox"), field(2, &image), field(3, &pod())].concat()]
    },
    parse: fuzzing::create_container,
};

pub(super) const DEADLINE: Target = Target {
    name: "grpc-timeout",
    seeds: || texts(&["30S", "99999999H", "1n"]),
    parse: |input| fuzzing::deadline(&text(input)),
};
