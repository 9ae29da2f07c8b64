//! The audit record of signatures: one JSON object per line, on disk before the job's result.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::QueueError;

const NAME: &str = "audit.jsonl";

#[derive(Debug)]
pub(super) struct Audit {
    directory: PathBuf,
    file: File,
}

impl Audit {
    pub(super) fn open(directory: &Path) -> Result<Self, QueueError> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(directory.join(NAME))
            .map_err(QueueError::Io)?;
        end_last_line(&mut file).map_err(QueueError::Io)?;
        // Makes the new file durable.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(QueueError::Io)?;
        Ok(Self { directory: directory.to_owned(), file })
    }

    /// Reopens the file by its name. On an error the open file stays in use.
    pub(super) fn reopen(&mut self) -> Result<(), QueueError> {
        *self = Self::open(&self.directory)?;
        Ok(())
    }

    /// Appends lines, and waits until they are on disk.
    pub(super) fn append(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = lines.join("\n");
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }
}

/// A crash can leave an incomplete line, which the next one must not continue.
fn end_last_line(file: &mut File) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" { file.write_all(b"\n") } else { Ok(()) }
}
