//! Errors in configuration files, each with its place and a hint.

use std::fmt;

use pullgate_core::untrusted::sanitize;

/// How many problems are collected; a file of another kind could have millions.
pub const MAX_PROBLEMS: usize = 200;

/// One error at one place, and what to do about it.
///
/// It holds no content of key files, and of the configuration only names and short values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    file: String,
    place: Option<Place>,
    message: String,
    hint: String,
}

/// A place in a file, both numbers from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Problem {
    pub fn new(
        file: impl Into<String>,
        place: Option<Place>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), place, message: message.into(), hint: hint.into() }
    }

    /// The file, as it is named from the configuration directory.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place in the file, unless the problem is the file itself.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Everything on one line, for the log.
    #[must_use]
    pub fn line(&self) -> String {
        self.to_string().replace("\n  hint: ", "; hint: ")
    }

    /// What to do about it; may be empty.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// `policy.d/10-x.toml:12:5: message`, and the hint on a line of its own. File names and quoted text are untrusted: control
/// characters are replaced.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sanitize(&self.file))?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", sanitize(&self.message))?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n  hint: {}", sanitize(&self.hint)) }
    }
}

/// All problems of a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorted by file and place, each once.
    pub fn from(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_file_reaches_a_terminal_as_it_is() {
        let place = Some(Place { line: 1, column: 2 });
        let problem = Problem::new("policy.d/\u{1b}[2J.toml", place, "bad\nfaked: line", "rename \u{202e}it");
        let shown = "policy.d/\\u{1b}[2J.toml:1:2: bad\\nfaked: line";
        assert_eq!(problem.to_string(), format!("{shown}\n  hint: rename \\u{{202e}}it"));
        assert_eq!(problem.line(), format!("{shown}; hint: rename \\u{{202e}}it"));
        assert_eq!(Problem::new("policy.toml", None, "bad", "").line(), "policy.toml: bad");
    }
}
