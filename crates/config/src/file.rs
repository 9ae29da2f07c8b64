//! Reads files that decide what may run, unless other users can write them.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::problem::Problem;

/// Who may own and write the files of a configuration.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The user of this process. Root is always accepted too.
    user: u32,
}

/// Bits of a file's mode.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o111;

impl Guard {
    /// For the user of this process.
    pub fn of_process() -> Self {
        Self { user: nix::unistd::geteuid().as_raw() }
    }

    /// For another user than that of this process.
    pub fn of_user(user: u32) -> Self {
        Self { user }
    }

    /// Reads a text file of at most `limit` bytes below the configuration directory `root`, or outside of it.
    ///
    /// Symbolic links are followed: mounted ConfigMaps consist of them. No other user may be able to change the file, or a
    /// directory on the path to it, both as named and as resolved: up to `root`, or up to `/` if a link or an absolute path
    /// leads out of `root`.
    pub fn read(self, root: &Path, path: &Path, limit: u64) -> Result<String, FileError> {
        text(self.read_bytes(root, path, limit)?)
    }

    /// As [`Guard::read`], for a file that may not be text.
    pub fn read_bytes(self, root: &Path, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        let (file, metadata) = open(path)?;
        self.check(&metadata).map_err(|wrong| FileError::Exposed { path: None, wrong })?;
        self.check_directories(root, path)?;
        read_limited(file, &metadata, limit)
    }

    /// Reads a text file of at most `limit` bytes that decides nothing; its owner does not matter.
    pub fn read_any(path: &Path, limit: u64) -> Result<String, FileError> {
        let (file, metadata) = open(path)?;
        text(read_limited(file, &metadata, limit)?)
    }

    /// Checks that the file at `path` is a program that no other user can change, as [`Guard::read`] does for a file that is
    /// read, up to `/`. Returns its path without links, to start exactly the file that was checked.
    pub fn check_program(self, path: &Path) -> Result<PathBuf, FileError> {
        let real = path.canonicalize().map_err(FileError::of)?;
        let metadata = real.metadata().map_err(FileError::of)?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile);
        }
        self.check(&metadata).map_err(|wrong| FileError::Exposed { path: None, wrong })?;
        for path in [path, &real] {
            self.check_directories(Path::new("/"), path)?;
        }
        if metadata.mode() & EXECUTABLE == 0 { Err(FileError::NotExecutable) } else { Ok(real) }
    }

    /// Whether a directory can be trusted to list files.
    pub fn check_directory(self, path: &Path) -> Result<(), FileError> {
        let metadata = path.metadata().map_err(FileError::of)?;
        if !metadata.is_dir() {
            return Err(FileError::NotADirectory);
        }
        self.check(&metadata).map_err(|wrong| FileError::Exposed { path: None, wrong })
    }

    fn check_directories(self, root: &Path, path: &Path) -> Result<(), FileError> {
        let real_root = root.canonicalize().map_err(FileError::of)?;
        let real = path.canonicalize().map_err(FileError::of)?;
        let named =
            path.parent().into_iter().flat_map(Path::ancestors).take_while(|path| path.starts_with(root));
        // A policy that is not in a file has no directory of its own.
        let within = real_root != Path::new("/") && real.starts_with(&real_root);
        let stop = if within { real_root.as_path() } else { Path::new("/") };
        let end =
            real.parent().into_iter().flat_map(Path::ancestors).take_while(|path| path.starts_with(stop));
        for directory in named.chain(end) {
            let metadata = directory.metadata().map_err(FileError::of)?;
            // In a sticky directory users cannot replace files of others.
            let shared = !within && metadata.mode() & STICKY != 0 && metadata.uid() == 0;
            if !shared {
                self.check(&metadata)
                    .map_err(|wrong| FileError::Exposed { path: Some(directory.to_owned()), wrong })?;
            }
        }
        Ok(())
    }

    fn check(self, metadata: &Metadata) -> Result<(), Exposure> {
        self.judge(metadata.uid(), metadata.mode())
    }

    fn judge(self, owner: u32, mode: u32) -> Result<(), Exposure> {
        if owner != 0 && owner != self.user {
            return Err(Exposure::Owner(owner));
        }
        if mode & WRITABLE_BY_OTHERS != 0 {
            return Err(Exposure::Mode(mode & 0o7777));
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<(File, Metadata), FileError> {
    // Without O_NONBLOCK, opening a named pipe could block forever.
    let file = File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(FileError::of)?;
    let metadata = file.metadata().map_err(FileError::of)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(FileError::NotAFile) }
}

fn read_limited(file: File, metadata: &Metadata, limit: u64) -> Result<Vec<u8>, FileError> {
    if metadata.len() > limit {
        return Err(FileError::TooLarge { limit });
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(FileError::of)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > limit) {
        return Err(FileError::TooLarge { limit });
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, FileError> {
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotText)?;
    if text.starts_with('\u{feff}') { Err(FileError::ByteOrderMark) } else { Ok(text) }
}

/// Which other user could change a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposure {
    /// An owner that is neither root nor this user.
    #[error("belongs to user {0}")]
    Owner(u32),
    /// Its group, or every user.
    #[error("is writable by its group or by everybody (mode {0:04o})")]
    Mode(u32),
}

impl Exposure {
    pub fn hint(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Owner(_) => format!("chown root {path}"),
            Self::Mode(_) => format!("chmod go-w {path}"),
        }
    }
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("file does not exist")]
    Missing,
    #[error("file cannot be read ({})", .0.kind())]
    Io(#[source] io::Error),
    #[error("is not a regular file")]
    NotAFile,
    #[error("is not a directory")]
    NotADirectory,
    #[error("is not executable")]
    NotExecutable,
    #[error("file is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("file is not UTF-8 text")]
    NotText,
    #[error("file begins with a byte order mark")]
    ByteOrderMark,
    #[error("{}{wrong}", path.as_ref().map(|path| format!("directory {} ", path.display())).unwrap_or_default())]
    Exposed { path: Option<PathBuf>, wrong: Exposure },
}

