//! What ours may cost, on a current-thread Tokio runtime: as a multiple of the floor, in allocations, and in bytes.

use std::fmt::{self, Write as _};

use crate::{
    executor::{Executor as _, TokioCurrent},
    results::Results,
    rows::Row,
};

/// Each with what it must not exceed, and what is the aim.
const BUDGETS: &[(Measure, f64, f64)] = &[
    (Measure::TimesFloor(Row::Start), 1.65, 1.4),
    (Measure::TimesFloor(Row::StopAtOnce), 2.6, 2.0),
    (Measure::TimesFloor(Row::StopInOrder), 2.1, 1.7),
    (Measure::TimesFloor(Row::Restart), 1.75, 1.5),
    (Measure::TimesFloor(Row::StartChild), 1.6, 1.4),
    (Measure::TimesFloor(Row::OneForAll), 1.9, 1.6),
    (Measure::Allocations(Row::Restart), 2.0, 2.0),
    (Measure::Allocations(Row::StartChild), 4.0, 4.0),
    (Measure::ParkedChild, 408.0, 380.0),
    (Measure::TaskBox, 120.0, 120.0),
];

#[derive(Clone, Copy, Debug)]
enum Measure {
    TimesFloor(Row),
    Allocations(Row),
    ParkedChild,
    TaskBox,
}

impl Measure {
    /// Returns what was measured, rounded as it is printed. So a buffer that grew once in a thousand operations counts nothing.
    fn of(self, results: &Results) -> Option<f64> {
        let ours = |row| results.line(TokioCurrent::NAME, "ours", row);
        let (value, digits) = match self {
            Self::TimesFloor(row) => (results.times_floor(TokioCurrent::NAME, row)?, 100.0),
            Self::Allocations(row) => (ours(row)?.allocations, 10.0),
            Self::ParkedChild => (ours(Row::Start)?.bytes, 1.0),
            Self::TaskBox => (results.task_box as f64, 1.0),
        };
        Some((value * digits).round() / digits)
    }

    fn unit(self) -> &'static str {
        match self {
            Self::TimesFloor(_) => "x floor",
            Self::Allocations(_) => "",
            Self::ParkedChild | Self::TaskBox => " B",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesFloor(row) => write!(f, "{row}"),
            Self::Allocations(row) => write!(f, "allocations, {row}"),
            Self::ParkedChild => f.write_str("bytes of a parked child"),
            Self::TaskBox => f.write_str("bytes of its process's box"),
        }
    }
}

/// Returns a table of all budgets, and how many are missed.
#[must_use]
pub fn verdicts(results: &Results) -> (String, usize) {
    let mut table = String::from("| budget | measured | must | aim | verdict |\n|---|---|---|---|---|\n");
    let mut missed = 0;
    for (measure, must, aim) in BUDGETS {
        let (value, unit) = (measure.of(results), measure.unit());
        let verdict = match value {
            Some(value) if value <= *aim => "met, with the aim",
            Some(value) if value <= *must => "met",
            _ => "MISSED",
        };
        missed += usize::from(verdict == "MISSED");
        let value = value.map_or_else(|| "–".into(), |value| format!("{value}{unit}"));
        let _ = writeln!(table, "| {measure} | {value} | <= {must}{unit} | <= {aim}{unit} | {verdict} |");
    }
    (table, missed)
}

#[cfg(test)]
mod tests {
    use super::{BUDGETS, verdicts};
    use crate::{
        executor::{Executor as _, TokioCurrent},
        results::{Line, Results},
        rows::Row,
    };

    /// Rows in which ours takes this many times the instructions of the floor.
    fn measured(times: f64) -> Results {
        let line = |subject: &str, row, instructions| {
            let (executor, subject) = (TokioCurrent::NAME.into(), subject.into());
            Line { executor, subject, row, instructions, allocations: 2.04, bytes: 380.2 }
        };
        let both = |row| [line("floor", row, 1000.0), line("ours", row, 1000.0 * times)];
        Results { machine: String::new(), task_box: 121, lines: Row::ALL.into_iter().flat_map(both).collect() }
    }

    #[test]
    fn a_budget_is_missed_above_its_must() {
        let (table, missed) = verdicts(&measured(2.0));
        assert_eq!(missed, 5, "{table}");
        assert!(table.contains("| start | 2x floor | <= 1.65x floor | <= 1.4x floor | MISSED |"), "{table}");
        assert!(
            table.contains("| stop at once | 2x floor | <= 2.6x floor | <= 2x floor | met, with the aim |"),
            "{table}"
        );
        assert!(table.contains("| stop in order | 2x floor | <= 2.1x floor | <= 1.7x floor | met |"), "{table}");
        assert!(table.contains("| allocations, restart | 2 | <= 2 | <= 2 | met, with the aim |"), "{table}");
        assert!(table.contains("| bytes of its process's box | 121 B | <= 120 B | <= 120 B | MISSED |"), "{table}");
    }

    #[test]
    fn a_budget_whose_row_was_not_measured_is_missed() {
        let nothing = Results { lines: Vec::new(), ..measured(1.0) };
        assert_eq!(verdicts(&nothing).1, BUDGETS.len());
    }
}
