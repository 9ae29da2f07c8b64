//! Passphrases of encrypted key files: from a file, the environment or an open descriptor, never from an argument, which
//! every process of the machine can read.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use zeroize::Zeroizing;

use pullgate_net::secret;

/// cosign's variable.
const VARIABLE: &str = "COSIGN_PASSWORD";
/// The most bytes of a passphrase.
const SIZE: usize = 1024;

/// The source of the passphrase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Passphrase {
    /// From `COSIGN_PASSWORD`, if set.
    #[default]
    Environment,
    /// From the first line of a file that others cannot read.
    File(PathBuf),
    /// From the first line of an inherited file descriptor; 0 is standard input.
    Descriptor(u32),
}

impl Passphrase {
    /// Reads the passphrase. An empty one in the environment is valid: cosign encrypts with it.
    pub(super) fn read(&self) -> Result<Zeroizing<String>, PassphraseError> {
        match self {
            Self::Environment => match std::env::var(VARIABLE) {
                Ok(text) => bounded(Zeroizing::new(text)),
                Err(std::env::VarError::NotPresent) => Err(PassphraseError::Missing),
                Err(std::env::VarError::NotUnicode(_)) => Err(PassphraseError::NotText),
            },
            Self::File(path) => {
                bounded(secret::read(path).map_err(|reason| PassphraseError::File { reason })?)
            }
            Self::Descriptor(number) => {
                let unreadable = |error| PassphraseError::Descriptor { number: *number, error };
                // Opens a new descriptor, because others may own this one.
                let file = File::open(format!("/proc/self/fd/{number}")).map_err(unreadable)?;
                let mut text = Zeroizing::new(String::with_capacity(SIZE + 2));
                let limit = u64::try_from(SIZE + 2).unwrap_or(u64::MAX);
                file.take(limit).read_to_string(&mut text).map_err(unreadable)?;
                let line = text.lines().next().unwrap_or_default();
                if line.is_empty() {
                    return Err(PassphraseError::Empty { number: *number });
                }
                bounded(Zeroizing::new(line.to_owned()))
            }
        }
    }
}

fn bounded(text: Zeroizing<String>) -> Result<Zeroizing<String>, PassphraseError> {
    if text.len() > SIZE { Err(PassphraseError::Long) } else { Ok(text) }
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// No source was given.
    #[error("no passphrase; use --passphrase-file, --passphrase-fd or {VARIABLE}")]
    Missing,
    /// The value in the environment is not UTF-8.
    #[error("{VARIABLE} is not UTF-8 text")]
    NotText,
    /// The file cannot be used.
    #[error("{reason}")]
    File { reason: String },
    /// The descriptor cannot be read.
    #[error("file descriptor {number} cannot be read")]
    Descriptor {
        number: u32,
        #[source]
        error: std::io::Error,
    },
    /// The descriptor gives an empty line.
    #[error("file descriptor {number} contains no passphrase")]
    Empty { number: u32 },
    #[error("the passphrase is longer than {SIZE} bytes")]
    Long,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn comes_from_a_file_or_a_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        for (text, expected) in [
            ("hunter2\n", Some("hunter2")),
            ("with space ", Some("with space ")),
            ("", None),
            (&"x".repeat(SIZE + 1), None),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let from_file = Passphrase::File(path.clone()).read();
            let file = File::open(&path).unwrap();
            let number = u32::try_from(file.as_raw_fd()).unwrap();
            let from_descriptor = Passphrase::Descriptor(number).read();
            for read in [from_file, from_descriptor] {
                match (read, expected) {
                    (Ok(read), Some(expected)) => assert_eq!(read.as_str(), expected),
                    (Err(_), None) => {}
                    (read, _) => panic!("{text:?}: {read:?}"),
                }
            }
        }
        fs::write(&path, "hunter2").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let open = Passphrase::File(path).read().unwrap_err().to_string();
        assert!(open.contains("gives other users access") && !open.contains("hunter2"), "{open}");
        assert!(Passphrase::Descriptor(9999).read().is_err());
    }
}
