//! The files of a node, at `/` or where its root is mounted.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use pullgate_config::atomic::{self, Durable};

/// Maximum size of a file that is read, in bytes: the program is the largest one.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Maximum size of a file with configuration, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Maximum number of files in a directory of kubelet's configuration.
const MAX_FILES: usize = 1000;
/// Maximum number of symbolic links in a path, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A file's bytes and the bits of its mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// The root of a node.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where a path of the node is for this process. Symbolic links lead where they lead on the node, so not out of its root.
    pub(crate) fn at(&self, path: &Path) -> io::Result<PathBuf> {
        let mut rest: Vec<OsString> = parts(path);
        let mut at = self.root.clone();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                if at != self.root {
                    at.pop();
                }
                continue;
            }
            let next = at.join(&part);
            let Ok(target) = fs::read_link(&next) else {
                at = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::other("too many symbolic links"));
            }
            if target.is_absolute() {
                at.clone_from(&self.root);
            }
            rest.append(&mut parts(&target));
        }
        Ok(at)
    }

    /// A file with configuration. `None` if it does not exist.
    pub(crate) fn text(&self, path: &Path) -> io::Result<Option<String>> {
        let contents = self.contents(path, MAX_TEXT_BYTES)?;
        Ok(contents.map(|it| String::from_utf8_lossy(&it.bytes).into_owned()))
    }

    /// Any file. `None` if it does not exist.
    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Contents>> {
        self.contents(path, MAX_FILE_BYTES)
    }

    fn contents(&self, path: &Path, limit: u64) -> io::Result<Option<Contents>> {
        let at = self.at(path)?;
        let metadata = match fs::metadata(&at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut bytes = Vec::new();
        fs::File::open(&at)?.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!("larger than {limit} bytes")));
        }
        Ok(Some(Contents { bytes, mode: metadata.permissions().mode() & 0o7777 }))
    }

    /// The files in a directory whose names have this ending, sorted by name. None if the directory does not exist.
    pub(crate) fn files(&self, directory: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(self.at(directory)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            if name.to_string_lossy().ends_with(ending) {
                found.push(directory.join(name));
            }
        }
        found.sort();
        Ok(found)
    }

    /// As [`Self::files`], with those in directories below, in the order of Go's `filepath.WalkDir`. It does not follow links.
    pub(crate) fn files_below(&self, directory: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
        let (mut found, mut directories) = (Vec::new(), vec![directory.to_owned()]);
        while let Some(directory) = directories.pop() {
            for path in self.files(&directory, "")? {
                if fs::symlink_metadata(self.at(&directory)?.join(path.file_name().unwrap_or_default()))?
                    .is_dir()
                {
                    directories.push(path);
                } else if path.to_string_lossy().ends_with(ending) {
                    found.push(path);
                }
            }
            if found.len() + directories.len() > MAX_FILES {
                return Err(io::Error::other(format!("more than {MAX_FILES} files")));
            }
        }
        // Paths are compared name by name.
        found.sort();
        Ok(found)
    }

    /// The directories on the way to a path that do not exist yet, outermost first.
    pub(super) fn missing_directories(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        for directory in path.ancestors().skip(1).filter(|it| *it != Path::new("/")) {
            if self.at(directory)?.is_dir() {
                break;
            }
            missing.insert(0, directory.to_owned());
        }
        Ok(missing)
    }

    /// Writes a file whole or not at all, in a directory that exists.
    pub(super) fn write(&self, path: &Path, contents: &Contents) -> io::Result<()> {
        let at = self.at(path)?;
        let mut unfinished = at.clone().into_os_string();
        // systemd and kubelet read only names with their endings.
        unfinished.push(".pullgate-new");
        atomic::write(Path::new(&unfinished), &at, &contents.bytes, (contents.mode, Durable::Yes))?;
        // The mode at creation is subject to the umask.
        fs::set_permissions(&at, fs::Permissions::from_mode(contents.mode))
    }

    pub(super) fn make_directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        let at = self.at(path)?;
        fs::create_dir(&at)?;
        fs::set_permissions(&at, fs::Permissions::from_mode(mode))
    }

    /// Removes a file. It may be absent.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(self.at(path)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a directory if it is there and empty.
    pub(super) fn remove_if_empty(&self, path: &Path) {
        let _ = self.at(path).and_then(fs::remove_dir);
    }
}

/// The names in a path, last first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_the_node_do_not_lead_out_of_its_root() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let tree = Tree::new(root);
        fs::create_dir_all(root.join("data/kubelet")).unwrap();
        symlink("/data/kubelet", root.join("absolute")).unwrap();
        symlink("../../../data", root.join("climbing")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        for (path, expected) in [
            ("/absolute/config.yaml", "data/kubelet/config.yaml"),
            ("/climbing/kubelet", "data/kubelet"),
            ("/../../etc/shadow", "etc/shadow"),
            ("/absent/file", "absent/file"),
        ] {
            assert_eq!(tree.at(Path::new(path)).unwrap(), root.join(expected), "{path}");
        }
        tree.at(Path::new("/circle")).unwrap_err();
    }
}
