//! Text from outside, made safe to display.

/// `text` without anything that could end a line, start a terminal sequence, or turn the direction of writing round so that a
/// line says something else.
pub fn plain(text: &str) -> String {
    let turns = |character| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown =
        |character: char| if character.is_control() || turns(character) { '\u{fffd}' } else { character };
    text.chars().map(shown).collect()
}

/// An error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
