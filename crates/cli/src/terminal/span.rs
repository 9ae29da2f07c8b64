//! A piece of text and how it is shown.

use anstyle::{AnsiColor, Color, Style};
use pullgate_core::untrusted::sanitize;

use super::digests;

/// How a piece of text is shown where there is colour. Never the only way to say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Bad,
    Warning,
    Faint,
    Strong,
}

impl Tone {
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(Color::Ansi(color)));
        match self {
            Self::Plain => Style::new(),
            Self::Good => color(AnsiColor::Green),
            Self::Bad => color(AnsiColor::Red).bold(),
            Self::Warning => color(AnsiColor::Yellow),
            Self::Faint => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }
}

/// A piece of text in one line. The text may come from outside: it is made safe to display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    text: String,
    tone: Tone,
    digits: Digits,
    is_number: bool,
}

/// How many digits of a digest are shown without `--wide`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    /// The first ones of each digest in the text.
    First,
    /// The first ones of the text, which is an id, without its algorithm.
    OfId,
    All,
}

impl Span {
    fn new(text: &str, tone: Tone) -> Self {
        Self { text: sanitize(text), tone, digits: Digits::First, is_number: false }
    }

    /// Text without colour.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// Something that is as it should be.
    #[must_use]
    pub fn good(text: &str) -> Self {
        Self::new(text, Tone::Good)
    }

    /// Something that somebody has to act on.
    #[must_use]
    pub fn bad(text: &str) -> Self {
        Self::new(text, Tone::Bad)
    }

    /// Something that somebody should look at.
    #[must_use]
    pub fn warning(text: &str) -> Self {
        Self::new(text, Tone::Warning)
    }

    /// What most readers skip.
    #[must_use]
    pub fn faint(text: &str) -> Self {
        Self::new(text, Tone::Faint)
    }

    /// What a reader looks for first.
    #[must_use]
    pub fn strong(text: &str) -> Self {
        Self::new(text, Tone::Strong)
    }

    /// The id of an image or a container, as crictl shows it.
    #[must_use]
    pub fn id(text: &str) -> Self {
        Self { digits: Digits::OfId, ..Self::plain(text) }
    }

    /// A number, which in a table ends where its column does.
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self { is_number: true, ..Self::plain(&number.to_string()) }
    }

    pub(super) fn is_number(&self) -> bool {
        self.is_number
    }

    /// Keeps digests whole, because somebody copies them.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { digits: Digits::All, ..self }
    }

    /// The text that is shown.
    pub(super) fn text(&self, wide: bool) -> String {
        match self.digits {
            _ if wide => self.text.clone(),
            Digits::First => digests::shortened(&self.text),
            Digits::OfId => digests::short_id(&self.text),
            Digits::All => self.text.clone(),
        }
    }

    /// `text`, which is that of this piece, in its colour.
    pub(super) fn painted(&self, text: &str, color: bool) -> String {
        let style = self.tone.style();
        if color && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

impl From<String> for Span {
    fn from(text: String) -> Self {
        Self::plain(&text)
    }
}
