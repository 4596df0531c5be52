//! What was measured, as data and as a table.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::{budgets::verdicts, rows::Row};

/// All that one run has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The tools, and the day.
    pub machine: String,
    /// The bytes of the box of a parked child's process.
    pub task_box: i64,
    /// The rows, each once for each subject on each executor.
    pub lines: Vec<Line>,
}

/// A row of one subject, for each operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The name of the executor.
    pub executor: String,
    /// The name of the subject.
    pub subject: String,
    /// The operation.
    pub row: Row,
    /// The instructions that callgrind has counted.
    pub instructions: f64,
    /// The requests to the allocator.
    pub allocations: f64,
    /// The bytes that live on after the operation.
    pub bytes: f64,
}

impl Results {
    /// Returns a line, if it was measured.
    #[must_use]
    pub fn line(&self, executor: &str, subject: &str, row: Row) -> Option<&Line> {
        self.lines.iter().find(|line| line.executor == executor && line.subject == subject && line.row == row)
    }

    /// Returns how many times the instructions of the floor ours takes.
    #[must_use]
    pub fn times_floor(&self, executor: &str, row: Row) -> Option<f64> {
        let instructions = |subject| Some(self.line(executor, subject, row)?.instructions);
        Some(instructions("ours")? / instructions("floor")?)
    }

    fn executors(&self) -> Vec<&str> {
        let mut executors: Vec<_> = self.lines.iter().map(|line| line.executor.as_str()).collect();
        executors.dedup();
        executors
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for executor in self.executors() {
            writeln!(f, "| {executor} | floor | ours | x floor | JoinSet | allocations (floor) | bytes (floor) |")?;
            writeln!(f, "|---|---|---|---|---|---|---|")?;
            for row in Row::ALL {
                let line = |subject| self.line(executor, subject, row);
                let instructions = |subject| cell(line(subject).map(|line| number(line.instructions)));
                let pair = |value: fn(&Line) -> String| match (line("ours"), line("floor")) {
                    (Some(ours), Some(floor)) => format!("{} ({})", value(ours), value(floor)),
                    (ours, _) => cell(ours.map(value)),
                };
                let [floor, ours, join_set] = ["floor", "ours", "JoinSet"].map(instructions);
                let times = cell(self.times_floor(executor, row).map(|times| format!("{times:.2}")));
                let allocations = pair(|line| format!("{:.1}", line.allocations));
                let bytes = pair(|line| number(line.bytes));
                writeln!(f, "| {row} | {floor} | {ours} | {times} | {join_set} | {allocations} | {bytes} |")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "The box of a parked child's process: {} B.", self.task_box)
    }
}

fn cell(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".into())
}

/// Writes a whole number, in groups of three digits.
#[must_use]
pub fn number(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value <= -0.5 { format!("-{grouped}") } else { grouped }
}

/// Returns the page that is kept in this package.
#[must_use]
pub fn page(results: &Results) -> String {
    let (machine, (budgets, _)) = (&results.machine, verdicts(results));
    format!(
        "# Rows\n\nMade by `scripts/instructions --record` from `rows.json`: {machine}. Instructions, allocations and bytes for each \
         operation.\n\n{results}\n## Budgets\n\n{budgets}"
    )
}

/// The largest growth of a row that passes: instructions repeat within a fraction of this.
pub const TOLERANCE: f64 = 0.02;

/// A table of the rows of ours before and after, and how many have grown by more than [`TOLERANCE`].
#[must_use]
pub fn comparison(before: &Results, after: &Results) -> (String, usize) {
    let mut table = String::from("| executor | row | before | after | change | |\n|---|---|---|---|---|---|\n");
    let mut grown = 0;
    for line in after.lines.iter().filter(|line| line.subject == "ours") {
        let Some(old) = before.line(&line.executor, &line.subject, line.row) else { continue };
        let change = line.instructions / old.instructions - 1.0;
        let verdict = if change > TOLERANCE { "GREW" } else { "" };
        grown += usize::from(change > TOLERANCE);
        let (executor, row) = (&line.executor, line.row);
        let (old, new, change) = (number(old.instructions), number(line.instructions), change * 100.0);
        let _ = writeln!(table, "| {executor} | {row} | {old} | {new} | {change:+.2} % | {verdict} |");
    }
    (table, grown)
}

#[cfg(test)]
mod tests {
    use super::{Line, Results, comparison, number, page};
    use crate::rows::Row;

    fn line(subject: &str, row: Row, instructions: f64) -> Line {
        let (executor, subject) = ("Tokio".into(), subject.into());
        Line { executor, subject, row, instructions, allocations: 3.0, bytes: 400.0 }
    }

    fn results(lines: impl Into<Vec<Line>>) -> Results {
        Results { machine: String::new(), task_box: 136, lines: lines.into() }
    }

    #[test]
    fn the_page_shows_the_data() {
        let data = serde_json::from_str(include_str!("../results/rows.json")).expect("results");
        assert_eq!(include_str!("../results/rows.md"), page(&data), "run `scripts/instructions --record`");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0.4, -0.4, 999.5, -1234.0, 1e6].map(number), ["0", "0", "1,000", "-1,234", "1,000,000"]);
    }

    #[test]
    fn a_row_that_a_subject_cannot_do_is_an_empty_cell() {
        let table = results([line("floor", Row::Start, 1000.0), line("ours", Row::Start, 1900.0)]).to_string();
        let row = table.lines().find(|row| row.starts_with("| start ")).unwrap();
        assert_eq!(row, "| start | 1,000 | 1,900 | 1.90 | – | 3.0 (3.0) | 400 (400) |");
        assert!(table.contains("| restart | – | – | – | – | – | – |"), "{table}");
    }

    #[test]
    fn a_row_of_ours_that_grows_by_more_fails() {
        let of = |ours, floor| results([line("ours", Row::Restart, ours), line("floor", Row::Restart, floor)]);
        let grown = |ours, floor| comparison(&of(1000.0, 100.0), &of(ours, floor)).1;
        assert_eq!([grown(1019.0, 100.0), grown(1021.0, 100.0), grown(500.0, 900.0)], [0, 1, 0]);
    }

    #[test]
    fn a_row_that_is_new_is_not_compared() {
        let (table, grown) = comparison(&results([]), &results([line("ours", Row::Start, 1.0)]));
        assert_eq!((table.lines().count(), grown), (2, 0));
    }
}
