//! Text for a person: aligned, in colour where a terminal shows it, with short digests.
//!
//! A command makes a [`Page`] of [`Span`]s, and [`ReportOptions`] writes it, or JSON. JSON is never changed.

mod digests;
mod page;
mod progress;
mod span;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use serde::Serialize;

pub use page::Page;
pub use progress::Progress;
pub use span::Span;

use crate::output::OutputOption;

/// How text is written.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub color: bool,
    /// Whether digests are whole.
    pub wide: bool,
}

/// `--output` and `--wide`, the same in every command with a result to read.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ReportOptions {
    #[command(flatten)]
    output: OutputOption,
    /// Show digests in full, as JSON always does
    #[arg(long)]
    wide: bool,
}

impl ReportOptions {
    /// Writes `value` as one line of JSON, or the page from `page`.
    pub fn show<T: Serialize>(self, value: &T, page: impl FnOnce(&T) -> Page) {
        let color = color(io::stdout().is_terminal(), |name| std::env::var_os(name));
        self.output.show(value, |value| page(value).text(Look { color, wide: self.wide }));
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

#[cfg(test)]
mod tests {
    use super::*;

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
