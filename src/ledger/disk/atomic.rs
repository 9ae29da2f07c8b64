//! Files that appear whole or not at all, and their removal.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use bytes::Bytes;
use pullgate_config::atomic::{self, Durable};

use super::super::LedgerError;
use super::{Disk, links, read_entry};

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
    // The holder of the lock is the only user of this name.
    let unfinished = disk.root.join("tmp").join(std::process::id().to_string());
    let parent = path.parent().unwrap_or(&disk.root);
    let shard = if parent.is_dir() { Ok(()) } else { make_shard(parent, durable) };
    let written = shard.and_then(|()| atomic::write(&unfinished, path, bytes, (0o600, durable)));
    written.map_err(|error| LedgerError::at("write", path, error))
}

fn make_shard(path: &Path, durable: Durable) -> io::Result<()> {
    atomic::make_directory(path)?;
    match path.parent() {
        Some(parent) if durable == Durable::Yes => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
