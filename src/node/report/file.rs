//! The record as a file.
//!
//! It is JSON with a version, written whole or not at all. A file that cannot be used is set aside under another name, for
//! somebody to look at, and a new record begins.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pullgate_config::atomic::{self, Durable};
use pullgate_config::file::{FileError, Guard};
use serde::{Deserialize, Serialize};

use super::days::DayCounts;
use super::table::{DecisionTable, Lost, Row, TableLimits};
use crate::telemetry::Reason;
use crate::telemetry::decisions::{Call, DecisionKey, Verdict};

/// The name in the directory of the ledger.
const FILE: &str = "report.json";

/// The version of the format.
const VERSION: u32 = 1;

/// Maximum size of the file, in bytes: twice that of the rows in memory, because quotes are escaped in JSON.
const MAX_FILE_BYTES: u64 = 32 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    begun: i64,
    evicted: WrittenLost,
    dropped: WrittenLost,
    rows: Vec<WrittenRow>,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLost {
    decisions: u64,
    last: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRow {
    verdict: Verdict,
    call: Call,
    reason: Option<String>,
    image: Box<str>,
    namespace: Box<str>,
    rule: Box<str>,
    digest: Option<Box<str>>,
    first: i64,
    last: i64,
    /// Hours since 1970 with their counts.
    counts: Vec<(u32, u64)>,
}

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the record in {} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: FileError,
    },
    #[error("the record in {} is damaged", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        cause: Damage,
    },
}

