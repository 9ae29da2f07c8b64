//! A private key in a PEM file.

mod cosign;
pub(super) mod encrypted;
mod encrypted_error;
mod secretbox;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use encrypted_error::EncryptedError;

use super::algorithm::{AlgorithmError, pick};
use super::{KeysError, Passphrase, SigningKey};
use pullgate_core::trust::{Algorithm, MAX_PEM_BYTES, PrivateKey, PssSalt};
use pullgate_net::secret;

/// An unencrypted key must be in a file that others cannot access, as every secret, or come from a pipe.
pub(super) fn open(
    path: &Path,
    algorithm: Option<Algorithm>,
    passphrase: &Passphrase,
) -> Result<SigningKey, KeysError> {
    let unreadable = |error| KeysError::File { path: path.to_owned(), error };
    let mut text = secret::zeroizing_buffer(MAX_PEM_BYTES as u64 + 1);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    file.take(MAX_PEM_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    let (text, open_to_others) = match encrypted::decrypt(&text, || passphrase.read()) {
        Ok(Some(plain)) => (plain, None),
        Ok(None) if metadata.is_file() => (text, secret::mode_open_to_others(&metadata)),
        Ok(None) => (text, None),
        Err(EncryptedError::Passphrase(error)) => {
            return Err(KeysError::Passphrase { path: path.to_owned(), error });
        }
        Err(error) => return Err(KeysError::Encrypted { path: path.to_owned(), error }),
    };
    let read = |algorithm| PrivateKey::from_pem(&text, algorithm, PssSalt::default());
    let key = pick(algorithm, read).map_err(|error| match error {
        AlgorithmError::Choose => KeysError::Choose,
        AlgorithmError::Key(error) => KeysError::Key { path: path.to_owned(), error },
    })?;
    if let Some(mode) = open_to_others {
        return Err(KeysError::Open { path: path.to_owned(), mode });
    }
    Ok(SigningKey::in_memory(key, path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_unencrypted_key_must_be_private() {
        const PLAIN: &str = include_str!("../../../tests/fixtures/keys/throw-away-p256.key.pem");
        const ENCRYPTED: &str =
            include_str!("../../../tests/fixtures/keys/throw-away-p256.encrypted.key.pem");
        const PUBLIC: &str = include_str!("../../../tests/fixtures/keys/throw-away-p256.pub.pem");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("release.key");
        let open_to = |text: &str, mode: u32| {
            // Without root, a read-only file cannot be overwritten.
            let _ = fs::remove_file(&path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            open(&path, Some(Algorithm::EcdsaSha256), &Passphrase::File("/nonexistent".into())).map(drop)
        };
        for mode in [0o600, 0o400, 0o640, 0o440] {
            assert!(open_to(PLAIN, mode).is_ok(), "{mode:o}");
        }
        for mode in [0o644, 0o604, 0o660, 0o620, 0o602, 0o666] {
            let error = open_to(PLAIN, mode).unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, KeysError::Open { mode: it, .. } if it == mode), "{mode:o}: {text}");
            assert!(text.ends_with(&format!("chmod 600 {}`", path.display())), "{text}");
        }
        // These fail for other reasons.
        assert!(matches!(open_to(ENCRYPTED, 0o644), Err(KeysError::Passphrase { .. })));
        assert!(matches!(open_to(PUBLIC, 0o644), Err(KeysError::Key { .. })));
    }

    #[test]
    fn the_mode_of_a_pipe_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let to = path.clone();
        let writer = std::thread::spawn(move || {
            fs::write(to, include_str!("../../../tests/fixtures/keys/throw-away-p256.key.pem"))
        });
        assert!(open(&path, None, &Passphrase::default()).is_ok());
        writer.join().unwrap().unwrap();
    }
}
