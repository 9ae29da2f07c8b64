//! Files that appear whole or not at all, and their removal.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;

use super::super::LedgerError;
use super::{Disk, links, read_entry};

/// Whether a file must survive a power failure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    Yes,
    /// It can be derived again.
    No,
}

/// Removes the entry at `path` and the links to it. Links first: a stale link would stay, while evidence without a link
/// is found by its place.
pub(super) fn remove(disk: &Disk, path: &Path) {
    if let Ok(Some((evidence, _))) = read_entry(path, Bytes::from) {
        let place = evidence.place();
        for image in &evidence.images {
            let path = disk.links(&image.id);
            let mut places = links::read(&path);
            places.retain(|other| *other != place);
            if places.is_empty() {
                let _ = fs::remove_file(&path);
            } else if let Err(error) = put(disk, &path, &links::write(&places), Durable::No) {
                tracing::debug!(%error, "cannot remove a link to evicted evidence");
            }
        }
    }
    let _ = fs::remove_file(path);
}

pub(super) fn put(disk: &Disk, path: &Path, bytes: &[u8], durable: Durable) -> Result<(), LedgerError> {
    let unfinished = disk.root.join("tmp").join(std::process::id().to_string());
    let written = put_by(disk, &unfinished, path, bytes, durable);
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written.map_err(|error| LedgerError::at("write", path, error))
}

fn put_by(disk: &Disk, unfinished: &Path, path: &Path, bytes: &[u8], durable: Durable) -> io::Result<()> {
    let parent = path.parent().unwrap_or(&disk.root);
    if !parent.is_dir() {
        make_shard(parent, durable)?;
    }
    // The holder of the lock is the only user of this name; an existing file is left over.
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(bytes)?;
    if durable == Durable::Yes {
        file.sync_all()?;
    }
    fs::rename(unfinished, path)?;
    if durable == Durable::Yes {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn make_shard(path: &Path, durable: Durable) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match path.parent() {
        Some(parent) if durable == Durable::Yes => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
