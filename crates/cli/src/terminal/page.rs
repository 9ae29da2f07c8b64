//! What one command shows: headings, labelled rows and tables, with aligned columns.

use super::Look;
use super::span::Span;
use super::table::Table;
use super::wrap::wrapped;

/// How far the second line of a heading is indented, and each row.
const INDENT: usize = 2;

/// Lines of a result, from top to bottom. Rows with labels are aligned with each other, as are the columns of each table.
#[derive(Clone, Debug, Default)]
pub struct Page {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Line(Vec<Span>),
    Row(String, Vec<Span>),
    Table(Table),
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
        self.parts.push(Part::Table(Table::new(headings, rows)));
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
            Part::Line(spans) => hanging(wrapped(spans, look, [0, INDENT]), INDENT),
            Part::Row(label, spans) => {
                let label = format!("{label:<width$}");
                let indent = INDENT + width + 2;
                let mut lines = hanging(wrapped(spans, look, [indent, indent]), indent);
                if let Some(first) = lines.first_mut() {
                    *first = format!("  {}  {first}", Span::faint(&label).painted(&label, look.color));
                }
                lines
            }
            Part::Table(table) => table.lines(look),
        });
        lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// The lines, all but the first one indented.
fn hanging(mut lines: Vec<String>, indent: usize) -> Vec<String> {
    for line in lines.iter_mut().skip(1) {
        line.insert_str(0, &" ".repeat(indent));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { color: false, wide: false, width: None };

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

    #[test]
    fn a_narrow_terminal_breaks_lines_between_words_and_tables_between_columns() {
        let mut page = Page::new();
        page.line([Span::bad("refused"), ": the registry does not answer, or too late".into()]);
        page.row("found", ["kubelet (process 7): /run/a-long-name.sock by config.yaml".into()]);
        page.row("do", ["run `systemctl enable --now pullgate` again".into()]);
        let row = |count, rule: &str| {
            vec![Span::number(count), "no-signature".into(), "r.io/shop/web:1".into(), rule.into()]
        };
        page.table(
            &["COUNT", "REASON", "IMAGE", "RULE"],
            [row(7, "namespace \"r.io\" (policy.toml:9)"), row(11, "-")],
        );
        let narrow = Look { width: Some(40), ..PLAIN };
        assert_eq!(
            page.text(narrow),
            "\
refused: the registry does not answer,
  or too late
  found  kubelet (process 7):
         /run/a-long-name.sock by
         config.yaml
  do     run
         `systemctl enable --now pullgate`
         again
COUNT  REASON        IMAGE
    RULE
    7  no-signature  r.io/shop/web:1
    namespace \"r.io\" (policy.toml:9)
   11  no-signature  r.io/shop/web:1
    -"
        );
        let colored = page.text(Look { color: true, ..narrow });
        assert!(
            colored
                .starts_with("\u{1b}[1m\u{1b}[31mrefused\u{1b}[0m: the registry does not answer,\n  or too"),
            "{colored:?}"
        );
    }
}
