//! Text for a person: aligned, in colour where a terminal shows it, as wide as the terminal, with short digests.
//!
//! A command makes a [`Page`] of [`Span`]s, and [`ReportOptions`] writes it, or JSON. JSON is never changed.

mod digests;
mod page;
mod progress;
mod span;
mod table;
mod wrap;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use serde::Serialize;

pub use page::Page;
pub use progress::Progress;
pub use span::Span;

use crate::output::OutputOption;

/// How text is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub color: bool,
    /// Whether digests are whole.
    pub wide: bool,
    /// The number of characters that a line has, where words allow it; `None` for lines of any length.
    pub width: Option<usize>,
}

impl Look {
    /// For standard output. `wide` is `--wide`: whole digests, and lines of any length.
    #[must_use]
    pub fn of_stdout(wide: bool) -> Self {
        let stdout = io::stdout();
        let variable = |name: &str| std::env::var_os(name);
        let terminal = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten();
        let width = width(terminal.map(|(width, _)| width.0), variable);
        Self { color: color(stdout.is_terminal(), variable), wide, width: width.filter(|_| !wide) }
    }
}

/// `--output` and `--wide`, the same in every command with a result to read.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ReportOptions {
    #[command(flatten)]
    output: OutputOption,
    /// Show digests in full, as JSON always does, and lines of any length
    #[arg(long)]
    wide: bool,
}

impl ReportOptions {
    /// Writes `value` as one line of JSON, or the page from `page`.
    pub fn show<T: Serialize>(self, value: &T, page: impl FnOnce(&T) -> Page) {
        self.output.show(value, |value| page(value).text(Look::of_stdout(self.wide)));
    }

    pub fn is_json(self) -> bool {
        self.output.is_json()
    }
}

/// Whether to write colours: <https://no-color.org> and <https://bixense.com/clicolors>.
fn color(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is = |name: &str, value: &str| variable(name).is_some_and(|it| it == value);
    let is_set = |name: &str| variable(name).is_some_and(|it| !it.is_empty());
    is_terminal && !is_set("NO_COLOR") && !is("CLICOLOR", "0") && is_set("TERM") && !is("TERM", "dumb")
}

/// How wide lines are: `COLUMNS`, or the width of the terminal. Not limited for a file or a program that reads them.
fn width(terminal: Option<u16>, variable: impl Fn(&str) -> Option<OsString>) -> Option<usize> {
    let wanted = variable("COLUMNS").and_then(|value| value.to_str()?.parse().ok());
    // A terminal of an unknown size has no columns.
    wanted.or(terminal.map(usize::from)).filter(|width| *width > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_the_terminal() {
        for (name, terminal, columns, expected) in [
            ("a terminal", Some(80), None, Some(80)),
            ("a file", None, None, None),
            ("set for a file", None, Some("100"), Some(100)),
            ("set for a terminal", Some(80), Some("100"), Some(100)),
            ("nonsense", Some(80), Some("wide"), Some(80)),
            ("unknown", Some(0), None, None),
            ("no limit", Some(80), Some("0"), None),
        ] {
            assert_eq!(width(terminal, |_| columns.map(Into::into)), expected, "{name}");
        }
    }

    #[test]
    fn colours_are_for_terminals_whose_user_wants_them() {
        const TERM: (&str, &str) = ("TERM", "xterm");
        for (name, is_terminal, variables, expected) in [
            ("a terminal", true, &[TERM][..], true),
            ("a file", false, &[TERM], false),
            ("not wanted", true, &[TERM, ("NO_COLOR", "1")], false),
            ("not wanted, whatever the value", true, &[TERM, ("NO_COLOR", "0")], false),
            ("an empty variable", true, &[TERM, ("NO_COLOR", "")], true),
            ("switched off", true, &[TERM, ("CLICOLOR", "0")], false),
            ("switched on", true, &[TERM, ("CLICOLOR", "1")], true),
            ("a terminal without colours", true, &[("TERM", "dumb")], false),
            ("no known terminal", true, &[], false),
        ] {
            let variable =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            assert_eq!(color(is_terminal, variable), expected, "{name}");
        }
    }
}
