//! The temporary directory of a node.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use tempfile::TempDir;

use super::containerd_stop;

const PREFIX: &str = "pullgate-test-";

/// A directory that is removed on drop. Its name contains the process id, so that a later run can remove what a killed one
/// left.
pub struct Directory(TempDir);

impl Directory {
    pub fn new() -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        Self(tempfile::Builder::new().prefix(&prefix).tempdir().expect("cannot make a temporary directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Ends all processes in the directories of this process, and removes them.
pub fn clear_away_ours() {
    left_over().filter(|(_, process)| *process == std::process::id()).for_each(|(path, _)| clear_away(&path));
}

/// Removes directories of processes that no longer run.
fn sweep() {
    left_over()
        .filter(|(_, process)| !Path::new(&format!("/proc/{process}")).exists())
        .for_each(|(path, _)| clear_away(&path));
}

fn clear_away(directory: &Path) {
    containerd_stop::stop(&directory.join("containerd"));
    let _ = fs::remove_dir_all(directory);
}

fn left_over() -> impl Iterator<Item = (PathBuf, u32)> {
    let ours = nix::unistd::geteuid().as_raw();
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let name = entry.file_name();
        let process = name.to_str()?.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()?;
        let found = fs::symlink_metadata(entry.path()).ok()?;
        (found.is_dir() && found.uid() == ours).then(|| (entry.path(), process))
    })
}

/// All files below a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

/// Creates a directory that only its owner may write to, whatever the umask.
pub fn make(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
    set_mode(path, 0o755);
}

/// Writes a file that only its owner may write to, whatever the umask.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    set_mode(path, 0o644);
}

fn set_mode(path: &Path, mode: u32) {
    let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set.unwrap_or_else(|error| panic!("cannot set the mode of {}: {error}", path.display()));
}