impl FileError {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }

    /// The problem that the file at `path` is, which messages call `name`.
    pub fn problem(&self, name: &str, path: &Path) -> Problem {
        Problem::new(name, None, self.to_string(), self.hint(path))
    }

    /// What to do about it, for the file at `path`.
    pub fn hint(&self, path: &Path) -> String {
        match self {
            Self::Missing => "create the file, or correct the name".to_owned(),
            Self::Io(error) => format!("the operating system reports: {error}"),
            Self::NotAFile => "name a file".to_owned(),
            Self::NotADirectory => "remove the file, or replace it with a directory".to_owned(),
            Self::NotExecutable => format!("chmod +x {}", path.display()),
            Self::TooLarge { .. } => "split it".to_owned(),
            Self::NotText => "save the file as UTF-8".to_owned(),
            Self::ByteOrderMark => "save the file as UTF-8 without a byte order mark (BOM)".to_owned(),
            Self::Exposed { path: None, wrong } => wrong.hint(path),
            Self::Exposed { path: Some(directory), wrong } => wrong.hint(directory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_running_user_own_files_that_only_they_write() {
        let guard = Guard { user: 1000 };
        for (owner, mode, expected) in [
            (0, 0o100_644, Ok(())),
            (0, 0o100_444, Ok(())),
            (1000, 0o100_600, Ok(())),
            (1000, 0o040_755, Ok(())),
            (1001, 0o100_600, Err(Exposure::Owner(1001))),
            (0, 0o100_664, Err(Exposure::Mode(0o664))),
            (0, 0o100_646, Err(Exposure::Mode(0o646))),
            (0, 0o041_777, Err(Exposure::Mode(0o1777))),
        ] {
            assert_eq!(guard.judge(owner, mode), expected, "{owner} {mode:o}");
        }
    }
}
