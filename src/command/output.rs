//! What a person or a pipe reads.

use std::io::{self, Write};

/// Writes `text` and a line end to standard output. A reader that went away is no error of ours.
pub(super) fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Writes `text` as it is to standard output.
pub(super) fn text(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
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
