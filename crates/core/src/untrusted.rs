//! Text from outside, made safe to display.

/// `text` with control characters and bidirectional controls replaced, so that it cannot end a line, start a terminal
/// sequence, or display in another order than it is written.
pub fn plain(text: &str) -> String {
    let is_bidi_control = |character| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let printable = |character: char| {
        if character.is_control() || is_bidi_control(character) { '\u{fffd}' } else { character }
    };
    text.chars().map(printable).collect()
}

/// An error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
