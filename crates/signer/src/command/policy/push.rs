//! Uploads a document, signs it, and then moves the tag to it: nodes never see an artifact without its signature.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::PushOptions;
use crate::command::key_options;
use pullgate::{config, node};
use pullgate_cli::Outcome;
use pullgate_config::file::FileError;
use pullgate_core::digest::Digest;
use pullgate_core::followed::{DocumentError, EMPTY_CONFIG, Kind, Version, manifest};
use pullgate_core::policy::Policy;
use pullgate_core::reference::Reference;
use pullgate_core::trust::{Algorithm, Key, PublicKey, Scheme};
use pullgate_keys::{self as keys, KeysError};
use pullgate_registry::{
    Condition, Credentials, ManifestUpload, OCI_MANIFEST, Registry, RegistryError, Target,
};
use pullgate_sign::{self as sign, Annotations, Layout, SignError, SignRequest};

/// What was pushed.
pub(super) struct Pushed {
    pub(super) digest: Digest,
    pub(super) reference: Reference,
    pub(super) version: Version,
}

/// Pushes a document. `policy` must not have the key that signs it.
pub(super) fn push(
    document: (Kind, Vec<u8>),
    options: PushOptions,
    root: &Path,
    policy: Option<&Policy>,
) -> Result<Pushed, PushError> {
    let config = config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(PushError::Policy)?;
    let credentials = options.login.credentials().map_err(PushError::Password)?;
    let registry = node::registry(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(PushError::Start)?.block_on(upload(document, &options, (&registry, &credentials), policy))
}

async fn upload(
    (kind, document): (Kind, Vec<u8>),
    options: &PushOptions,
    (registry, credentials): (&Registry, &Credentials),
    policy: Option<&Policy>,
) -> Result<Pushed, PushError> {
    let key = keys::open(&options.key, options.algorithm, &options.key_options.settings()).await;
    let key = key.map_err(PushError::Key)?;
    check_key(key.public(), policy)?;
    let reference = &options.reference;
    let repository = reference.repository();
    let writer = registry.writer(repository, credentials);
    let manifest = Bytes::from(manifest(kind, &document));
    writer.upload_blob(document.into()).await?;
    writer.upload_blob(Bytes::from_static(EMPTY_CONFIG.1)).await?;
    let stored =
        || ManifestUpload { media_type: OCI_MANIFEST, bytes: manifest.clone(), condition: &Condition::Any };
    let digest = Digest::of(&manifest);
    writer.put_manifest(Target::Digest(&digest), stored()).await?;
    let request = SignRequest {
        repository,
        digest: &digest,
        layout: Layout::Bundle,
        annotations: &Annotations::default(),
        credentials,
        recheck_delay: sign::RECHECK_DELAY,
        notation: None,
        timestamps: None,
    };
    sign::sign(registry, &request, &key).await?;
    let tag = reference.tag().ok_or(PushError::NoTag)?;
    writer.put_manifest(Target::Tag(tag), stored()).await?;
    Ok(Pushed { digest, reference: reference.clone(), version: options.version })
}

/// A node accepts EC and Ed25519 keys, and none that the policy trusts for images.
fn check_key(key: &PublicKey, policy: Option<&Policy>) -> Result<(), PushError> {
    let algorithm = key.algorithm();
    if !matches!(algorithm.scheme(), Scheme::Ecdsa(..) | Scheme::Ed25519) {
        return Err(PushError::Algorithm { algorithm });
    }
    let has = |it: &Key| it.public.all_fingerprints().any(|it| it == key.fingerprint());
    let shared = policy.into_iter().flat_map(Policy::authenticators).find(|it| it.keys().iter().any(has));
    match shared {
        Some(authenticator) => Err(PushError::ReleaseKey { name: authenticator.name().to_owned() }),
        None => Ok(()),
    }
}

/// Why nothing was pushed, or the tag was not moved.
#[derive(Debug, thiserror::Error)]
pub(super) enum PushError {
    #[error("nodes do not accept signatures with {algorithm} here; use an EC or Ed25519 key")]
    Algorithm { algorithm: Algorithm },
    #[error("nodes would not accept the document")]
    Document(#[from] DocumentError),
    #[error("the time after which it expires is too long")]
    Expiry,
    #[error("cannot use the key")]
    Key(#[source] KeysError),
    #[error("the reference has no tag")]
    NoTag,
    #[error("the policy names {path}, which is not in its directory, or has a name that is not plain")]
    Outside { path: PathBuf },
    #[error("cannot read the password")]
    Password(#[source] std::io::Error),
    #[error("nodes could not load it:\n{0}")]
    Policy(config::Problems),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("authenticator {name} of the policy has this key; sign policies with a key of their own")]
    ReleaseKey { name: String },
    #[error("cannot sign it")]
    Sign(#[from] SignError),
    #[error("cannot start the async runtime")]
    Start(#[source] std::io::Error),
    #[error("cannot read {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: FileError,
    },
}

impl PushError {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Registry(_) | Self::Sign(_) | Self::Start(_) => Outcome::Undetermined,
            Self::Key(error) => key_options::outcome(error),
            _ => Outcome::Usage,
        }
    }
}
