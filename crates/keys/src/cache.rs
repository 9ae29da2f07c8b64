//! Cached public keys, so that a node starts without fetching them.
//!
//! A file is used only if its key has the pinned fingerprint: write access to the cache can remove a key, and cannot
//! replace one.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::OFlag;

use super::{KeysError, PinnedKey};
use pullgate_config::atomic::{self, Durable};
use pullgate_core::trust::{MAX_PEM_BYTES, PublicKey};

/// Makes the names of temporary files unique in this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A directory of public keys, `<SHA-256 in hexadecimal>.pem` each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCache {
    directory: PathBuf,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self::new(Self::DEFAULT_DIRECTORY)
    }
}

impl KeyCache {
    /// The directory unless pullgate.toml names another.
    pub const DEFAULT_DIRECTORY: &'static str = "/var/lib/pullgate/keys";

    /// The cache in a directory, which need not exist.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a key's file.
    #[must_use]
    pub fn path(&self, key: &PinnedKey) -> PathBuf {
        self.directory.join(format!("{}.pem", key.fingerprint.hex()))
    }

    /// The cached key. A file with other content counts as absent.
    #[must_use]
    pub fn find(&self, key: &PinnedKey) -> Option<PublicKey> {
        let text = match read(&self.path(key)) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %self.path(key).display(), %error, "cached key cannot be read");
                }
                return None;
            }
        };
        let public = PublicKey::from_pem(&text, key.algorithm, key.salt).ok();
        let found = public.and_then(|public| key.is(public, "").ok());
        if found.is_none() {
            tracing::warn!(path = %self.path(key).display(), "cached key ignored: its fingerprint differs from the file name");
        }
        found
    }

    /// Writes a key atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, key: &PinnedKey, public: &PublicKey) -> Result<(), KeysError> {
        let path = self.path(key);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.directory.join(format!(".{}.{number}.new", std::process::id()));
        let written = atomic::make_directory(&self.directory)
            .and_then(|()| atomic::write(&unfinished, &path, public.pem().as_bytes(), (0o644, Durable::Yes)));
        written.map_err(|error| KeysError::Write { path, error })
    }
}

fn read(path: &Path) -> io::Result<String> {
    // O_NONBLOCK: opening a named pipe must not block the daemon.
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut text = String::new();
    // A truncated file is not a valid PEM block.
    file.take(MAX_PEM_BYTES as u64).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use pullgate_core::digest::Digest;
    use pullgate_core::trust::{Algorithm, PssSalt};

    const P256: &str = include_str!("../../../tests/fixtures/keys/throw-away-p256.pub.pem");
    const OTHER: &str = include_str!("../../../tests/fixtures/keys/throw-away-p384.pub.pem");

    #[test]
    fn a_cached_key_is_found_by_its_fingerprint_only() {
        let directory = tempfile::tempdir().unwrap();
        let cache = KeyCache::new(directory.path().join("a/keys"));
        let public = PublicKey::from_pem(P256, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        let key = PinnedKey {
            location: "vault://release?version=1".parse().unwrap(),
            fingerprint: Digest::parse(public.fingerprint()).unwrap(),
            algorithm: Algorithm::EcdsaSha256,
            salt: PssSalt::default(),
        };
        assert!(cache.find(&key).is_none());
        cache.keep(&key, &public).unwrap();
        assert_eq!(cache.find(&key).unwrap().fingerprint(), public.fingerprint());
        cache.keep(&key, &public).unwrap();
        assert_eq!(fs::read_dir(cache.directory()).unwrap().count(), 1, "nothing unfinished is left");
        let path = cache.path(&key);
        for damaged in [
            OTHER,
            "",
            "\0",
            &P256.replace('A', "B"),
            &P256[..80],
            &format!("{P256}{P256}"),
            &format!("{}{P256}", " ".repeat(70_000)),
        ] {
            fs::write(&path, damaged).unwrap();
            assert!(cache.find(&key).is_none(), "{damaged:?}");
        }
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(cache.find(&key).is_none());
        cache.keep(&key, &public).unwrap();
        assert!(cache.find(&key).is_some());
    }
}
