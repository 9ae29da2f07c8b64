//! What was changed on the node, so that exactly this is restored.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::NodeError;
use super::tree::{Contents, Tree};
use crate::digest::Digest;

const RECORD: &str = "/var/lib/pullgate/node.json";
const BACKUPS: &str = "/var/lib/pullgate/node-backup";
/// Of the directories of the record, as `StateDirectoryMode=` of pullgate.service.
const STATE_MODE: u32 = 0o700;
const DIRECTORY_MODE: u32 = 0o755;

/// What a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Part {
    Program,
    Kubelet,
}

/// The record, kept on the node. Written before each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Record {
    /// The unit that runs kubelet.
    pub(super) unit: Option<String>,
    pub(super) files: Vec<ChangedFile>,
    /// Directories that were made, outermost first.
    directories: Vec<PathBuf>,
    /// Whether the units were enabled.
    pub(super) enabled: bool,
    /// Whether pullgate has to be restarted for what was written.
    pub(super) restart_pullgate: bool,
    /// Whether kubelet has to be restarted, or was not seen to be ready since.
    pub(super) restart_kubelet: bool,
    /// Whether kubelet was ready with pullgate once: from then on, a failure does not take pullgate out again.
    pub(super) installed: bool,
    /// The attempt that was taken back.
    pub(super) failure: Option<FailedAttempt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailedAttempt {
    /// Of what was attempted.
    pub(super) fingerprint: String,
    pub(super) why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedFile {
    pub(super) path: PathBuf,
    pub(super) part: Part,
    /// Where the file as it was before is kept, and its mode. `None` if there was none.
    previous: Option<(PathBuf, u32)>,
    /// The SHA-256 of what was written last, and of what was written before that: a crash may leave either.
    written: Vec<String>,
    /// What this file was before the `install` that has not ended well yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<Attempt>,
}

/// What an update replaces, so that it can be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Attempt {
    /// A file that pullgate had not changed before.
    Added,
    /// Somebody had removed the file.
    Absent,
    /// The file is kept here, with its mode. `ours` if pullgate wrote it.
    Replaced { backup: PathBuf, mode: u32, ours: bool },
}

impl ChangedFile {
    /// Whether `uninstall` removes the file: there was none before.
    pub(super) fn is_new(&self) -> bool {
        self.previous.is_none()
    }

    /// Whether the update of this file can be put back. Without what pullgate itself wrote for it, kubelet would perhaps not
    /// use pullgate.
    fn can_go_back(&self) -> bool {
        match (&self.attempt, self.part) {
            (Some(Attempt::Replaced { ours, .. }), part) => *ours || part == Part::Program,
            (Some(Attempt::Added), part) => part == Part::Program,
            (Some(Attempt::Absent) | None, _) => false,
        }
    }

    fn backups(&self) -> impl Iterator<Item = &PathBuf> {
        let attempt = match &self.attempt {
            Some(Attempt::Replaced { backup, .. }) => Some(backup),
            _ => None,
        };
        self.previous.iter().map(|(backup, _)| backup).chain(attempt)
    }
}

impl Record {
    pub(super) fn load(tree: &Tree) -> Result<Self, NodeError> {
        let path = Path::new(RECORD);
        let text = tree.text(path).map_err(|error| NodeError::file("read", path, error))?;
        let Some(text) = text else { return Ok(Self::default()) };
        serde_json::from_str(&text).map_err(|error| NodeError::file("read", path, error.into()))
    }

    /// Notes that kubelet is ready with pullgate.
    pub(super) fn set_installed(&mut self, tree: &Tree) -> Result<(), NodeError> {
        if self.installed {
            return Ok(());
        }
        self.installed = true;
        self.save(tree)
    }

