//! Reads files of the ledger, if they can be its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use super::Unreadable;

/// The content of a file and its handle; `None` when it does not exist. An error if it is larger than `limit` bytes.
pub(super) fn read(path: &Path, limit: usize) -> Result<Option<(Vec<u8>, File)>, Unreadable> {
    // Does not follow a symbolic link, and does not block on a named pipe.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(damaged("it is a symbolic link"));
        }
        Err(error) => return Err(Unreadable::Io(error)),
    };
    let found = file.metadata().map_err(Unreadable::Io)?;
    if !found.is_file() {
        return Err(damaged("it is not a file"));
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(damaged("it belongs to another user"));
    }
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    if found.len() > limit {
        return Err(damaged("it is too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
    (&file).take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Unreadable::Io)?;
    Ok(Some((bytes, file)))
}

fn damaged(why: &'static str) -> Unreadable {
    Unreadable::Damaged(Box::new(why))
}
