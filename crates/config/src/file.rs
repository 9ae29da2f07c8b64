//! Reads files that decide what may run, unless other users can write them.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

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

/// As the kernel's limit (path_resolution(7)).
const MAX_LINKS: usize = 40;

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
    /// directory on the way to it through all links: from `root` on, or from `/` if a link or an absolute path leads out of
    /// `root`.
    pub fn read(self, root: &Path, path: &Path, limit: u64) -> Result<String, FileError> {
        text(self.read_bytes(root, path, limit)?)
    }

    /// As [`Guard::read`], for a file that may not be text.
    pub fn read_bytes(self, root: &Path, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        let (file, metadata) = open(path)?;
        self.check(&metadata).map_err(|wrong| FileError::Exposed { path: None, wrong })?;
        self.resolve(root, path)?;
        read_limited(file, &metadata, limit)
    }

    /// Reads a text file of at most `limit` bytes that decides nothing; its owner does not matter.
    pub fn read_any(path: &Path, limit: u64) -> Result<String, FileError> {
        let (file, metadata) = open(path)?;
        text(read_limited(file, &metadata, limit)?)
    }

    /// Checks that the file at `path` is a program that no other user can change, as [`Guard::read`] does for a file that is
    /// read, from `/` on. Returns its path without links, to start exactly the file that was checked.
    pub fn check_program(self, path: &Path) -> Result<PathBuf, FileError> {
        let real = self.resolve(Path::new("/"), path)?;
        let metadata = real.metadata().map_err(FileError::of)?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile);
        }
        self.check(&metadata).map_err(|wrong| FileError::Exposed { path: None, wrong })?;
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

    /// The path without links. Checks all directories on the way: from `root` on, or from `/` if the path or a link leads
    /// out of `root`. Where one link leads to another, the directories on the way to both count.
    fn resolve(self, root: &Path, path: &Path) -> Result<PathBuf, FileError> {
        let top = root.canonicalize().map_err(FileError::of)?;
        let (mut at, path) = match path.strip_prefix(root) {
            Ok(rest) => (top.clone(), rest.to_owned()),
            Err(_) => (PathBuf::from("/"), std::path::absolute(path).map_err(FileError::of)?),
        };
        // The last one is the next.
        let mut rest = Vec::new();
        let follow = |rest: &mut Vec<OsString>, path: &Path| {
            rest.extend(path.components().rev().map(|component| component.as_os_str().to_owned()));
        };
        follow(&mut rest, &path);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            match name.to_str() {
                Some("/") => at = PathBuf::from("/"),
                Some(".") => {}
                Some("..") => drop(at.pop()),
                _ => {
                    let is_shared = self.check_way(&top, &at)?;
                    let next = at.join(&name);
                    let metadata = next.symlink_metadata().map_err(FileError::of)?;
                    if !metadata.is_symlink() {
                        at = next;
                        continue;
                    }
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(FileError::of(Errno::ELOOP.into()));
                    }
                    if is_shared && let Err(wrong) = self.judge(metadata.uid(), 0) {
                        return Err(FileError::Exposed { path: Some(next), wrong });
                    }
                    follow(&mut rest, &next.read_link().map_err(FileError::of)?);
                }
            }
        }
        Ok(at)
    }

    /// Checks a directory on the way to a file. Returns whether others can nevertheless add links there.
    fn check_way(self, top: &Path, directory: &Path) -> Result<bool, FileError> {
        let metadata = directory.metadata().map_err(FileError::of)?;
        // A policy that is not in a file has no directory of its own.
        let is_own = top != Path::new("/") && directory.starts_with(top);
        // In a sticky directory users cannot replace files of others.
        let is_shared = !is_own && metadata.mode() & STICKY != 0 && metadata.uid() == 0;
        if !is_shared {
            self.check(&metadata)
                .map_err(|wrong| FileError::Exposed { path: Some(directory.to_owned()), wrong })?;
        }
        Ok(is_shared)
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

fn kind(path: &Path) -> &'static str {
    if path.is_symlink() { "link" } else { "directory" }
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
    /// The file itself, or a directory or a link on the way to it.
    #[error("{}{wrong}", path.as_ref().map(|path| format!("{} {} ", kind(path), path.display())).unwrap_or_default())]
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
            Self::Exposed { path: Some(link), .. } if link.is_symlink() => {
                format!("chown -h root {}", link.display())
            }
            Self::Exposed { path: Some(directory), wrong } => wrong.hint(directory),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

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

    #[test]
    fn no_directory_on_the_way_through_links_is_writable_by_others() {
        let directory = tempfile::tempdir().unwrap();
        // The name of the temporary directory may have links.
        let root = directory.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        for name in ["named", "between", "real"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::copy("/bin/true", at("real/program")).unwrap();
        symlink("../between/link", at("named/program")).unwrap();
        symlink(at("real/program"), at("between/link")).unwrap();
        symlink("real", at("current")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let check =
            |name: &str| Guard::of_process().check_program(&at(name)).map_err(|error| error.to_string());
        let open =
            |name: &str, mode: u32| std::fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        for name in ["named/program", "current/program", "current/../named/./program"] {
            assert_eq!(check(name), Ok(at("real/program")), "{name}");
        }
        for name in ["named", "between", "real"] {
            open(name, 0o777);
            let expected = format!("directory {} is writable by its group", at(name).display());
            assert!(check("named/program").is_err_and(|said| said.starts_with(&expected)), "{name}");
            open(name, 0o755);
        }
        assert!(check("loop").is_err_and(|said| said.starts_with("file cannot be read")));
        // In a sticky directory, everybody can make a link.
        if nix::unistd::geteuid().is_root() {
            open("between", 0o1777);
            assert_eq!(check("named/program"), Ok(at("real/program")));
            lchown(at("between/link"), Some(12345), None).unwrap();
            let said = check("named/program").unwrap_err();
            assert_eq!(said, format!("link {} belongs to user 12345", at("between/link").display()));
        }
    }
}
