//! Files that appear whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Whether a file must survive a power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    Yes,
    /// It can be derived again.
    No,
}

/// Makes `path` a file with this content and mode, in a directory that exists. It is written as `unfinished`, on the same
/// disk: a name that nobody else writes at the same time. What is left there is replaced, and nothing is left after a failure.
///
/// # Errors
/// When it cannot be written; what was at `path` is still there then.
pub fn write(
    unfinished: &Path,
    path: &Path,
    bytes: &[u8],
    (mode, durable): (u32, Durable),
) -> io::Result<()> {
    let put = || -> io::Result<()> {
        match fs::remove_file(unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(unfinished)?;
        file.write_all(bytes)?;
        if durable == Durable::Yes {
            file.sync_all()?;
        }
        fs::rename(unfinished, path)?;
        match path.parent() {
            Some(parent) if durable == Durable::Yes => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    };
    let written = put();
    if written.is_err() {
        let _ = fs::remove_file(unfinished);
    }
    written
}

/// Makes a directory, and those above it, for this user only. It may exist, also on a disk that cannot be written.
///
/// # Errors
/// When it is not there after that.
pub fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(_) if path.is_dir() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("a/b");
        make_directory(&below).unwrap();
        make_directory(&below).unwrap();
        let (unfinished, path) = (below.join("unfinished"), below.join("file"));
        let put = |bytes: &[u8], mode| write(&unfinished, &path, bytes, (mode, Durable::Yes));
        put(b"one", 0o600).unwrap();
        fs::write(&unfinished, "left by a process that was killed").unwrap();
        put(b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        // Not over a directory.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        put(b"three", 0o600).unwrap_err();
        assert_eq!(fs::read_dir(&below).unwrap().count(), 1, "nothing unfinished is left");
    }
}
