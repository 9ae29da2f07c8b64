//! What a command writes to standard output and standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use serde::Serialize;

use crate::Outcome;

/// The first failed write to standard output.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// `count` of something, as in `1 rule`, `2 rules` and `2 entries`.
#[must_use]
pub fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    match noun.strip_suffix("ry") {
        _ if count == "1" => format!("{count} {noun}"),
        Some(stem) => format!("{count} {stem}ries"),
        None => format!("{count} {noun}s"),
    }
}

/// The format of a result. A comment on a variant would become part of the help text of each command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// The `--output` option, the same in every command.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct OutputOption {
    /// Output format
    #[arg(long = "output", value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl OutputOption {
    /// Writes `value` as one line of JSON, or as the text from `text`.
    pub fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        match self.format {
            Format::Text => line(&text(value)),
            Format::Json => line(&serde_json::to_string(value).unwrap_or_default()),
        }
    }

    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }
}

/// Writes `text` and a line end to standard output. [`finish`] reports failures.
pub fn line(text: &str) {
    record_failure(writeln!(io::stdout().lock(), "{text}"));
}

/// Writes `text` to standard output without a line end.
pub fn text(text: &str) {
    record_failure(io::stdout().lock().write_all(text.as_bytes()));
}

/// The outcome of a run after all output. Lost output, for example because the disk is full, is an error.
pub fn finish(outcome: Outcome) -> Outcome {
    record_failure(io::stdout().lock().flush());
    match FAILURE.get() {
        None => outcome,
        Some(error) => {
            note(&format!("error: cannot write to standard output\n  because {error}"));
            outcome.max(Outcome::Usage)
        }
    }
}

/// Records the first failed write. A closed pipe is not a failure: the reader has read enough.
pub fn record_failure(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILURE.set(error);
    }
}

/// Writes `error: …` with its causes to standard error.
pub fn error(error: &dyn std::error::Error) {
    let mut output = io::stderr().lock();
    let _ = writeln!(output, "error: {error}");
    let mut cause = error.source();
    while let Some(current) = cause {
        let _ = writeln!(output, "  because {current}");
        cause = current.source();
    }
}

/// Writes `text` and a line end to standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        for (count, noun, expected) in [
            (0, "rule", "0 rules"),
            (1, "rule", "1 rule"),
            (2, "key", "2 keys"),
            (1, "entry", "1 entry"),
            (11, "entry", "11 entries"),
        ] {
            assert_eq!(counted(count, noun), expected);
        }
    }
}
