//! Who may sign what this node follows.

use std::path::{Path, PathBuf};

use pullgate_config::file::{FileError, Guard};

use super::settings::FollowSettings;
use crate::trust::{
    Algorithm, Authenticator, Key, KeyError, KeylessSet, KeylessSetError, LogUse, MAX_PEM_BYTES,
    MAX_ROOT_BYTES, Pattern, PssSalt, PublicKey, SignerRule, SignerRuleError, Signers, TrustError,
    TrustedRoot,
};

/// The name of the authenticator in messages.
const NAME: &str = "[follow]";

/// The algorithms, of which one fits each key that is accepted. With RSA, a key does not say its padding.
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::EcdsaSha256, Algorithm::EcdsaSha384, Algorithm::EcdsaSha512, Algorithm::Ed25519];

/// Why the signer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A file of `[follow]` cannot be read.
    #[error("{path} in [follow]: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: FileError,
    },
    /// A file is not a public key of a supported kind.
    #[error("{path} in [follow] is not a public key (EC or Ed25519): {cause}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: KeyError,
    },
    /// The keys are no set of keys.
    #[error("keys in [follow]: {0}")]
    Keys(TrustError),
    /// The trusted root cannot be used.
    #[error("trust-root in [follow]: {0}")]
    Root(String),
    /// The identity is too wide.
    #[error("identity in [follow]: {0}")]
    Identity(SignerRuleError),
    /// The root does not fit.
    #[error("trust-root in [follow]: {0}")]
    Unfit(KeylessSetError),
}

/// The signer that the settings name, with the files as they are now.
pub(super) fn signer(settings: &FollowSettings) -> Result<Authenticator, SignerError> {
    let FollowSettings { keys, issuer, subject, trust_root, .. } = settings;
    if let (Some(issuer), Some(subject), Some(root)) = (issuer, subject, trust_root) {
        return identity(issuer, subject, root);
    }
    let keys = keys.iter().map(|path| key(path)).collect::<Result<Vec<_>, _>>()?;
    Authenticator::new(NAME.to_owned(), keys).map_err(SignerError::Keys)
}

fn key(path: &Path) -> Result<Key, SignerError> {
    let text = read(path, MAX_PEM_BYTES)?;
    let mut parsed = ALGORITHMS.map(|it| PublicKey::from_pem(&text, it, PssSalt::default())).into_iter();
    let fitting = parsed.clone().find_map(Result::ok);
    match (fitting, parsed.next()) {
        (Some(public), _) => {
            let origin = path.display().to_string();
            Ok(Key { public, not_before: None, not_after: None, origin, remote: None })
        }
        (None, Some(Err(cause))) => Err(SignerError::Key { path: path.to_owned(), cause }),
        (None, _) => Err(SignerError::Keys(TrustError::NoKeys { authenticator: NAME.to_owned() })),
    }
}

fn identity(issuer: &str, subject: &str, root: &Path) -> Result<Authenticator, SignerError> {
    let text = read(root, MAX_ROOT_BYTES)?;
    let root = TrustedRoot::parse(root.display().to_string(), &text);
    let root = root.map_err(|error| SignerError::Root(error.to_string()))?;
    let subject = Pattern::parse(subject).ok();
    let rule = SignerRule::new(issuer.to_owned(), subject, Vec::new()).map_err(SignerError::Identity)?;
    let set = KeylessSet::new(vec![root], rule, LogUse::Required).map_err(SignerError::Unfit)?;
    Ok(Authenticator::of(NAME.to_owned(), Signers::Keyless(set)))
}

fn read(path: &Path, limit: usize) -> Result<String, SignerError> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let directory = path.parent().unwrap_or(Path::new("/"));
    Guard::of_process()
        .read(directory, path, limit)
        .map_err(|cause| SignerError::File { path: path.to_owned(), cause })
}
