//! `pullgate sign`

use std::path::Path;

use super::key_options::KeyOptions;
use super::login::Login;
use super::{Outcome, output};
use crate::config;
use crate::keys::{self, KeysError, Location};
use crate::node;
use crate::reference::{Reference, ReferenceError};
use crate::registry::{Class, RegistryError};
use crate::sign::{self, AnnotationError, Annotations, Layout, Order, SignError, Signed};
use crate::trust::Algorithm;

/// Arguments of `pullgate sign`.
#[derive(Debug, clap::Args)]
pub(super) struct Sign {
    /// The image by digest, such as registry.example.com/team/app@sha256:…
    #[arg(value_name = "IMAGE@DIGEST")]
    image: String,
    /// The private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY
    #[arg(long, value_name = "LOCATION")]
    key: Location,
    /// The algorithm: RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, ECDSA_SHA_256, ECDSA_SHA_384, ED25519 or ED25519PH; only an RSA
    /// key leaves a choice
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Where the signature goes: classic, bundle or both
    #[arg(long, value_name = "LAYOUT", default_value_t = Layout::Classic)]
    layout: Layout,
    /// Text that is signed with the digest; may be given several times
    #[arg(short, long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    #[command(flatten)]
    key_options: KeyOptions,
    #[command(flatten)]
    login: Login,
}

impl Sign {
    pub(super) fn run(self, root: &Path) -> Outcome {
        match self.sign(root) {
            Ok(signed) => {
                let what = if signed.is_new() { "signed" } else { "already signed with this key" };
                output::line(&format!("{what}: {}", self.image.escape_debug()));
                Outcome::Fine
            }
            Err(error) => {
                output::error(&error);
                error.outcome()
            }
        }
    }

    fn sign(&self, root: &Path) -> Result<Signed, CommandError> {
        let config =
            config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(CommandError::Configuration)?;
        let reference = Reference::parse(&self.image).map_err(CommandError::Reference)?;
        let digest = reference.digest().ok_or(CommandError::NoDigest)?;
        let annotations = Annotations::parse(&self.annotations).map_err(CommandError::Annotation)?;
        let credentials = self.login.credentials().map_err(CommandError::Password)?;
        let registry = node::registry(&config).map_err(CommandError::Registry)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CommandError::Start)?;
        runtime.block_on(async {
            let key = keys::open(&self.key, self.algorithm, &self.key_options.settings()).await;
            let key = key.map_err(CommandError::Key)?;
            let order = Order {
                repository: reference.repository(),
                digest,
                layout: self.layout,
                annotations: &annotations,
                credentials: &credentials,
                settle: sign::SETTLE,
            };
            sign::sign(&registry, &order, &*key).await.map_err(CommandError::Sign)
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("the annotations cannot be used")]
    Annotation(#[source] AnnotationError),
    #[error("pullgate.toml cannot be used")]
    Configuration(#[source] config::Problems),
    #[error("the key cannot be used")]
    Key(#[source] KeysError),
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
