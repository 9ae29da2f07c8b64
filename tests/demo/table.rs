//! The table, shown line by line.

use pullgate_test::node::seen::Seen;

/// The width of the last column.
const TIME: usize = 7;

pub(crate) struct Table {
    what: usize,
    outcome: usize,
    shown: usize,
    different: usize,
    late: usize,
}

impl Table {
    /// A table with columns wide enough for these lines, each a name and the expected outcome.
    pub(crate) fn of<'a>(lines: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        let what = lines.clone().map(|(what, _)| what.len()).max().unwrap_or_default();
        let outcome = lines.map(|(_, expected)| expected.len()).max().unwrap_or_default();
        Self { what, outcome, shown: 0, different: 0, late: 0 }
    }

    pub(crate) fn head(&self, what: &str) {
        self.line(what, "EXPECTED", "GOT", "TIME");
    }

    /// Shows a line. Returns whether it is as expected.
    pub(crate) fn show(&mut self, what: &str, expected: &str, seen: &Seen) -> bool {
        self.line(what, expected, &seen.result, &format!("{:.2} s", seen.time.as_secs_f64()));
        self.shown += 1;
        if seen.result != expected {
            self.different += 1;
            println!("    DIFFERENT: {}", seen.message);
        } else if seen.late {
            self.late += 1;
            println!("    LATE, on a machine as busy as this");
        }
        seen.result == expected
    }

    /// Shows how many are as expected. Returns whether no line is different; late lines do not count as different.
    pub(crate) fn end(&self) -> bool {
        let late = if self.late > 0 { format!(", {} late", self.late) } else { String::new() };
        println!("\n{} of {} as expected{late}", self.shown - self.different - self.late, self.shown);
        self.different == 0
    }

    fn line(&self, what: &str, expected: &str, got: &str, time: &str) {
        let (what_width, width) = (self.what, self.outcome);
        println!("{what:what_width$}  {expected:width$}  {got:width$}  {time:>TIME$}");
    }
}
