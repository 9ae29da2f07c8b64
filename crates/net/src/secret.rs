//! Files that hold a secret.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

/// Bytes of a password file.
const SIZE: u64 = 64 << 10;

/// Bits of a mode that let others write, or everybody read.
const OPEN: u32 = 0o027;

/// Whether a file may hold a secret: a regular one of root's or this user's, which nobody else can write and not everybody
/// can read.
///
/// # Errors
/// What is wrong with it.
pub fn check(path: &Path) -> Result<(), String> {
    open(path).map(drop)
}

/// The text of a file, without the end of its last line.
pub fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = read_all(path, SIZE)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() || secret.contains(char::is_control) {
        return Err(format!("{} does not hold one line of text", path.display()));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

/// The whole text of a file of at most `limit` bytes.
pub fn read_all(path: &Path, limit: u64) -> Result<Zeroizing<String>, String> {
    let file = open(path)?;
    let mut text = room(limit);
    file.take(limit + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("{} cannot be read: {}", path.display(), error.kind()))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!("{} is larger than {limit} bytes", path.display()));
    }
    Ok(text)
}

/// An empty text that holds `limit` bytes and is wiped with all of them: one that grows leaves copies behind.
pub fn room(limit: u64) -> Zeroizing<String> {
    // Whoever reads looks for the end behind the last byte.
    let capacity = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(64);
    Zeroizing::new(String::with_capacity(capacity))
}

fn open(path: &Path) -> Result<File, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {}", path.display(), error.kind());
    // Without O_NONBLOCK a named pipe would hold the daemon up for ever.
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
        return Err(format!("{} belongs to user {owner}", path.display()));
    }
    if let Some(mode) = mode_open_to_others(&metadata) {
        return Err(format!(
            "{path} holds a secret and is open to others (mode {mode:04o}): chmod 600 {path}",
            path = path.display()
        ));
    }
    Ok(file)
}

/// The mode of a file that others can write, or everybody read.
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
            ("s3cret", 0o644, Err("open to others (mode 0644): chmod 600 /")),
            ("s3cret", 0o620, Err("open to others")),
            ("", 0o600, Err("one line")),
            ("a\nb\n", 0o600, Err("one line")),
        ] {
            let _ = fs::remove_file(&path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match (read(&path), expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.as_str(), expected),
                (Err(said), Err(expected)) => {
                    assert!(said.contains(expected), "{said}");
                    assert!(!said.contains("s3cret"), "{said}");
                }
                (read, _) => panic!("{text:?} {mode:o}: {read:?}"),
            }
        }
        assert!(check(directory.path()).is_err());
    }

    #[test]
    fn no_copy_is_left_behind_by_growing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (length, is_read) in [(0, true), (31, true), (1000, true), (4096, true), (4097, false)] {
            fs::write(&path, "x".repeat(length)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let read = read_all(&path, 4096);
            assert_eq!(read.is_ok(), is_read, "{length}");
            let room = room(4096).capacity();
            assert!(read.is_ok_and(|text| text.capacity() == room) == is_read, "{length}: it has grown");
        }
    }
}
