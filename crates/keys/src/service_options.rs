//! Options of key services that `pullgate.toml` and `signer.toml` have in common: identities and addresses.

use std::path::PathBuf;
use std::time::Duration;

use crate::VaultAuth;
use pullgate_config::document::{Document, Table};
use pullgate_config::values::read_path;
use pullgate_net::alibaba::{Assume, Identity};
use pullgate_net::{secret, service};

/// Paths in a list.
const MAX_PATHS: usize = 64;
/// Bytes of a name or an id.
const MAX_TEXT: usize = 512;
/// Lifetime of the session of an assumed role.
const ASSUMED: Duration = Duration::from_secs(3600);
/// The default endpoint of STS.
const STS: &str = "https://sts.aliyuncs.com";

/// The identity at Alibaba Cloud. `session` is the name of an assumed role's sessions in ActionTrail.
pub fn identity(document: &mut Document<'_>, table: &mut Table<'_>, session: &str) -> Option<Identity> {
    let span = table.span.clone();
    let written = ["ram-role", "credentials-file", "profile", "access-key-id", "access-key-secret-file"]
        .map(|key| table.has(key));
    let role = text(document, table, "ram-role");
    let file = secret_file(document, table, "credentials-file");
    let profile = text(document, table, "profile");
    let id = text(document, table, "access-key-id");
    let secret_file = secret_file(document, table, "access-key-secret-file");
    // An invalid value has been reported already.
    let by = match written {
        [false, false, false, false, false] => Some(Identity::Environment),
        [true, false, false, false, false] => role.map(Identity::Role),
        [false, true, _, false, false] => file.map(|path| {
            let profile = profile.unwrap_or_else(|| "default".to_owned());
            Identity::File { path, profile }
        }),
        [false, false, false, true, true] => {
            id.zip(secret_file).map(|(id, secret_file)| Identity::Key { id, secret_file })
        }
        _ => {
            let hint = "write `ram-role`, or `credentials-file` (with `profile`), or `access-key-id` and \
                        `access-key-secret-file`; without any the environment is used";
            document.problem(span.clone(), "[keys.kms] must name one way to authenticate", hint);
            None
        }
    };
    let role = assumed(document, table);
    let external_id = text(document, table, "external-id");
    let sts = address(document, table, "sts");
    let Some(role) = role? else {
        if external_id.is_some() || sts.is_some() {
            let hint = "add `assume-role`, as in \"acs:ram::ACCOUNT:role/NAME\"";
            document.problem(span, "`external-id` and `sts` are for an assumed role", hint);
        }
        return by;
    };
    Some(Identity::Assumed(Box::new(Assume {
        by: by?,
        role,
        session: session.to_owned(),
        external_id,
        duration: ASSUMED,
        endpoint: sts.unwrap_or_else(|| STS.to_owned()),
    })))
}

/// The role to assume; the outer `None` when the value is not valid.
fn assumed(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Option<String>> {
    let Some(value) = table.take("assume-role") else { return Some(None) };
    let (role, span) = document.string(value, "`assume-role`")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/-_.@".contains(&byte);
    if !role.starts_with("acs:ram::") || role.len() > 256 || !role.bytes().all(plain) {
        document.problem(span, "`assume-role` is not a role", "write acs:ram::ACCOUNT:role/NAME");
        return None;
    }
    Some(Some(role))
}

/// The login to Vault or OpenBao.
pub fn login(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<VaultAuth> {
    let span = table.span.clone();
    let written = ["token-file", "role-id", "secret-id-file", "mount"].map(|key| table.has(key));
    let token = secret_file(document, table, "token-file");
    let role_id = text(document, table, "role-id");
    let secret_id_file = secret_file(document, table, "secret-id-file");
    let mount = text(document, table, "mount");
    match written {
        [false, false, false, false] => Some(VaultAuth::Environment),
        [true, false, false, false] => token.map(VaultAuth::TokenFile),
        [false, true, true, _] => role_id.zip(secret_id_file).map(|(role_id, secret_id_file)| {
            let mount = mount.unwrap_or_else(|| "approle".to_owned());
            VaultAuth::AppRole { mount, role_id, secret_id_file }
        }),
        _ => {
            let hint = "write `token-file`, or `role-id` and `secret-id-file` (with `mount`); without any the \
                        environment is used";
            document.problem(span, "[keys.vault] must name one way to authenticate", hint);
            None
        }
    }
}

/// The file of a secret, readable only by its owner.
pub fn secret_file(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<PathBuf> {
    let (path, span) = read_path(document, table, key)?;
    match secret::check(&path) {
        Ok(()) => Some(path),
        Err(reason) => {
            let hint = "it must be a file of root or of this user, closed to others";
            document.problem(span, format!("`{key}` cannot be used: {reason}"), hint);
            None
        }
    }
}

/// A name or an id: text that is valid in a header.
pub fn text(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<String> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    if !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text);
    }
    let hint = "write it without blanks and control characters, and leave it out instead of empty";
    document.problem(span, format!("`{key}` is not valid"), hint);
    None
}

/// The URL of a service.
pub fn address(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<String> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    match service::address(&text) {
        Ok(address) => Some(address),
        Err(error) => {
            let hint = "write it as in \"https://vault.example.com:8200\"";
            document.problem(span, format!("`{key}`: {error}"), hint);
            None
        }
    }
}

pub fn paths(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<Vec<PathBuf>> {
    let value = table.take(key)?;
    let span = value.span.clone();
    let values = document.array(value, &format!("`{key}`"), "an array of paths")?;
    if values.len() > MAX_PATHS {
        document.problem(span, format!("`{key}` has more than {MAX_PATHS} paths"), "name fewer");
        return None;
    }
    let mut paths = Vec::new();
    for value in values {
        let (text, at) = document.string(value, &format!("a path in `{key}`"))?;
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            document.problem(at, format!("a path in `{key}` is not absolute"), "write it from `/`");
            return None;
        }
        paths.push(path);
    }
    Some(paths)
}
