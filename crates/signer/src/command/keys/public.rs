//! `pullgate-signer keys public`: the public key of a private key.

use serde_json::json;

use crate::command::key_options::{self, KeyOptions, LocationParser};
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};
use pullgate_core::trust::{Algorithm, PublicKey};
use pullgate_keys::{self as keys, KeySettings, KeysError, Location};

/// Arguments of `pullgate-signer keys public`.
#[derive(Debug, clap::Args)]
#[command(arg = crate::command::no_config())]
pub(in crate::command) struct Public {
    /// Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY
    #[arg(value_name = "LOCATION", value_parser = LocationParser)]
    location: Location,
    /// Signature algorithm; does not change the public key
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    output: OutputOption,
    #[command(flatten)]
    options: KeyOptions,
}

impl Public {
    pub(super) fn run(self) -> Outcome {
        let settings = self.options.settings();
        let public = blocking(public_key(&self.location, self.algorithm, &settings));
        let public = match public {
            Ok(public) => public,
            Err(error) => {
                output::error(&error);
                return key_options::outcome(&error);
            }
        };
        let names = public.key_ids();
        if self.output.is_json() {
            let document = json!({
                "location": self.location.to_string(),
                "kind": public.algorithm().key_kind(),
                "pem": public.pem(),
                "fingerprint": public.fingerprint(),
                "ids": {
                    "sha256": names.hex,
                    "ni": names.ni,
                    "nih": names.nih,
                    "sigstore-hint": names.hint,
                },
            });
            output::line(&document.to_string());
        } else {
            // The PEM block alone goes to standard output, so that it can be redirected into a file.
            output::line(public.pem().trim_end());
            output::note(&format!("kind           {}", public.algorithm().key_kind()));
            output::note(&format!("fingerprint    {}", public.fingerprint()));
            output::note(&format!("kritis, Grafeas {}", names.ni));
            output::note(&format!("RFC 6920       {}", names.nih));
            output::note(&format!("Sigstore hint  {}", names.hint));
        }
        Outcome::Success
    }
}

/// The public key of the private key at `location`. An RSA key needs no algorithm, because its public key is the same with
/// each.
pub(super) async fn public_key(
    location: &Location,
    algorithm: Option<Algorithm>,
    settings: &KeySettings,
) -> Result<PublicKey, KeysError> {
    match keys::open(location, algorithm, settings).await {
        Err(KeysError::Choose) => {
            let opened = keys::open(location, Some(Algorithm::RsaPkcs1Sha256), settings).await;
            opened.map(|key| key.public().clone())
        }
        opened => opened.map(|key| key.public().clone()),
    }
}

/// Runs `work` to completion.
pub(super) fn blocking<T>(work: impl Future<Output = Result<T, KeysError>>) -> Result<T, KeysError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(work);
            // Dropping the runtime would wait for a PKCS#11 module that hangs.
            runtime.shutdown_background();
            result
        }
        Err(_) => Err(KeysError::Abandoned),
    }
}
