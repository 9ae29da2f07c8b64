//! `pullgate sign`

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::login::Login;
use super::{Outcome, output};
use crate::config;
use crate::node;
use crate::reference::{Reference, ReferenceError};
use crate::registry::{Class, RegistryError};
use crate::sign::{self, Attached, SignError};
use crate::trust::{Algorithm, KeyError, MAX_PEM_BYTES, PrivateKey, PssSalt};

/// Arguments of `pullgate sign`.
#[derive(Debug, clap::Args)]
pub(super) struct Sign {
    /// The image by digest, such as registry.example.com/team/app@sha256:…
    #[arg(value_name = "IMAGE@DIGEST")]
    image: String,
    /// The private key: PEM, not encrypted
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The algorithm: RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, ECDSA_SHA_256, ECDSA_SHA_384, ED25519 or ED25519PH; only an RSA
    /// key leaves a choice
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    login: Login,
}

impl Sign {
    pub(super) fn run(self, root: &Path) -> Outcome {
        match self.sign(root) {
            Ok(attached) => {
                let Attached { tag, manifest, added, .. } = attached;
                let what = if added { "signed" } else { "already signed with this key" };
                output::line(&format!("{what}: {} ({tag} is {manifest})", self.image.escape_debug()));
                Outcome::Fine
            }
            Err(error) => {
                output::error(&error);
                error.outcome()
            }
        }
    }

    fn sign(&self, root: &Path) -> Result<Attached, CommandError> {
        let config =
            config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(CommandError::Configuration)?;
        let reference = Reference::parse(&self.image).map_err(CommandError::Reference)?;
        let digest = reference.digest().ok_or(CommandError::NoDigest)?;
        let key = self.key()?;
        let credentials = self.login.credentials().map_err(CommandError::Password)?;
        let registry = node::registry(&config).map_err(CommandError::Registry)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CommandError::Start)?;
        let attached = sign::attach(&registry, reference.repository(), digest, &key, &credentials);
        runtime.block_on(attached).map_err(CommandError::Sign)
    }

    fn key(&self) -> Result<PrivateKey, CommandError> {
        let unreadable = |error| CommandError::KeyFile { path: self.key.clone(), error };
        let mut text = Zeroizing::new(String::new());
        let file = File::open(&self.key).map_err(unreadable)?;
        file.take(MAX_PEM_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        let read = |algorithm| PrivateKey::from_pem(&text, algorithm, PssSalt::default());
        let key = match self.algorithm {
            Some(algorithm) => read(algorithm),
            // Every other kind of key has one algorithm that everybody means.
            None => match read(Algorithm::RsaPkcs1Sha256) {
                Ok(_) => return Err(CommandError::Choose),
                Err(_) => read(Algorithm::EcdsaSha256)
                    .or_else(|first| read(Algorithm::EcdsaSha384).map_err(|_| first))
                    .or_else(|first| read(Algorithm::Ed25519).map_err(|_| first)),
            },
        };
        key.map_err(|error| CommandError::Key { path: self.key.clone(), error })
    }
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("an RSA key can sign in two ways: say --algorithm RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256")]
    Choose,
    #[error("pullgate.toml cannot be used")]
    Configuration(#[source] config::Problems),
    #[error("{path} cannot be used for signing")]
    Key {
        path: PathBuf,
        #[source]
        error: KeyError,
    },
    #[error("{path} cannot be read")]
    KeyFile {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("the image is named by tag; name it by digest, so that it is sure what is signed")]
    NoDigest,
    #[error("the password cannot be read")]
    Password(#[source] std::io::Error),
    #[error("the image's name is not valid")]
    Reference(#[source] ReferenceError),
    #[error("the registry client cannot be made")]
    Registry(#[source] RegistryError),
    #[error("the image was not signed")]
    Sign(#[source] SignError),
    #[error("cannot start")]
    Start(#[source] std::io::Error),
}

impl CommandError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Sign(SignError::Registry(error)) if error.class() == Class::Unanswered => Outcome::Unknown,
            Self::Sign(SignError::Contended { .. }) | Self::Start(_) => Outcome::Unknown,
            Self::Sign(_) => Outcome::Refused,
            _ => Outcome::Usage,
        }
    }
}
