//! The audit record of signatures: one JSON object per line, on disk before the job's result.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
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
        remove_incomplete_line(&mut file).map_err(QueueError::Io)?;
        // Makes the new file durable.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(QueueError::Io)?;
        Ok(Self { directory: directory.to_owned(), file })
    }

    /// Reopens the file by its name. On an error the open file stays in use.
    pub(super) fn reopen(&mut self) -> Result<(), QueueError> {
        *self = Self::open(&self.directory)?;
        Ok(())
    }

    /// Appends lines, and waits until they are on disk: all of them or, after an error, none.
    pub(super) fn append(&mut self, lines: &[String]) -> io::Result<()> {
        self.append_with(lines, |file, text| file.write_all(text))
    }

    fn append_with(
        &mut self,
        lines: &[String],
        write: impl FnOnce(&mut File, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = lines.join("\n");
        text.push('\n');
        // Where an earlier error could not be undone at once, it is undone now: nothing continues an incomplete line.
        let before = remove_incomplete_line(&mut self.file)?;
        let written = write(&mut self.file, text.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // A full disk takes a part of a record. Its job is not ended, so the record comes again.
            self.file.set_len(before)?;
        }
        written
    }
}

/// How many bytes of the file are looked through at a time.
const BLOCK: u64 = 4096;

/// Removes what follows the last line break: a crash or a full disk left it, and its job has not ended. Returns the length
/// of the file.
fn remove_incomplete_line(file: &mut File) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            end = start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)).saturating_add(1);
            break;
        }
        end = start;
    }
    if end < length {
        tracing::warn!(
            bytes = length - end,
            "the last record of the audit log was incomplete, and has been removed"
        );
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "{\"image\":\"one\"}";
    const SECOND: &str = "{\"image\":\"two\"}";
    const THIRD: &str = "{\"image\":\"three\"}";

    fn after_first(directory: &Path) -> Audit {
        let mut audit = Audit::open(directory).unwrap();
        audit.append(&[FIRST.to_owned()]).unwrap();
        audit
    }

    fn text(directory: &Path) -> String {
        std::fs::read_to_string(directory.join(NAME)).unwrap()
    }

    #[test]
    fn b11_a_record_is_whole_or_absent_after_a_write_that_ends_at_any_byte() {
        let lines = [SECOND.to_owned(), THIRD.to_owned()];
        for bytes in 0..SECOND.len() + THIRD.len() + 2 {
            let directory = tempfile::tempdir().unwrap();
            let mut audit = after_first(directory.path());
            let full = audit.append_with(&lines, |file, text| {
                file.write_all(&text[..bytes])?;
                Err(io::ErrorKind::StorageFull.into())
            });
            assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(text(directory.path()), format!("{FIRST}\n"), "{bytes} bytes were written");
            audit.append(&lines).unwrap();
            assert_eq!(text(directory.path()), format!("{FIRST}\n{SECOND}\n{THIRD}\n"), "{bytes} bytes");
        }
    }

    /// A crash, or a disk that did not even let the file be shortened.
    #[test]
    fn b11_what_a_crash_left_of_a_record_is_removed_before_the_next_one() {
        for bytes in 0..SECOND.len() {
            for reopen in [false, true] {
                let directory = tempfile::tempdir().unwrap();
                let mut audit = after_first(directory.path());
                let mut other = File::options().append(true).open(directory.path().join(NAME)).unwrap();
                other.write_all(&SECOND.as_bytes()[..bytes]).unwrap();
                if reopen {
                    audit.reopen().unwrap();
                }
                audit.append(&[THIRD.to_owned()]).unwrap();
                assert_eq!(text(directory.path()), format!("{FIRST}\n{THIRD}\n"), "{bytes} bytes, {reopen}");
            }
        }
    }

    #[test]
    fn b11_an_incomplete_record_may_be_longer_than_a_block() {
        for (content, expected) in [
            ("x".repeat(10_000), String::new()),
            (format!("{FIRST}\n{}", "x".repeat(10_000)), format!("{FIRST}\n")),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(NAME), content).unwrap();
            Audit::open(directory.path()).unwrap();
            assert_eq!(text(directory.path()), expected);
        }
    }
}
