//! Writing: one at a time, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use pullgate_config::atomic::Durable;

use super::super::{Evidence, LedgerError, entry};
use super::atomic::put;
use super::{Disk, bounds, links, read_entry};

/// How long a writer waits for one in another process, which exists only during an upgrade.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// See [`Disk::keep`].
pub(super) fn keep(disk: &Disk, evidence: &Evidence) -> Result<(), LedgerError> {
    let mut usage = disk.usage.lock().unwrap_or_else(PoisonError::into_inner);
    let _lock = lock(disk)?;
    let place = evidence.place();
    let path = disk.entry(&place);
    let old = read_entry(&path, Bytes::from).ok().flatten().filter(|(old, _)| old.place() == place);
    let mut evidence = evidence.clone();
    let mut size_before = None;
    if let Some((old, file)) = &old {
        evidence.add(old);
        size_before = file.metadata().ok().map(|found| found.len());
    }
    let unchanged = old.as_ref().is_some_and(|(old, _)| old.includes(&evidence));
    if let Some((_, file)) = old.as_ref().filter(|_| unchanged) {
        let _ = file.set_modified(SystemTime::now());
    } else {
        drop(old);
        let bytes = entry::encode(&evidence)?;
        let counted = match &mut *usage {
            Some(counted) => counted,
            unknown => {
                clear_unfinished(disk);
                unknown.insert(bounds::count(disk))
            }
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        bounds::make_room(disk, counted, length, &path);
        put(disk, &path, &bytes, Durable::Yes)?;
        counted.replace(size_before, length);
    }
    for image in &evidence.images {
        let path = disk.links(&image.id);
        if let Some(bytes) = links::with(links::read(&path), &place, |linked| disk.size(linked)) {
            put(disk, &path, &bytes, Durable::No)?;
        }
    }
    Ok(())
}

/// Removes files of a writer that was killed. The holder of the lock is the only writer.
fn clear_unfinished(disk: &Disk) {
    for left in fs::read_dir(disk.root.join("tmp")).into_iter().flatten().flatten() {
        let _ = fs::remove_file(left.path());
    }
}

fn lock(disk: &Disk) -> Result<Flock<File>, LedgerError> {
    let path = disk.root.join("lock");
    let flags = OFlag::O_NOFOLLOW.bits();
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(&path);
    let mut file = opened.map_err(|error| LedgerError::at("open", &path, error))?;
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) if Instant::now() < end => file,
            Err((_, error)) => return Err(LedgerError::at("lock", &path, error.into())),
        };
        std::thread::sleep(Duration::from_millis(2));
    }
}
