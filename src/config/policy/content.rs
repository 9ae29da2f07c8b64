//! Where the files of a policy are: on the disk, or in a document that the node follows.

use std::path::{Component, Path, PathBuf};

use pullgate_core::followed::{Document, FilePath};

use crate::config::file::{FileError, Guard};

/// What the names of files in a followed document begin with, in messages.
pub(super) const FOLLOWED: &str = "followed";

/// The files of one policy. A document has all of its files: nothing on the disk is one of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// Files that this guard accepts.
    Disk(Guard),
    /// Files below [`FOLLOWED`].
    Followed(&'a Document),
}

impl Content<'_> {
    /// As [`Guard::read`].
    pub(super) fn read(self, root: &Path, path: &Path, limit: u64) -> Result<String, FileError> {
        match self {
            Self::Disk(guard) => guard.read(root, path, limit),
            Self::Followed(document) => {
                let bytes = find(document, path, limit)?;
                String::from_utf8(bytes).map_err(|_| FileError::NotText)
            }
        }
    }

    /// As [`Guard::read_bytes`].
    pub(super) fn read_bytes(self, root: &Path, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        match self {
            Self::Disk(guard) => guard.read_bytes(root, path, limit),
            Self::Followed(document) => find(document, path, limit),
        }
    }

    pub(super) fn is_directory(self, path: &Path) -> bool {
        match self {
            Self::Disk(_) => path.is_dir(),
            Self::Followed(document) => below(document, path).next().is_some(),
        }
    }

    /// What is in a directory.
    pub(super) fn list(self, directory: &Path) -> Result<Vec<PathBuf>, FileError> {
        match self {
            Self::Disk(guard) => {
                guard.check_directory(directory)?;
                let entries = std::fs::read_dir(directory).map_err(FileError::Io)?;
                let paths = entries.map(|entry| entry.map(|entry| entry.path()));
                paths.collect::<Result<_, _>>().map_err(FileError::Io)
            }
            Self::Followed(document) => {
                Ok(below(document, directory).map(|name| directory.join(name)).collect())
            }
        }
    }
}

fn find(document: &Document, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let path = plain(path).and_then(|path| FilePath::parse(&path)).ok_or(FileError::Missing)?;
    let bytes = document.files().get(&path).ok_or(FileError::Missing)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        true => Ok(bytes.clone()),
        false => Err(FileError::TooLarge { limit }),
    }
}

/// The names of the files directly in a directory of the document.
fn below<'d>(document: &'d Document, directory: &Path) -> impl Iterator<Item = &'d str> {
    let prefix = plain(directory).map(|directory| format!("{directory}/"));
    document.files().keys().filter_map(move |path| {
        let name = path.as_str().strip_prefix(prefix.as_deref()?)?;
        (!name.contains('/')).then_some(name)
    })
}

/// The path within the document, without `.` and `..`; `None` for one that leads out of it.
fn plain(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let (first, rest) = parts.split_first()?;
    (*first == FOLLOWED).then(|| rest.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_document() {
        for (path, expected) in [
            ("followed/policy.toml", Some("policy.toml")),
            ("followed/policy.d/../keys/./a.pem", Some("keys/a.pem")),
            ("followed/../followed/a", Some("a")),
            ("followed/../policy.toml", None),
            ("followed/../../etc/passwd", None),
            ("/etc/passwd", None),
            ("policy.toml", None),
            ("", None),
        ] {
            assert_eq!(plain(Path::new(path)).as_deref(), expected, "{path}");
        }
    }
}
