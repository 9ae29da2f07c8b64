//! `[[registry.credential]]`, `docker-config` and `[registry.acr]`: the operator's own credentials, by the names of files.

use std::path::PathBuf;

use super::super::document::{Document, Value};
use super::super::services::SECRET_FILE;
use super::host::HOST;
use super::programs::programs;
use crate::alibaba::Identity;
use crate::registry::{AcrSettings, HostCredential, Keyring};
use pullgate_config::kind::{Form, OptionKind, Tables};
use pullgate_config::options::{Options as _, Pass};

/// An identifier of another system: printable, short, and no part of a path or a header.
const NAME: Form<String> = Form { kind: OptionKind::Text, bounds: "a name", read: read_name };

pullgate_config::options! {
    /// `[[registry.credential]]`
    #[derive(Debug)]
    struct CredentialOptions {
        /// The host that the credential is for.
        host: Option<String> = "host", HOST.required("\"registry.example.com\"");
        /// The user name.
        username: Option<String> = "username", NAME.required("\"node\"");
        /// The file with the password.
        password_file: Option<PathBuf> = "password-file", SECRET_FILE.required("\"/etc/pullgate/registry.password\"");
    }
}

pullgate_config::options! {
    /// `[registry.acr]`
    #[derive(Debug)]
    struct AcrOptions {
        /// The instance of the registry.
        instance: Option<String> = "instance", NAME.required("\"cri-xxxxxxxxxxxxxxxx\"");
        /// The region of the instance.
        region: Option<String> = "region", NAME.required("\"cn-hangzhou\"");
        /// The hosts of the registry instance, written as in image names. The passwords are sent to no other host.
        hosts: Vec<String> = "hosts", HOST.list(16, &[]).required("[\"example-registry.cn-hangzhou.cr.aliyuncs.com\"]");
        /// The RAM role of this ECS instance. Set either this or an access key.
        ram_role: Option<String> = "ram-role", NAME.optional("none", "\"PullgateNode\"");
        /// The ID of an access key; needs `access-key-secret-file`.
        access_key_id: Option<String> = "access-key-id", NAME.optional("none", "\"LTAI5tExample\"");
        /// The file with the secret of the access key; needs `access-key-id`.
        access_key_secret_file: Option<PathBuf> = "access-key-secret-file", SECRET_FILE.optional("none", "\"/etc/pullgate/acr.secret\"");
        /// The host of the API.
        endpoint: Option<String> = "endpoint", HOST.optional("cr.REGION.aliyuncs.com", "\"cr-vpc.cn-hangzhou.aliyuncs.com\"");
    }
}

/// The credentials of the operator.
pub(super) fn keyring(pass: &mut Pass<'_, '_, '_>) -> Keyring {
    let docker_config = pass.option(
        "docker-config",
        &[
            "A docker config.json. pullgate uses its `auths`, but does not run the credential helpers that it names.",
            "pullgate looks for credentials in this order: `[[registry.credential]]` of the host, this file,",
            "`[[registry.acr]]`, `[[registry.credential-provider]]`, `[[registry.credential-helper]]`.",
        ],
        &SECRET_FILE.optional("none", "\"/etc/pullgate/docker.json\""),
    );
    let credentials: Vec<HostCredential> = pass.option(
        "credential",
        &[
            "Credentials by host, for looking up signatures when a pull carries no credentials; containerd does not use them.",
            "Files with secrets must belong to root and must not be readable by others.",
        ],
        &Tables("[[registry.credential]]", 256, credential),
    );
    let acr: Vec<AcrSettings> = pass.option(
        "acr",
        &[
            "Temporary passwords of Alibaba Cloud Container Registry, Enterprise Edition.",
            "Needs either `ram-role` (the role of this ECS instance) or `access-key-id` with `access-key-secret-file`.",
            "Repeat the table for each instance.",
        ],
        &Tables("[[registry.acr]]", 64, instance),
    );
    let programs = programs(pass);
    if let Some(host) = repeated(credentials.iter().map(|credential| &credential.host)) {
        pass.problem("credential", format!("`{host}` has two credentials"), "keep one of them");
    }
    if let Some(host) = repeated(acr.iter().flat_map(|instance| &instance.hosts)) {
        let message = format!("`{host}` is listed in more than one [[registry.acr]]");
        pass.problem("acr", message, "keep each host in one [[registry.acr]]");
    }
    Keyring { credentials, docker_config, acr, programs, is_world_readable: false }
}

fn repeated<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn credential(pass: &mut Pass<'_, '_, '_>) -> Option<HostCredential> {
    // An option that is written and not valid has a problem of its own already.
    let whole = ["host", "username", "password-file"].iter().all(|key| pass.has(key));
    let given = CredentialOptions::pass(pass);
    if !whole {
        let hint = "set `host`, `username` and `password-file`";
        pass.problem("", "[[registry.credential]] is incomplete", hint);
    }
    Some(HostCredential { host: given.host?, username: given.username?, password_file: given.password_file? })
}

fn instance(pass: &mut Pass<'_, '_, '_>) -> Option<AcrSettings> {
    let identity = ["ram-role", "access-key-id", "access-key-secret-file"].map(|key| pass.has(key));
    let whole = ["instance", "region", "hosts"].iter().all(|key| pass.has(key))
        && matches!(identity, [true, false, false] | [false, true, true]);
    let given = AcrOptions::pass(pass);
    if !whole {
        let hint = "set `instance`, `region`, `hosts`, and either `ram-role` or `access-key-id` with \
                    `access-key-secret-file`";
        pass.problem("", "[[registry.acr]] is incomplete", hint);
    }
    let identity = match (given.ram_role, given.access_key_id, given.access_key_secret_file) {
        (Some(role), None, None) => Identity::Role(role),
        (None, Some(id), Some(secret_file)) => Identity::Key { id, secret_file },
        _ => return None,
    };
    let region = given.region?;
    let endpoint = given.endpoint.unwrap_or_else(|| format!("cr.{region}.aliyuncs.com"));
    Some(AcrSettings {
        instance: given.instance?,
        hosts: given.hosts,
        identity,
        endpoint: format!("https://{endpoint}"),
        metadata: AcrSettings::METADATA.to_owned(),
    })
}

fn read_name(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write 1 to 256 printable characters without spaces, slashes and colons";
    document.parsed(key, value, ["is not a name", hint], |text| {
        // A user name is written before a colon.
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#%\"\\:".contains(&byte);
        (!text.is_empty() && text.len() <= 256 && text.bytes().all(plain)).then(|| text.to_owned())
    })
}
