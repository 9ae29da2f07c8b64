//! Files that contain a secret.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

/// Maximum size of a password file, in bytes.
const SIZE: u64 = 64 << 10;

/// Mode bits that let others write, or everybody read.
const OPEN: u32 = 0o027;

/// Checks that a file may contain a secret: a regular file owned by root or this user, not writable by others and not
/// readable by everybody.
///
/// # Errors
/// The reason, with the path.
pub fn check(path: &Path) -> Result<(), String> {
    open(path).map(drop)
}

/// The content of a file, without the line end.
pub fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = read_all(path, SIZE)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() || secret.contains(char::is_control) {
        return Err(format!("{} does not contain exactly one line of text", path.display()));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

/// The whole content of a file of at most `limit` bytes.
pub fn read_all(path: &Path, limit: u64) -> Result<Zeroizing<String>, String> {
    let file = open(path)?;
    let mut text = zeroizing_buffer(limit);
    file.take(limit + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("{} cannot be read: {}", path.display(), error.kind()))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!("{} is larger than {limit} bytes", path.display()));
    }
    Ok(text)
}

/// An empty string with capacity for `limit` bytes, wiped on drop: growing would leave copies in memory.
pub fn zeroizing_buffer(limit: u64) -> Zeroizing<String> {
    // A reader needs room behind the last byte to detect the end.
    let capacity = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(64);
    Zeroizing::new(String::with_capacity(capacity))
}

fn open(path: &Path) -> Result<File, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {}", path.display(), error.kind());
    // Without O_NONBLOCK, a named pipe would block the daemon indefinitely.
    let file = File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    let owner = metadata.uid();
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(format!(
            "{} belongs to user {owner}, not to root or the user of this process",
            path.display()
        ));
    }
    if let Some(mode) = mode_open_to_others(&metadata) {
        return Err(format!(
            "{path} contains a secret, but its mode {mode:04o} gives other users access: run `chmod 600 {path}`",
            path = path.display()
        ));
    }
    Ok(file)
}

/// The mode of a file, if others can write it or everybody can read it.
pub fn mode_open_to_others(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.mode() & 0o777;
    (mode & OPEN != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_one_line_that_others_cannot_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        for (text, mode, expected) in [
            ("s3cret\n", 0o600, Ok("s3cret")),
            ("s3cret", 0o640, Ok("s3cret")),
            ("s3cret\r\n", 0o400, Ok("s3cret")),
            ("s3cret", 0o644, Err("its mode 0644 gives other users access: run `chmod 600 /")),
            ("s3cret", 0o620, Err("gives other users access")),
            ("", 0o600, Err("one line")),
            ("a\nb\n", 0o600, Err("one line")),
        ] {
            let _ = fs::remove_file(&path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match (read(&path), expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.as_str(), expected),
                (Err(error), Err(expected)) => {
                    assert!(error.contains(expected), "{error}");
                    assert!(!error.contains("s3cret"), "{error}");
                }
                (read, _) => panic!("{text:?} {mode:o}: {read:?}"),
            }
        }
        assert!(check(directory.path()).is_err());
    }

    #[test]
    fn the_buffer_is_never_reallocated() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (length, is_read) in [(0, true), (31, true), (1000, true), (4096, true), (4097, false)] {
            fs::write(&path, "x".repeat(length)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let read = read_all(&path, 4096);
            assert_eq!(read.is_ok(), is_read, "{length}");
            let capacity = zeroizing_buffer(4096).capacity();
            assert!(
                read.is_ok_and(|text| text.capacity() == capacity) == is_read,
                "{length}: the buffer was reallocated"
            );
        }
    }
}
