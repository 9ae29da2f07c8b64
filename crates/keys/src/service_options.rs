//! Options of key services that `pullgate.toml` and `signer.toml` have in common: identities and addresses.

use std::path::PathBuf;
use std::time::Duration;

use pullgate_config::document::{Document, Value};
use pullgate_config::kind::{Form, OptionKind, PATH};
use pullgate_config::options::{Options as _, Pass};
use pullgate_net::alibaba::{Assume, Identity};
use pullgate_net::{secret, service};

/// Bytes of a name or an id.
const MAX_TEXT: usize = 512;
/// Lifetime of the session of an assumed role.
pub const ASSUMED: Duration = Duration::from_secs(3600);

/// The file of a secret, readable only by its owner.
pub const SECRET_FILE: Form<PathBuf> =
    Form { kind: OptionKind::AbsolutePath, bounds: "file that others cannot read", read: read_secret_file };
/// A name or an id: text that is valid in a header.
const TEXT: Form<String> = Form { kind: OptionKind::Text, bounds: "a name", read: read_text };
/// The URL of a service.
const ADDRESS: Form<String> = Form { kind: OptionKind::Text, bounds: "an https URL", read: read_address };
const ROLE: Form<String> =
    Form { kind: OptionKind::Text, bounds: "acs:ram::ACCOUNT:role/NAME", read: read_role };

pullgate_config::options! {
    /// The identity for Alibaba Cloud as it is written.
    #[derive(Debug)]
    pub struct IdentityOptions {
        /// The RAM role of this ECS instance.
        ram_role: Option<String> = "ram-role", TEXT.optional("none", "\"pullgate\"");
        /// The credentials file of the Alibaba Cloud SDKs.
        credentials_file: Option<PathBuf> = "credentials-file", SECRET_FILE.optional("none", "\"/etc/pullgate/alibaba.credentials\"");
        /// The profile in `credentials-file`.
        profile: String = "profile", TEXT.or("default");
        /// The ID of an access key; needs `access-key-secret-file`.
        access_key_id: Option<String> = "access-key-id", TEXT.optional("from the environment", "\"LTAI5tExample\"");
        /// The file with the secret of the access key; needs `access-key-id`.
        access_key_secret_file: Option<PathBuf> = "access-key-secret-file", SECRET_FILE.optional("from the environment", "\"/etc/pullgate/kms.secret\"");
        /// The RAM role to assume, with the credentials of the options above.
        assume_role: Option<String> = "assume-role", ROLE.optional("none", "\"acs:ram::123456789012:role/pullgate\"");
        /// The external ID that the owner of `assume-role` requires.
        external_id: Option<String> = "external-id", TEXT.optional("none", "\"pullgate\"");
        /// The endpoint of STS, for `assume-role`.
        sts: String = "sts", ADDRESS.or("https://sts.aliyuncs.com");
    }
}

pullgate_config::options! {
    /// The login at Vault or OpenBao as it is written.
    #[derive(Debug)]
    pub struct LoginOptions {
        /// The file with the token.
        token_file: Option<PathBuf> = "token-file", SECRET_FILE.optional("from the environment", "\"/etc/pullgate/vault.token\"");
        /// The role ID of an AppRole; needs `secret-id-file`.
        role_id: Option<String> = "role-id", TEXT.optional("none", "\"pullgate\"");
        /// The file with the secret ID of the AppRole; needs `role-id`.
        secret_id_file: Option<PathBuf> = "secret-id-file", SECRET_FILE.optional("none", "\"/etc/pullgate/vault.secret-id\"");
        /// The path where the AppRole auth method is mounted.
        mount: String = "mount", TEXT.or("approle");
    }
}

/// How to authenticate with Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// A token in `VAULT_TOKEN` or `BAO_TOKEN`.
    Environment,
    /// A token in a file, which is read again for each request, so that an agent can replace it.
    TokenFile(PathBuf),
    AppRole {
        /// Where the method is mounted; usually `approle`.
        mount: String,
        /// The role ID, which is not a secret.
        role_id: String,
        /// The file with the secret ID.
        secret_id_file: PathBuf,
    },
}

