//! `pullgate keys public`

use serde_json::json;

use crate::command::key_options::{self, KeyOptions, LocationParser};
use crate::command::policy::Format;
use crate::command::{Outcome, output};
use crate::keys::{self, KeysError, Location, Settings};
use crate::trust::{Algorithm, PublicKey};

/// Arguments of `pullgate keys public`.
#[derive(Debug, clap::Args)]
#[command(arg = crate::command::no_config())]
pub(in crate::command) struct Public {
    /// The private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY
    #[arg(value_name = "LOCATION", value_parser = LocationParser)]
    location: Location,
    /// The algorithm that it is to sign with; the public half is the same with each
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Show it as text, of which the PEM block alone goes to standard output, or as JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: KeyOptions,
}

impl Public {
    pub(super) fn run(self) -> Outcome {
        let settings = self.options.settings();
        let public = blocking(half(&self.location, self.algorithm, &settings));
        let public = match public {
            Ok(public) => public,
            Err(error) => {
                output::error(&error);
                return key_options::outcome(&error);
            }
        };
        let names = public.names();
        if self.json || matches!(self.format, Format::Json) {
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
            output::line(public.pem().trim_end());
            output::note(&format!("kind           {}", public.algorithm().key_kind()));
            output::note(&format!("fingerprint    {}", public.fingerprint()));
            output::note(&format!("kritis, Grafeas {}", names.ni));
            output::note(&format!("RFC 6920       {}", names.nih));
            output::note(&format!("Sigstore hint  {}", names.hint));
        }
        Outcome::Fine
    }
}

/// The public half of a key; of an RSA key either way, as it is the same.
pub(super) async fn half(
    location: &Location,
    algorithm: Option<Algorithm>,
    settings: &Settings,
) -> Result<PublicKey, KeysError> {
    match keys::open(location, algorithm, settings).await {
        Err(KeysError::Choose) => {
            let opened = keys::open(location, Some(Algorithm::RsaPkcs1Sha256), settings).await;
            opened.map(|key| key.public().clone())
        }
        opened => opened.map(|key| key.public().clone()),
    }
}

/// Runs one piece of work to its end.
pub(super) fn blocking<T>(work: impl Future<Output = Result<T, KeysError>>) -> Result<T, KeysError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(work);
            // A PKCS#11 module that hangs would be waited for.
            runtime.shutdown_background();
            done
        }
        Err(_) => Err(KeysError::Abandoned),
    }
}
