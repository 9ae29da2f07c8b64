//! The arguments for opening a private key. None of them is a secret: each names the place of one.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};
use pullgate_cli::Outcome;

use pullgate_keys::service_options::{ASSUMED, IdentityOptions, LoginOptions};
use pullgate_keys::{
    KeySettings, KeysError, KmsSettings, Location, LocationError, Passphrase, TokenSettings, TransitSettings,
    VaultAuth,
};
use pullgate_net::alibaba::{Assume, Identity};
use pullgate_net::service;

/// The places of the secrets that open keys.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Opening the key")]
pub(super) struct KeyOptions {
    /// Read the passphrase of an encrypted key file from the first line of this file (default: COSIGN_PASSWORD)
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the first line of this file descriptor (0 is stdin)
    #[arg(long, value_name = "NUMBER")]
    passphrase_fd: Option<u32>,
    /// Read the PIN of a PKCS#11 token from this file, unless the key's URI has a pin-source
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// PKCS#11 module, unless the key's URI names one
    #[arg(long, value_name = "FILE")]
    pkcs11_module: Option<PathBuf>,
    /// Alibaba Cloud: use the RAM role of this ECS instance (default: ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET)
    #[arg(long, value_name = "ROLE", conflicts_with = "kms_credentials")]
    kms_ram_role: Option<String>,
    /// Alibaba Cloud: use this credentials file of the aliyun CLI and SDKs
    #[arg(long, value_name = "FILE")]
    kms_credentials: Option<PathBuf>,
    /// Alibaba Cloud: profile in the credentials file
    #[arg(long, value_name = "NAME", default_value_t = IdentityOptions::default().profile, requires = "kms_credentials")]
    kms_profile: String,
    /// Alibaba Cloud: assume this role first (acs:ram::ACCOUNT:role/NAME)
    #[arg(long, value_name = "ARN")]
    kms_assume_role: Option<String>,
    /// Vault or OpenBao: read the token from this file (default: VAULT_TOKEN or BAO_TOKEN)
    #[arg(long, value_name = "FILE", conflicts_with = "vault_role_id")]
    vault_token_file: Option<PathBuf>,
    /// Vault or OpenBao: log in with AppRole, with this role ID
    #[arg(long, value_name = "ID", requires = "vault_secret_id_file")]
    vault_role_id: Option<String>,
    /// Vault or OpenBao: read the secret ID of the AppRole from this file
    #[arg(long, value_name = "FILE", requires = "vault_role_id")]
    vault_secret_id_file: Option<PathBuf>,
    /// Also trust the CA certificates in this file when connecting to KMS or Vault
    #[arg(long, value_name = "FILE")]
    key_ca: Vec<PathBuf>,
}

/// Parses the location of a key. Unlike clap, it does not repeat an invalid argument in the error: there may be a PIN in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocationParser;

impl TypedValueParser for LocationParser {
    type Value = Location;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Location, clap::Error> {
        let refused = |reason: &dyn std::fmt::Display| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("invalid key location: {reason}\n"))
                .with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| refused(&"it is not valid UTF-8"))?;
        text.parse().map_err(|error: LocationError| refused(&error))
    }
}

impl KeyOptions {
    /// Whether the passphrase is on standard input.
    pub(super) fn reads_standard_input(&self) -> bool {
        self.passphrase_fd == Some(0)
    }

    /// The settings for opening keys.
    pub(super) fn settings(&self) -> KeySettings {
        let passphrase = match (&self.passphrase_file, self.passphrase_fd) {
            (Some(path), _) => Passphrase::File(path.clone()),
            (None, Some(number)) => Passphrase::Descriptor(number),
            (None, None) => Passphrase::Environment,
        };
        let token = TokenSettings {
            module: self.pkcs11_module.clone(),
            pin_file: self.pin_file.clone(),
            ..TokenSettings::default()
        };
        let service = service::ServiceSettings {
            authorities: self.key_ca.clone(),
            ..service::ServiceSettings::default()
        };
        let kms =
            KmsSettings { identity: self.identity(), service: service.clone(), ..KmsSettings::default() };
        let login = match (&self.vault_token_file, &self.vault_role_id, &self.vault_secret_id_file) {
            (Some(path), _, _) => VaultAuth::TokenFile(path.clone()),
            (None, Some(role_id), Some(secret_id_file)) => VaultAuth::AppRole {
                mount: LoginOptions::default().mount,
                role_id: role_id.clone(),
                secret_id_file: secret_id_file.clone(),
            },
            _ => VaultAuth::Environment,
        };
        let transit = TransitSettings { login, service, ..TransitSettings::default() };
        KeySettings { passphrase, token, kms, transit }
    }

    fn identity(&self) -> Identity {
        let by = match (&self.kms_ram_role, &self.kms_credentials) {
            (Some(role), _) => Identity::Role(role.clone()),
            (None, Some(path)) => Identity::File { path: path.clone(), profile: self.kms_profile.clone() },
            (None, None) => Identity::Environment,
        };
        match &self.kms_assume_role {
            None => by,
            Some(role) => Identity::Assumed(Box::new(Assume {
                by,
                role: role.clone(),
                session: "pullgate".to_owned(),
                external_id: None,
                duration: ASSUMED,
                endpoint: IdentityOptions::default().sts,
            })),
        }
    }
}

/// The outcome after a key error. If a token or a service failed, the key itself may be valid.
pub(super) fn outcome(error: &KeysError) -> Outcome {
    match error {
        KeysError::Kms { .. } | KeysError::Transit { .. } | KeysError::Token { .. } => Outcome::Undetermined,
        KeysError::Timeout { .. } => Outcome::Undetermined,
        KeysError::Exists { .. } | KeysError::Fingerprint { .. } => Outcome::Refused,
        _ => Outcome::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_location_is_not_repeated() {
        for (text, expected) in [
            ("pkcs11:token=a;object=b?pin-value=s3cret", "a secret on a command line"),
            ("pkcs11:token=a;pin-value=s3cret", "a secret on a command line"),
            ("vault://key?address=https://user:s3cret@vault", ""),
        ] {
            let command =
                Command::new("pullgate").arg(Arg::new("key").long("key").value_parser(LocationParser));
            let refused = command.try_get_matches_from(["pullgate", "--key", text]).unwrap_err();
            let shown = format!("{refused} {refused:?}");
            assert!(shown.contains("invalid key location: ") && shown.contains(expected), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
