//! Writes to the ledger: one at a time, completely or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::super::{Evidence, LedgerError, entry};
use super::{Disk, links, read_entry};

/// How long a writer waits for another process, which only exists during an upgrade.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a file must survive a power failure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    /// It can be derived from the entries.
    No,
}

impl Disk {
    /// Merges `evidence` into the entry for its place. A concurrent reader sees the old or the new entry.
    pub(in super::super) fn keep(&self, evidence: &Evidence) -> Result<(), LedgerError> {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = self.lock()?;
        let place = evidence.place();
        let path = self.entry(&place);
        let old = read_entry(&path).ok().flatten().filter(|(old, _)| old.place() == place);
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
            let bytes = entry::encode(&evidence)?;
            let counted = match &mut *usage {
                Some(counted) => counted,
                unknown => {
                    self.clear_unfinished();
                    unknown.insert(self.count())
                }
            };
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.make_room(counted, length, &path);
            self.write_file(&path, &bytes, Durable::Yes)?;
            counted.replace(size_before, length);
        }
        for image in &evidence.images {
            let path = self.links(&image.id);
            if let Some(bytes) = links::with(links::read(&path), &place) {
                self.write_file(&path, &bytes, Durable::No)?;
            }
        }
        Ok(())
    }

    /// Removes the entry at `path` and the links to it. Links first: a dangling link would stay indefinitely, while
    /// evidence without a link is still found by its place.
    pub(super) fn remove(&self, path: &Path) {
        if let Ok(Some((evidence, _))) = read_entry(path) {
            let place = evidence.place();
            for image in &evidence.images {
                let path = self.links(&image.id);
                let mut places = links::read(&path);
                places.retain(|other| *other != place);
                if places.is_empty() {
                    let _ = fs::remove_file(&path);
                } else if let Err(error) = self.write_file(&path, &links::write(&places), Durable::No) {
                    tracing::debug!(%error, "cannot remove a link to evicted evidence");
                }
            }
        }
        let _ = fs::remove_file(path);
    }

    fn write_file(&self, path: &Path, bytes: &[u8], durable: Durable) -> Result<(), LedgerError> {
        let unfinished = self.root.join("tmp").join(std::process::id().to_string());
        let written = self.write_and_rename(&unfinished, path, bytes, durable);
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.map_err(|error| LedgerError::at("write", path, error))
    }

    fn write_and_rename(
        &self,
        unfinished: &Path,
        path: &Path,
        bytes: &[u8],
        durable: Durable,
    ) -> io::Result<()> {
        let parent = path.parent().unwrap_or(&self.root);
        if !parent.is_dir() {
            make_shard(parent, durable)?;
        }
        // Only the owner of the lock uses this name; an existing file is left over.
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

    /// Removes files of a writer that was killed. Only the owner of the lock writes.
    fn clear_unfinished(&self) {
        for file in fs::read_dir(self.root.join("tmp")).into_iter().flatten().flatten() {
            let _ = fs::remove_file(file.path());
        }
    }

    fn lock(&self) -> Result<Flock<File>, LedgerError> {
        let path = self.root.join("lock");
        let flags = OFlag::O_NOFOLLOW.bits();
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(&path);
        let mut file = opened.map_err(|error| LedgerError::at("open", &path, error))?;
        let end = Instant::now() + LOCK_TIMEOUT;
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) if Instant::now() < end => file,
                Err((_, error)) => return Err(LedgerError::at("lock", &path, error.into())),
            };
            std::thread::sleep(Duration::from_millis(2));
        }
    }
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