    /// Whether there is nothing to restore.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.enabled && !self.restart_kubelet && self.directories.is_empty()
    }

    pub(super) fn save(&mut self, tree: &Tree) -> Result<(), NodeError> {
        let path = Path::new(RECORD);
        let put = |record: &mut Self| -> std::io::Result<()> {
            let missing = tree.missing_directories(path)?;
            for directory in &missing {
                let is_state = path.parent() == Some(directory.as_path());
                tree.make_directory(directory, if is_state { STATE_MODE } else { DIRECTORY_MODE })?;
            }
            record.add_directories(&missing);
            let bytes = serde_json::to_vec_pretty(record)?;
            tree.write(path, &Contents { bytes, mode: 0o600 })
        };
        put(self).map_err(|error| NodeError::file("write", path, error))
    }

    /// Writes a file, after what was there before is recorded.
    pub(super) fn change(
        &mut self,
        tree: &Tree,
        path: &Path,
        contents: &Contents,
        part: Part,
    ) -> Result<(), NodeError> {
        let put = |record: &mut Self| -> Result<(), std::io::Error> {
            let written = hash(&contents.bytes);
            let now = tree.read(path)?;
            let name = hash(path.as_os_str().as_encoded_bytes());
            if let Some(known) = record.files.iter_mut().find(|it| it.path == path) {
                if known.attempt.is_none() {
                    known.attempt = Some(match now {
                        None => Attempt::Absent,
                        Some(now) => Attempt::Replaced {
                            backup: keep(tree, &format!("{name}-update"), &now)?,
                            mode: now.mode,
                            ours: known.written.contains(&hash(&now.bytes)),
                        },
                    });
                }
                known.written.truncate(1);
                known.written.insert(0, written);
            } else {
                let previous = match now {
                    None => None,
                    Some(before) => {
                        let backup = keep(tree, &format!("{name}-{}", before.mode), &before)?;
                        Some((backup, before.mode))
                    }
                };
                record.files.push(ChangedFile {
                    path: path.to_owned(),
                    part,
                    previous,
                    written: vec![written],
                    attempt: Some(Attempt::Added),
                });
            }
            Ok(())
        };
        let failed = |error| NodeError::file("write", path, error);
        if self.files.is_empty() {
            // The directory of backups is beside the record.
            self.save(tree)?;
        }
        put(self).map_err(failed)?;
        let missing = tree.missing_directories(path).map_err(failed)?;
        self.add_directories(&missing);
        self.save(tree)?;
        for directory in &missing {
            tree.make_directory(directory, DIRECTORY_MODE).map_err(failed)?;
        }
        tree.write(path, contents).map_err(failed)
    }

    fn add_directories(&mut self, made: &[PathBuf]) {
        let new = made.iter().filter(|it| !self.directories.contains(it)).cloned().collect::<Vec<_>>();
        self.directories.extend(new);
    }

    /// Restores the files for which `applies`, the last one first. One that was changed by others since stays as it is;
    /// the result has its path.
    pub(super) fn restore(
        &mut self,
        tree: &Tree,
        applies: impl Fn(&ChangedFile) -> bool,
    ) -> Result<Vec<PathBuf>, NodeError> {
        let mut left = Vec::new();
        for index in (0..self.files.len()).rev() {
            let Some(file) = self.files.get(index).filter(|it| applies(it)).cloned() else { continue };
            let back = || -> Result<bool, std::io::Error> {
                let now = tree.read(&file.path)?;
                let before = match &file.previous {
                    None => None,
                    Some((backup, mode)) => {
                        let kept = tree.read(backup)?.ok_or(std::io::ErrorKind::NotFound)?;
                        Some(Contents { mode: *mode, ..kept })
                    }
                };
                if now == before {
                    return Ok(true);
                }
                // Absent: somebody removed it, for example a package that was removed.
                if now.is_some_and(|now| !file.written.contains(&hash(&now.bytes))) {
                    return Ok(false);
                }
                match before {
                    Some(before) => tree.write(&file.path, &before)?,
                    None => tree.remove(&file.path)?,
                }
                Ok(true)
            };
            if !back().map_err(|error| NodeError::file("restore", &file.path, error))? {
                left.push(file.path.clone());
            }
            self.files.remove(index);
            self.save(tree)?;
            for backup in file.backups() {
                tree.remove(backup).map_err(|error| NodeError::file("remove", backup, error))?;
            }
        }
        Ok(left)
    }

    /// The parts of which an update can be put back.
    pub(super) fn parts_to_put_back(&self) -> Vec<Part> {
        self.files.iter().filter(|it| it.can_go_back()).map(|it| it.part).collect()
    }

    /// Restores what the `install` that failed has replaced, the last one first.
    pub(super) fn put_update_back(&mut self, tree: &Tree) -> Result<(), NodeError> {
        self.restore(tree, |file| file.can_go_back() && file.attempt == Some(Attempt::Added))?;
        for index in (0..self.files.len()).rev() {
            let Some(file) = self.files.get_mut(index).filter(|it| it.can_go_back()) else { continue };
            let Some(Attempt::Replaced { backup, mode, ours }) = file.attempt.clone() else { continue };
            let path = file.path.clone();
            let failed = |error| NodeError::file("restore", &path, error);
            let kept = tree.read(&backup).map_err(failed)?;
            let kept = kept.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
            if ours {
                file.written.push(hash(&kept.bytes));
            }
            self.save(tree)?;
            tree.write(&path, &Contents { mode, ..kept }).map_err(failed)?;
        }
        self.settle(tree)
    }

    /// Ends an `install`: what it replaced is not needed any more.
    pub(super) fn settle(&mut self, tree: &Tree) -> Result<(), NodeError> {
        let attempts: Vec<_> = self.files.iter_mut().filter_map(|it| it.attempt.take()).collect();
        if attempts.is_empty() {
            return Ok(());
        }
        self.save(tree)?;
        for attempt in attempts {
            if let Attempt::Replaced { backup, .. } = attempt {
                tree.remove(&backup).map_err(|error| NodeError::file("remove", &backup, error))?;
            }
        }
        tree.remove_if_empty(Path::new(BACKUPS));
        Ok(())
    }

    /// Removes the record and the directories that were made, except those that others use now.
    pub(super) fn remove(self, tree: &Tree) -> Result<(), NodeError> {
        let path = Path::new(RECORD);
        tree.remove(path).map_err(|error| NodeError::file("remove", path, error))?;
        // A crash may have left some.
        let backups = Path::new(BACKUPS);
        for backup in tree.files(backups, "").map_err(|error| NodeError::file("read", backups, error))? {
            tree.remove(&backup).map_err(|error| NodeError::file("remove", &backup, error))?;
        }
        tree.remove_if_empty(backups);
        for directory in self.directories.iter().rev() {
            tree.remove_if_empty(directory);
        }
        Ok(())
    }

    /// Removes directories that were made and are not needed without the files that were restored.
    pub(super) fn remove_directories(&mut self, tree: &Tree) {
        let state = Path::new(RECORD);
        for directory in self.directories.iter().rev().filter(|it| !state.starts_with(it)) {
            tree.remove_if_empty(directory);
        }
        self.directories.retain(|it| tree.at(it).is_ok_and(|at| at.is_dir()));
    }
}

/// Keeps a file for later, and returns where.
fn keep(tree: &Tree, name: &str, contents: &Contents) -> Result<PathBuf, std::io::Error> {
    let backup = Path::new(BACKUPS).join(name);
    if tree.missing_directories(&backup)?.iter().any(|it| it == Path::new(BACKUPS)) {
        tree.make_directory(Path::new(BACKUPS), STATE_MODE)?;
    }
    tree.write(&backup, &Contents { mode: 0o600, ..contents.clone() })?;
    Ok(backup)
}

/// The SHA-256 of bytes, in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    Digest::of(bytes).hex().to_owned()
}
