//! `pullgate-signer keys generate`: creates a key pair.

use crate::command::key_options::{self, KeyOptions, LocationParser};
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::sanitize;
use pullgate_keys::{self as keys, KeyKind, Location};

/// The usage of a key, as Alibaba Cloud KMS names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Purpose {
    #[value(name = "SIGN/VERIFY")]
    SignVerify,
}

/// Arguments of `pullgate-signer keys generate`.
#[derive(Debug, clap::Args)]
#[command(arg = crate::command::no_config())]
pub(in crate::command) struct Generate {
    /// Location of the new key: a file that does not exist yet, or pkcs11:…
    #[arg(value_name = "LOCATION", value_parser = LocationParser)]
    location: Location,
    /// Key type: RSA_2048, RSA_3072, RSA_4096, EC_P256, EC_P384, EC_P521 or ED25519
    #[arg(long, value_name = "KIND")]
    kind: KeyKind,
    /// Key usage
    #[arg(long, value_enum, default_value = "SIGN/VERIFY")]
    purpose: Purpose,
    /// Encrypt the key file with the passphrase
    #[arg(long)]
    encrypt: bool,
    #[command(flatten)]
    options: KeyOptions,
}

impl Generate {
    pub(super) fn run(self) -> Outcome {
        let Purpose::SignVerify = self.purpose;
        let settings = self.options.settings();
        let generated = super::public::blocking(async {
            keys::generate(&self.location, self.kind, self.encrypt, &settings).await?;
            // Open the new key the way it will be used. A passphrase from a descriptor can be read only once.
            match &self.location {
                Location::File(_) if self.encrypt => Ok(None),
                location => super::public::public_key(location, None, &settings).await.map(Some),
            }
        });
        match generated {
            Ok(public) => {
                let kind = self.kind.name();
                output::line(&format!("generated: {kind} in {}", sanitize(&self.location.to_string())));
                if let Some(public) = public {
                    output::line(public.pem().trim_end());
                }
                Outcome::Success
            }
            Err(error) => {
                output::error(&error);
                key_options::outcome(&error)
            }
        }
    }
}
