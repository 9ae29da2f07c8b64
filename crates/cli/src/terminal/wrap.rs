//! Lines that fit a terminal.

use super::Look;
use super::span::Span;

/// The least room for text. In a terminal that has less, the terminal breaks the lines.
const LEAST: usize = 20;

/// `spans` in colour, on lines that fit, of which the first begins at the first of `columns` and all others at the second.
/// Words are not broken, nor what is between backticks, which somebody copies.
pub(super) fn wrapped(spans: &[Span], look: Look, columns: [usize; 2]) -> Vec<String> {
    let texts: Vec<String> = spans.iter().map(|span| span.text(look.wide)).collect();
    let breaks =
        look.width.map(|width| breaks(&texts.concat(), columns.map(|column| width.saturating_sub(column))));
    let mut breaks = breaks.unwrap_or_default().into_iter().peekable();
    let (mut lines, mut line, mut start) = (Vec::new(), String::new(), 0);
    for (span, text) in spans.iter().zip(&texts) {
        let mut rest = text.as_str();
        while let Some(at) = breaks.next_if(|at| *at < start + rest.len())
            && let Some((before, after)) = rest.split_at_checked(at - start)
        {
            line.push_str(&span.painted(before, look.color));
            lines.push(std::mem::take(&mut line));
            rest = after.strip_prefix(' ').unwrap_or(after);
            start = at + after.len() - rest.len();
        }
        line.push_str(&span.painted(rest, look.color));
        start += rest.len();
    }
    lines.push(line);
    lines
}

/// The places of the spaces at which lines end that have `room`.
fn breaks(text: &str, room: [usize; 2]) -> Vec<usize> {
    let [mut room, others] = room.map(|room| room.max(LEAST));
    let (mut breaks, mut space, mut used) = (Vec::new(), None, 0);
    let (mut is_quoted, mut has_word) = (false, false);
    for (at, character) in text.char_indices() {
        is_quoted ^= character == '`';
        has_word |= character != ' ';
        if character == ' ' && has_word && !is_quoted {
            space = Some((at, used));
        }
        used += 1;
        if used > room
            && character != ' '
            && let Some((at, before)) = space.take()
        {
            breaks.push(at);
            used -= before + 1;
            room = others;
        }
    }
    breaks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words() {
        let long = "x".repeat(30);
        for (name, text, expected) in [
            ("nothing", "", vec![""]),
            ("fits", "a word, another one", vec!["a word, another one"]),
            ("fits exactly", "a word and more of it", vec!["a word and more of", "it"]),
            ("a long word", &format!("a {long} b"), vec!["a", &long, "b"]),
            ("a command", "now run `a b c d e f g` again", vec!["now run", "`a b c d e f g`", "again"]),
            ("an indented text", &format!("  {long}"), vec![&format!("  {long}")]),
            ("other scripts", "ééééééééé ééééééééé ééé", vec!["ééééééééé ééééééééé", "ééé"]),
        ] {
            let look = Look { width: Some(LEAST), ..Look::default() };
            assert_eq!(wrapped(&[text.into()], look, [0, 0]), expected, "{name}");
            assert_eq!(wrapped(&[text.into()], Look::default(), [0, 0]), [text], "{name}");
            // The same, with the text in pieces.
            let pieces: Vec<Span> = text.chars().map(|it| it.to_string().into()).collect();
            assert_eq!(wrapped(&pieces, look, [0, 0]), expected, "{name}, in pieces");
        }
    }
}