/// What is wrong with the content of a record.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("it is not JSON of the expected form")]
    Json(#[from] serde_json::Error),
    #[error("it has version {0}, and this program reads version {VERSION}")]
    Version(u32),
    #[error("it has a time that does not exist")]
    Time(#[from] jiff::Error),
}

/// Reads the record in `directory`; `None` without one.
///
/// # Errors
/// When it cannot be used, or other users could have changed it.
pub fn read_record(directory: &Path, limits: TableLimits) -> Result<Option<DecisionTable>, RecordError> {
    let path = path(directory);
    let text = match Guard::of_process().read(directory, &path, MAX_FILE_BYTES) {
        Ok(text) => text,
        Err(FileError::Missing) if path.symlink_metadata().is_err() => return Ok(None),
        Err(cause) => return Err(RecordError::File { path, cause }),
    };
    decode(&text, limits).map(Some).map_err(|cause| RecordError::Damaged { path, cause })
}

/// Writes the record into `directory`, which exists.
pub(super) fn write(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = path(directory);
    atomic::write(&path.with_extension("unfinished"), &path, bytes, (0o600, Durable::Yes))
}

/// Renames the record in `directory`, over one that was set aside before. Returns its new name.
pub(super) fn set_aside(directory: &Path) -> io::Result<PathBuf> {
    let path = path(directory);
    let aside = path.with_extension("damaged");
    std::fs::rename(&path, &aside)?;
    Ok(aside)
}

fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

pub(super) fn encode(table: &DecisionTable) -> Vec<u8> {
    let lost =
        |lost: &Lost| WrittenLost { decisions: lost.decisions, last: lost.last.map(Timestamp::as_second) };
    let row = |(key, row): (&DecisionKey, &Row)| {
        let DecisionKey { verdict, call, reason, image, namespace, rule } = key.clone();
        WrittenRow {
            verdict,
            call,
            reason: reason.map(|reason| reason.code().to_owned()),
            image,
            namespace,
            rule,
            digest: row.digest.clone(),
            first: row.first.as_second(),
            last: row.last.as_second(),
            counts: row.counts.iter().collect(),
        }
    };
    let written = Written {
        version: VERSION,
        begun: table.begun.as_second(),
        evicted: lost(&table.evicted),
        dropped: lost(&table.dropped),
        rows: table.rows.iter().map(row).collect(),
    };
    serde_json::to_vec(&written).unwrap_or_default()
}

fn decode(text: &str, limits: TableLimits) -> Result<DecisionTable, Damage> {
    let Version { version } = serde_json::from_str(text)?;
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    let written: Written = serde_json::from_str(text)?;
    let lost = |WrittenLost { decisions, last }| -> Result<Lost, Damage> {
        Ok(Lost { decisions, last: last.map(Timestamp::from_second).transpose()? })
    };
    let mut table = DecisionTable::new(limits, Timestamp::from_second(written.begun)?);
    (table.evicted, table.dropped) = (lost(written.evicted)?, lost(written.dropped)?);
    for written in written.rows {
        let WrittenRow { verdict, call, reason, image, namespace, rule, digest, first, last, counts } =
            written;
        let (first, last) = (Timestamp::from_second(first)?, Timestamp::from_second(last)?);
        let counts: DayCounts = counts.into_iter().collect();
        let known = reason.as_deref().map(Reason::of_code);
        // Of another version of this program. It counts as missing, and costs no other row.
        if known == Some(None) {
            table.evicted.add(counts.sum(), last);
            continue;
        }
        let key = DecisionKey { verdict, call, reason: known.flatten(), image, namespace, rule };
        table.add_row(key, Row { counts, first, last, digest });
    }
    table.make_room();
    table.unsaved = false;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{key, limits, made, time};
    use super::*;
    use crate::telemetry::decisions::Pending;

    const NOW: &str = "2026-06-30T12:00:00Z";

    fn table() -> DecisionTable {
        let mut table = DecisionTable::new(limits(3), time(NOW));
        for (verdict, image, at) in [
            (Verdict::Admitted, "r.io/gone:1", "2026-06-03T00:00:00Z"),
            (Verdict::WouldRefuse, "r.io/app:1", "2026-06-03T00:00:00Z"),
            (Verdict::WouldRefuse, "r.io/app:1", NOW),
            (Verdict::Undecided, "quote\" and \\ and \u{202e}", NOW),
            (Verdict::Admitted, "r.io/b:1", NOW),
        ] {
            let undecided = verdict == Verdict::Undecided;
            let key = key(verdict, image);
            let key = DecisionKey { reason: key.reason.filter(|_| !undecided), ..key };
            table.add(made(key, 2, at), time(NOW));
        }
        table.add(Pending { dropped: 1, ..Pending::default() }, time(NOW));
        table
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read_record(directory.path(), limits(3)).unwrap().is_none());
        let table = table();
        assert_eq!((table.len(), table.evicted.decisions, table.dropped.decisions), (3, 2, 1));
        write(directory.path(), &encode(&table)).unwrap();
        let read = read_record(directory.path(), limits(3)).unwrap().unwrap();
        assert_eq!((&read.rows, read.begun), (&table.rows, table.begun));
        assert_eq!((read.evicted, read.dropped, read.unsaved), (table.evicted, table.dropped, false));
        // The limit was lowered.
        let read = read_record(directory.path(), limits(1)).unwrap().unwrap();
        assert_eq!((read.len(), read.evicted.decisions), (1, 6));
        assert_eq!(read.rows.keys().next().unwrap().verdict, Verdict::WouldRefuse);
    }

    #[test]
    fn a_record_that_is_not_as_written_is_refused() {
        let text = String::from_utf8(encode(&table())).unwrap();
        decode(&text, limits(3)).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":0"),
            ("\"version\":1", "\"version\":1,\"version\":1"),
            ("\"version\":1,", ""),
            ("\"begun\":", "\"begun\":99999999999999"),
            ("\"rows\":[", "\"rows\":[1,"),
            ("\"rows\":[", "\"new\":0,\"rows\":["),
            ("\"call\":", "\"calls\":1,\"call\":"),
            ("\"pull\"", "\"push\""),
            ("would-refuse", "would"),
            ("\"counts\":[[", "\"counts\":[[-1,1],["),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(decode(&text.replacen(from, to, 1), limits(3)).is_err(), "{to}");
        }
        assert!(decode(&text[..text.len() - 1], limits(3)).is_err());
    }

    #[test]
    fn rows_of_another_version_are_missing_and_cost_no_other_row() {
        let text = String::from_utf8(encode(&table())).unwrap();
        let read = decode(&text.replace("no-signature", "no-such-code"), limits(3)).unwrap();
        let unknown = table().rows.keys().filter(|key| key.reason == Some(Reason::NoSignature)).count();
        assert!(unknown > 0 && unknown < 3, "{unknown}");
        assert_eq!(read.len(), 3 - unknown);
        assert!(read.evicted.decisions > table().evicted.decisions && read.evicted.last.is_some());
    }

    /// Whatever is in memory fits into the file that is read again.
    #[test]
    fn the_largest_record_fits() {
        let mut table = DecisionTable::new(limits(20_000), time(NOW));
        for number in 0..3000 {
            let image = format!("{}{number}", "\"".repeat(500));
            let key = DecisionKey { rule: "\"".repeat(384).into(), ..key(Verdict::WouldRefuse, &image) };
            table.add(made(key, 1, NOW), time(NOW));
        }
        let counted: usize =
            table.rows.iter().map(|(key, row)| 256 + key.text_bytes() + 24 * row.counts.len()).sum();
        assert!(encode(&table).len() <= 2 * counted, "{counted}");
    }
}
