//! `pullgate-signer keys sign`: a signature of a file, for example of the checksums of a release.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::public::blocking;
use crate::command::key_options::{self, KeyOptions, LocationParser};
use pullgate_cli::{Outcome, output};
use pullgate_core::trust::Algorithm;
use pullgate_keys::{self as keys, Location};

/// The largest file that is signed: it is read into memory.
const LARGEST: u64 = 64 << 20;

/// Arguments of `pullgate-signer keys sign`.
#[derive(Debug, clap::Args)]
#[command(arg = crate::command::no_config())]
pub(in crate::command) struct SignFile {
    /// File to sign; the signature goes to standard output, in base64
    file: PathBuf,
    /// Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY
    #[arg(long, value_name = "LOCATION", value_parser = LocationParser)]
    key: Location,
    /// Signature algorithm; required for RSA keys
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    options: KeyOptions,
}

impl SignFile {
    pub(super) fn run(self) -> Outcome {
        let message = match read(&self.file) {
            Ok(message) => message,
            Err(error) => {
                output::note(&format!("error: cannot read {}: {error}", self.file.display()));
                return Outcome::Usage;
            }
        };
        let settings = self.options.settings();
        let signature =
            blocking(async { keys::open(&self.key, self.algorithm, &settings).await?.sign(&message).await });
        match signature {
            Ok(signature) => {
                output::line(&STANDARD.encode(signature));
                Outcome::Success
            }
            Err(error) => {
                output::error(&error);
                key_options::outcome(&error)
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("the file is larger than 64 MiB; sign its checksum instead"));
    }
    Ok(bytes)
}
