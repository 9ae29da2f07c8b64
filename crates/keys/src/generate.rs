//! Generates keys.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::file::encrypted;
use super::{KeySettings, KeysError, Location, Passphrase, token};
use pullgate_core::trust::{generate as new, pem};

/// A kind of key, named as in Alibaba Cloud KMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// P-256 (secp256r1).
    P256,
    /// P-384 (secp384r1).
    P384,
    /// P-521 (secp521r1).
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    pub const ALL: [Self; 7] =
        [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::P256, Self::P384, Self::P521, Self::Ed25519];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
            Self::P256 => "EC_P256",
            Self::P384 => "EC_P384",
            Self::P521 => "EC_P521",
            Self::Ed25519 => "ED25519",
        }
    }

    #[cfg(feature = "pkcs11")]
    pub(super) fn modulus_bits(self) -> Option<u32> {
        match self {
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            Self::P256 | Self::P384 | Self::P521 | Self::Ed25519 => None,
        }
    }

    fn make(self) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Rsa2048 => new::rsa(2048),
            Self::Rsa3072 => new::rsa(3072),
            Self::Rsa4096 => new::rsa(4096),
            Self::P256 => new::p256(),
            Self::P384 => new::p384(),
            Self::P521 => new::p521(),
            Self::Ed25519 => new::ed25519(),
        }
    }
}

impl std::str::FromStr for KeyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("write one of {}", names.join(", "))
        })
    }
}

/// Generates a key pair at `location`: in a file of mode 0600, encrypted with the passphrase of the settings if `encrypt`,
/// or in a token, which the private key never leaves. Never overwrites anything.
///
/// # Errors
/// When there is something already, or the key cannot be generated there.
pub async fn generate(
    location: &Location,
    kind: KeyKind,
    encrypt: bool,
    settings: &KeySettings,
) -> Result<(), KeysError> {
    match location {
        Location::File(path) => {
            let passphrase = encrypt.then(|| settings.passphrase.clone());
            let path = path.clone();
            // Generating RSA with 4096 bits takes seconds.
            let generated = tokio::task::spawn_blocking(move || in_file(&path, kind, passphrase.as_ref()));
            generated.await.map_err(|_| KeysError::Abandoned)?
        }
        Location::Token(_) if encrypt => Err(KeysError::Unsupported {
            origin: location.to_string(),
            what: "a passphrase: the PIN of the token protects the key",
        }),
        Location::Token(key) => token::generate(key, kind, &settings.token).await,
        Location::AlibabaKms(_) | Location::Transit(_) => Err(KeysError::Unsupported {
            origin: location.to_string(),
            what: "`keys generate`: create a signing key with the tools of the service, and specify its location",
        }),
    }
}

fn in_file(path: &Path, kind: KeyKind, passphrase: Option<&Passphrase>) -> Result<(), KeysError> {
    // Checked before the work, and again when the file is created.
    if path.symlink_metadata().is_ok() {
        return Err(KeysError::Exists { path: path.to_owned() });
    }
    let passphrase = passphrase.map(|passphrase| passphrase.read()).transpose();
    let passphrase = passphrase.map_err(|error| KeysError::NoPassphrase { path: path.to_owned(), error })?;
    let der = kind.make().ok_or(KeysError::Generation { kind: kind.name() })?;
    let text = match &passphrase {
        None => pem::write("PRIVATE KEY", &der),
        Some(passphrase) => {
            let sealed =
                encrypted::encrypt(&der, passphrase).ok_or(KeysError::Generation { kind: kind.name() })?;
            pem::write("ENCRYPTED PRIVATE KEY", &sealed)
        }
    };
    let text = Zeroizing::new(text);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => KeysError::Exists { path: path.to_owned() },
            _ => KeysError::Write { path: path.to_owned(), error },
        }
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // An incomplete file is not a key.
        let _ = fs::remove_file(path);
        KeysError::Write { path: path.to_owned(), error }
    })
}

#[cfg(test)]
mod tests;