/// The identity at Alibaba Cloud. `session` is the name of an assumed role's sessions in ActionTrail.
pub fn identity(pass: &mut Pass<'_, '_, '_>, session: &str) -> Identity {
    let written = ["ram-role", "credentials-file", "profile", "access-key-id", "access-key-secret-file"]
        .map(|key| pass.has(key));
    let [assumes, external_id, sts] = ["assume-role", "external-id", "sts"].map(|key| pass.has(key));
    let given = IdentityOptions::pass(pass);
    // An invalid value has been reported already.
    let by = match written {
        [false, false, false, false, false] => None,
        [true, false, false, false, false] => given.ram_role.map(Identity::Role),
        [false, true, _, false, false] => {
            let profile = given.profile;
            given.credentials_file.map(|path| Identity::File { path, profile })
        }
        [false, false, false, true, true] => given
            .access_key_id
            .zip(given.access_key_secret_file)
            .map(|(id, secret_file)| Identity::Key { id, secret_file }),
        _ => {
            let hint = "write `ram-role`, or `credentials-file` (with `profile`), or `access-key-id` and \
                        `access-key-secret-file`; with none of them, the access key comes from the environment";
            pass.problem("", "[keys.kms] must set all options of exactly one way to authenticate, or none of these options", hint);
            None
        }
    };
    let by = by.unwrap_or(Identity::Environment);
    if !assumes && (external_id || sts) {
        let hint = "add `assume-role`, as in \"acs:ram::ACCOUNT:role/NAME\"";
        pass.problem("", "`external-id` and `sts` need `assume-role`", hint);
    }
    let Some(role) = given.assume_role else { return by };
    Identity::Assumed(Box::new(Assume {
        by,
        role,
        session: session.to_owned(),
        external_id: given.external_id,
        duration: ASSUMED,
        endpoint: given.sts,
    }))
}

/// The address of Vault or OpenBao.
pub fn vault_address(pass: &mut Pass<'_, '_, '_>) -> Option<String> {
    let doc = "The address of the service, for keys whose location contains no address.";
    let kind = ADDRESS.optional("from the key or the environment", "\"https://vault.example.com:8200\"");
    pass.option("address", &[doc], &kind)
}

/// The namespace of Vault or OpenBao.
pub fn vault_namespace(pass: &mut Pass<'_, '_, '_>) -> Option<String> {
    let kind = TEXT.optional("from the environment", "\"team\"");
    pass.option("namespace", &["The Vault namespace."], &kind)
}

/// The login to Vault or OpenBao.
pub fn login(pass: &mut Pass<'_, '_, '_>) -> VaultAuth {
    let written = ["token-file", "role-id", "secret-id-file", "mount"].map(|key| pass.has(key));
    let LoginOptions { token_file, role_id, secret_id_file, mount } = LoginOptions::pass(pass);
    let login = match written {
        [false, false, false, false] => None,
        [true, false, false, false] => token_file.map(VaultAuth::TokenFile),
        [false, true, true, _] => role_id
            .zip(secret_id_file)
            .map(|(role_id, secret_id_file)| VaultAuth::AppRole { mount, role_id, secret_id_file }),
        _ => {
            let hint = "write `token-file`, or `role-id` and `secret-id-file` (with `mount`); with none of them, \
                        the token comes from the environment";
            pass.problem(
                "",
                "[keys.vault] must set all options of exactly one way to authenticate, or none of these options",
                hint,
            );
            None
        }
    };
    login.unwrap_or(VaultAuth::Environment)
}

fn read_role(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    document.parsed(key, value, ["is not a role", "write acs:ram::ACCOUNT:role/NAME"], |role| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/-_.@".contains(&byte);
        let role = Some(role).filter(|role| role.starts_with("acs:ram::") && role.len() <= 256);
        role.filter(|role| role.bytes().all(plain)).map(str::to_owned)
    })
}

fn read_secret_file(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<PathBuf> {
    let span = value.span.clone();
    let path = (PATH.read)(document, key, value)?;
    match secret::check(&path) {
        Ok(()) => Some(path),
        Err(reason) => {
            let hint =
                "the file must belong to root or the user of this process, and give other users no access";
            document.problem(span, format!("`{key}` cannot be used: {reason}"), hint);
            None
        }
    }
}

fn read_text(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write printable ASCII without blanks, or remove the option to leave it unset";
    document.parsed(key, value, ["is not valid", hint], |text| {
        let text = Some(text).filter(|text| !text.is_empty() && text.len() <= MAX_TEXT);
        text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).map(str::to_owned)
    })
}

fn read_address(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let (text, span) = document.string(value, &format!("`{key}`"))?;
    match service::address(&text) {
        Ok(address) => Some(address),
        Err(error) => {
            let hint = "write it as in \"https://vault.example.com:8200\"";
            document.problem(span, format!("`{key}`: {error}"), hint);
            None
        }
    }
}
