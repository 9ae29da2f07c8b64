//! What a person or a pipe reads.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use super::Outcome;

/// Why standard output did not take something: the first time.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes `text` and a line end to standard output. [`finish`] tells whether that went well.
pub(super) fn line(text: &str) {
    note_lost(writeln!(io::stdout().lock(), "{text}"));
}

/// Writes `text` as it is to standard output.
pub(super) fn text(text: &str) {
    note_lost(io::stdout().lock().write_all(text.as_bytes()));
}

/// What a run comes to that came to `outcome` and has written all it had to say: what standard output did not take, the
/// disk behind it being full, is not said, and that is no good end.
pub(super) fn finish(outcome: Outcome) -> Outcome {
    note_lost(io::stdout().lock().flush());
    match LOST.get() {
        None => outcome,
        Some(error) => {
            note(&format!("error: standard output cannot be written\n  because {error}"));
            outcome.max(Outcome::Usage)
        }
    }
}

/// Keeps that something was not written. A reader that went away is no error of ours.
pub(super) fn note_lost(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Writes `error: …` with its causes to standard error.
pub(super) fn error(error: &dyn std::error::Error) {
    let mut output = io::stderr().lock();
    let _ = writeln!(output, "error: {error}");
    let mut cause = error.source();
    while let Some(current) = cause {
        let _ = writeln!(output, "  because {current}");
        cause = current.source();
    }
}

/// Writes a plain line to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
