//! A table. What does not fit beside the other columns is below them.

use super::Look;
use super::span::Span;
use super::wrap::wrapped;

/// The space between two columns.
const GAP: usize = 2;

/// How far the columns below the first ones are indented, and what of a cell does not fit into one line.
const INDENT: usize = 4;
const HANGING: usize = 6;

/// Rows with the same columns. The first row is that of the headings.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<Vec<Span>>,
}

impl Table {
    pub(super) fn new(headings: &[&str], rows: impl IntoIterator<Item = Vec<Span>>) -> Self {
        let head = headings.iter().map(|heading| Span::faint(heading)).collect();
        Self { rows: std::iter::once(head).chain(rows).collect() }
    }

    /// The lines. The last column of a line is as wide as each of its texts.
    pub(super) fn lines(&self, look: Look) -> Vec<String> {
        let columns = self.columns(look);
        let groups = groups(&columns, look.width);
        self.rows.iter().flat_map(|row| lines_of(row, &groups, look)).collect()
    }

    fn columns(&self, look: Look) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for row in &self.rows {
            columns.resize_with(columns.len().max(row.len()), Column::default);
            for (column, span) in columns.iter_mut().zip(row) {
                column.width = column.width.max(span.text(look.wide).chars().count());
                column.is_number |= span.is_number();
            }
        }
        columns
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Column {
    width: usize,
    /// Whether its texts end where the column does.
    is_number: bool,
}

/// The columns of each line of a row.
fn groups(columns: &[Column], width: Option<usize>) -> Vec<Vec<Column>> {
    let mut groups: Vec<Vec<Column>> = vec![Vec::new()];
    let mut used = 0;
    for column in columns {
        let more = used + GAP + column.width;
        match groups.last_mut() {
            Some(group) if group.is_empty() => {
                used += column.width;
                group.push(*column);
            }
            Some(group) if width.is_none_or(|width| more <= width) => {
                used = more;
                group.push(*column);
            }
            _ => {
                used = INDENT + column.width;
                groups.push(vec![*column]);
            }
        }
    }
    groups
}

fn lines_of(row: &[Span], groups: &[Vec<Column>], look: Look) -> Vec<String> {
    let mut cells = row.iter();
    let mut lines = Vec::new();
    for (at, columns) in groups.iter().enumerate() {
        let cells: Vec<_> = cells.by_ref().take(columns.len()).collect();
        let indent = if at == 0 { 0 } else { INDENT };
        match cells.as_slice() {
            [cell] => {
                let wrapped = wrapped(&[(*cell).clone()], look, [indent, HANGING]);
                let indents = std::iter::once(indent).chain(std::iter::repeat(HANGING));
                lines.extend(
                    wrapped.into_iter().zip(indents).map(|(line, indent)| format!("{:indent$}{line}", "")),
                );
            }
            cells => lines.push(format!("{:indent$}{}", "", beside(cells, columns, look))),
        }
    }
    lines
}

fn beside(cells: &[&Span], columns: &[Column], look: Look) -> String {
    let cells = cells.iter().zip(columns).map(|(span, column)| {
        let text = span.text(look.wide);
        let (painted, padding) =
            (span.painted(&text, look.color), column.width.saturating_sub(text.chars().count()));
        if column.is_number {
            format!("{:padding$}{painted}", "")
        } else {
            format!("{painted}{:padding$}", "")
        }
    });
    cells.collect::<Vec<_>>().join("  ")
}
