//! Answers of registries, and the files that say how to ask them.

use pullgate_registry::fuzzing;

use super::text;
use crate::Target;
use crate::seeds::{ending, files, texts};

pub(super) const MANIFEST: Target = Target {
    name: "manifest or index",
    seeds: || {
        let mut seeds =
            files(&["tests/fixtures/notation/cli/p256.jws.manifest.json", "fuzz/seeds/index.json"]);
        seeds.extend(ending("tests/fixtures/cosign/bundle-p256", "manifest.json"));
        seeds
    },
    parse: fuzzing::manifest,
};

pub(super) const CHALLENGE: Target = Target {
    name: "WWW-Authenticate",
    seeds: || {
        texts(&[
            r#"Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull""#,
            r#"Basic realm="a \"quoted\" realm""#,
            r#"Basic realm=registry"#,
        ])
    },
    parse: fuzzing::challenge,
};

pub(super) const TAG_LIST: Target = Target {
    name: "list of tags",
    seeds: || texts(&[r#"{"name":"team/app","tags":["1","2","latest"]}"#, r#"{"name":"a","tags":null}"#]),
    parse: fuzzing::tag_list,
};

pub(super) const DOCKER_CONFIG: Target = Target {
    name: "docker's config.json",
    seeds: || {
        texts(&[
            r#"{"auths":{"registry.example.com/team":{"auth":"dXNlcjpwYXNzd29yZA=="},"https://index.docker.io/v1/":{"username":"a","password":"b"}}}"#,
            r#"{"auths":{"*.example.com":{"identitytoken":"t"}}}"#,
        ])
    },
    parse: |input| fuzzing::docker_config(&text(input)),
};

pub(super) const CREDENTIAL_PROVIDER: Target = Target {
    name: "answer of a credential provider",
    seeds: || {
        texts(&[
            r#"{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry","cacheDuration":"6h0m0s","auth":{"*.dkr.ecr.*.amazonaws.com":{"username":"AWS","password":"p"},"https://index.docker.io/v1/":{"username":"a","password":"b"}}}"#,
            r#"{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Image","auth":null}"#,
        ])
    },
    parse: fuzzing::credential_provider,
};

pub(super) const CREDENTIAL_HELPER: Target = Target {
    name: "answer of a credential helper",
    seeds: || texts(&[r#"{"ServerURL":"registry.example.com","Username":"<token>","Secret":"t"}"#]),
    parse: fuzzing::credential_helper,
};

pub(super) const HOSTS_TOML: Target = Target {
    name: "hosts.toml",
    seeds: || {
        texts(&[
            "server = \"https://registry.example.com\"\n[host.\"https://mirror.example.com:5000/v2\"]\ncapabilities = [\"pull\", \"resolve\"]\nskip_verify = true\n[host.\"https://mirror.example.com:5000/v2\".header]\nx-a = [\"b\"]\n",
            "[host.\"http://127.0.0.1:5000\"]\noverride_path = true\n",
        ])
    },
    parse: |input| fuzzing::hosts_toml(&text(input)),
};
