//! `[[registry.credential-provider]]` and `[[registry.credential-helper]]`: programs that print credentials.

use std::path::PathBuf;
use std::time::Duration;

use super::super::document::{Document, Value};
use super::host::HOST;
use crate::registry::{CredentialProgram, CredentialProtocol, Environment, ImageGlob};
use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::kind::{Choice, Form, OptionKind, PATH, Tables, time};
use pullgate_config::options::{Options as _, Pass};

/// Most images, arguments and variables of a program.
const LIST: usize = 64;

const GLOB: Form<String> = Form {
    kind: OptionKind::Text,
    bounds: "an image as in kubelet's `matchImages`, without a tag",
    read: read_glob,
};
const ARGUMENT: Form<String> = Form { kind: OptionKind::Text, bounds: "an argument", read: read_argument };
const VARIABLE: Form<String> = Form { kind: OptionKind::Text, bounds: "NAME=VALUE", read: read_variable };

pullgate_config::options! {
    /// `[[registry.credential-provider]]`
    #[derive(Debug)]
    struct ProviderOptions {
        /// The program. It and its directories must belong to root and must not be writable by others.
        command: Option<PathBuf> = "command", PATH.required("\"/usr/libexec/kubernetes/kubelet-plugins/credential-provider/exec/ecr-credential-provider\"");
        /// The images for which pullgate runs the program. Each entry is a host, whose labels may contain `*`, with the port
        /// if the image name has a port, and optionally the beginning of the path.
        images: Vec<String> = "match-images", GLOB.list(LIST, &[]).required("[\"*.dkr.ecr.*.amazonaws.com\"]");
        /// How long to cache credentials if the program does not return a duration. Credentials are cached for at most one
        /// day.
        cache: Duration = "default-cache-duration", time(5 * MINUTE, 0, 24 * 60 * MINUTE);
        /// The arguments of the program.
        arguments: Vec<String> = "args", ARGUMENT.list(LIST, &[]);
        /// The environment variables of the program. It gets only these variables and `PATH`, so add those that it needs to
        /// reach the cloud, such as `HTTPS_PROXY`.
        environment: Vec<String> = "environment", VARIABLE.list(LIST, &[]);
        /// The version of credentialprovider.kubelet.k8s.io that the program understands.
        version: &'static str = "api-version", Choice(&[("v1", "v1"), ("v1beta1", "v1beta1"), ("v1alpha1", "v1alpha1")], "v1");
        /// Maximum time that the program may run. After this time, pullgate kills the program and the processes that it
        /// started.
        timeout: Duration = "timeout", time(10 * SECOND, 100, MINUTE);
    }
}

pullgate_config::options! {
    /// `[[registry.credential-helper]]`
    #[derive(Debug)]
    struct HelperOptions {
        /// The program. It and its directories must belong to root and must not be writable by others.
        command: Option<PathBuf> = "command", PATH.required("\"/usr/local/bin/docker-credential-acr-env\"");
        /// The registries for which pullgate runs the program, written as in image names.
        hosts: Vec<String> = "hosts", HOST.list(LIST, &[]).required("[\"registry.example.com\"]");
        /// How long to cache credentials.
        cache: Duration = "cache-duration", time(5 * MINUTE, 0, 24 * 60 * MINUTE);
        /// The environment variables of the program. It gets only these variables and `PATH`.
        environment: Vec<String> = "environment", VARIABLE.list(LIST, &[]);
        /// Maximum time that the program may run. After this time, pullgate kills the program and the processes that it
        /// started.
        timeout: Duration = "timeout", time(10 * SECOND, 100, MINUTE);
    }
}

/// The programs of the operator.
pub(super) fn programs(pass: &mut Pass<'_, '_, '_>) -> Vec<CredentialProgram> {
    let mut programs = pass.option(
        "credential-provider",
        &[
            "Credential providers of kubelet (exec plug-ins), for images for which there are no other credentials.",
            "The options are those of kubelet's CredentialProviderConfig.",
            "If a program fails, the registry is asked without credentials.",
        ],
        &Tables("[[registry.credential-provider]]", 16, provider),
    );
    let helpers = pass.option(
        "credential-helper",
        &["Credential helpers of docker. pullgate uses them like credential providers, and after these."],
        &Tables("[[registry.credential-helper]]", 16, helper),
    );
    programs.extend(helpers);
    programs
}

fn provider(pass: &mut Pass<'_, '_, '_>) -> Option<CredentialProgram> {
    let whole = ["command", "match-images"].iter().all(|key| pass.has(key));
    let given = ProviderOptions::pass(pass);
    if !whole {
        let hint = "set `command` and `match-images`";
        pass.problem("", "[[registry.credential-provider]] is incomplete", hint);
    }
    Some(CredentialProgram {
        command: given.command?,
        arguments: given.arguments,
        environment: environment(&given.environment),
        timeout: given.timeout,
        protocol: CredentialProtocol::Kubelet(given.version),
        images: globs(&given.images),
        cache_duration: given.cache,
    })
}

fn helper(pass: &mut Pass<'_, '_, '_>) -> Option<CredentialProgram> {
    let whole = ["command", "hosts"].iter().all(|key| pass.has(key));
    let given = HelperOptions::pass(pass);
    if !whole {
        pass.problem("", "[[registry.credential-helper]] is incomplete", "set `command` and `hosts`");
    }
    Some(CredentialProgram {
        command: given.command?,
        arguments: vec!["get".to_owned()],
        environment: environment(&given.environment),
        timeout: given.timeout,
        protocol: CredentialProtocol::Docker,
        images: globs(&given.hosts),
        cache_duration: given.cache,
    })
}

fn globs(images: &[String]) -> Vec<ImageGlob> {
    images.iter().filter_map(|image| ImageGlob::parse(image)).collect()
}

fn environment(variables: &[String]) -> Environment {
    let pairs = variables.iter().filter_map(|variable| variable.split_once('='));
    Environment(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn read_glob(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write it as in kubelet's `matchImages`: `*.dkr.ecr.*.amazonaws.com`, `registry.example.com:5000/team`";
    document.parsed(key, value, ["matches no image", hint], |text| {
        ImageGlob::parse(text).map(|_| text.to_owned())
    })
}

fn read_argument(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    document.parsed(key, value, ["cannot be an argument", "write at most 4096 bytes, without NUL"], |text| {
        (text.len() <= 4096 && !text.contains('\0')).then(|| text.to_owned())
    })
}

fn read_variable(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let (text, span) = document.string(value, &format!("`{key}`"))?;
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let valid = text.len() <= 4096
        && !text.contains('\0')
        && text.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(in_name));
    if !valid {
        // The value may be a secret, so the message does not repeat it.
        let hint = "write NAME=VALUE, as in `AWS_REGION=eu-west-1`, at most 4096 bytes";
        document.problem(span, format!("an entry of `{key}` is not a variable"), hint);
    }
    valid.then_some(text)
}
