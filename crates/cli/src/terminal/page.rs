//! What one command shows: headings, labelled rows and tables, with aligned columns.

use super::Look;
use super::span::Span;

/// Lines of a result, from top to bottom. Rows with labels are aligned with each other, as are the columns of each table.
#[derive(Clone, Debug, Default)]
pub struct Page {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Line(Vec<Span>),
    Row(String, Vec<Span>),
    Table(Vec<Vec<Span>>),
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line from the margin, such as a heading or a total.
    pub fn line(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.parts.push(Part::Line(spans.into_iter().collect()));
    }

    /// Adds an indented row with a label, which is our own text; an empty one continues the row above.
    pub fn row(&mut self, label: &str, spans: impl IntoIterator<Item = Span>) {
        self.parts.push(Part::Row(label.to_owned(), spans.into_iter().collect()));
    }

    /// Adds a table, whose columns have these headings.
    pub fn table(&mut self, headings: &[&str], rows: impl IntoIterator<Item = Vec<Span>>) {
        let head = headings.iter().map(|heading| Span::faint(heading)).collect();
        self.parts.push(Part::Table(std::iter::once(head).chain(rows).collect()));
    }

    /// The text, without a line end behind the last line.
    #[must_use]
    pub fn text(&self, look: Look) -> String {
        let labels = self.parts.iter().filter_map(|part| match part {
            Part::Row(label, _) => Some(label.chars().count()),
            _ => None,
        });
        let width = labels.max().unwrap_or_default();
        let lines = self.parts.iter().flat_map(|part| match part {
            Part::Line(spans) => vec![joined(spans, look)],
            Part::Row(label, spans) => {
                let label = format!("{label:<width$}");
                vec![format!(
                    "  {}  {}",
                    Span::faint(&label).painted(&label, look.color),
                    joined(spans, look)
                )]
            }
            Part::Table(rows) => aligned(rows, look),
        });
        lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

fn joined(spans: &[Span], look: Look) -> String {
    spans.iter().map(|span| span.painted(&span.text(look.wide), look.color)).collect()
}

/// The lines of a table. The last column is as wide as each of its texts.
fn aligned(rows: &[Vec<Span>], look: Look) -> Vec<String> {
    let texts = |row: &[Span]| row.iter().map(|span| span.text(look.wide)).collect::<Vec<_>>();
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, text) in texts(row).iter().enumerate() {
            let width = text.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let line = |row: &Vec<Span>| {
        let cells =
            row.iter().zip(texts(row)).zip(&widths).enumerate().map(|(column, ((span, text), width))| {
                let padding =
                    if column + 1 == row.len() { 0 } else { width.saturating_sub(text.chars().count()) };
                format!("{}{:padding$}", span.painted(&text, look.color), "")
            });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { color: false, wide: false };

    fn page() -> Page {
        let digest = format!("sha256:{}", "0".repeat(64));
        let mut page = Page::new();
        page.line([Span::strong("a\u{1b}[2Jb")]);
        page.row("rule", ["r.io".into()]);
        page.row("verdict", [Span::bad("refused"), Span::plain(": "), digest.as_str().into()]);
        page.row("", [Span::plain(&digest).whole()]);
        page.row("rule", []);
        page.table(
            &["ID", "NAME"],
            [vec![Span::good("admitted"), "x".into()], vec!["é".into(), "a name".into()]],
        );
        page
    }

    #[test]
    fn columns_are_aligned_and_text_from_outside_is_safe() {
        let zeros = "0".repeat(64);
        assert_eq!(
            page().text(PLAIN),
            format!(
                "\
a\\u{{1b}}[2Jb
  rule     r.io
  verdict  refused: sha256:000000000000…
           sha256:{zeros}
  rule
ID        NAME
admitted  x
é         a name"
            )
        );
        let wide = page().text(Look { wide: true, ..PLAIN });
        assert!(wide.contains(&format!("refused: sha256:{zeros}\n")), "{wide}");
    }

    #[test]
    fn colour_changes_nothing_else() {
        let colored = page().text(Look { color: true, ..PLAIN });
        assert!(colored.contains("\u{1b}[1m\u{1b}[31mrefused\u{1b}[0m: sha256"), "{colored:?}");
        assert!(colored.contains("\u{1b}[32madmitted\u{1b}[0m  x\n"), "{colored:?}");
        let mut plain = String::new();
        for (at, part) in colored.split('\u{1b}').enumerate() {
            plain.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        let plain = plain.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(plain, page().text(PLAIN));
    }
}
