use std::fmt;

use serde::{Deserialize, Serialize};

use super::numbers::number;
use crate::workload::Figure;

/// One workload: a table with a line for each contestant, and a column for each size and figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The workload, and the name of its plot.
    pub name: String,
    /// Sizes, each with the figures that are shown of it.
    pub columns: Vec<Column>,
    /// The contestants.
    pub lines: Vec<Line>,
}

/// What a column shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Of which size of the workload; empty if there is only one.
    pub size: String,
    /// What is measured, with its unit.
    pub figure: String,
    /// Whether more of it is better.
    pub is_rate: bool,
    /// Whether it is so close to nothing that a ratio to another would say nothing.
    pub is_rest: bool,
}

/// What a contestant achieved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The contestant.
    pub who: String,
    /// The line that it is compared with; `None` for a line that others are compared with.
    pub reference: Option<usize>,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// What stands in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// The median over the rounds.
    Measured(f64),
    /// Why there is nothing.
    Empty(String),
}

impl Column {
    /// A figure of a workload in some size.
    #[must_use]
    pub fn new(size: &str, figure: Figure) -> Self {
        let Figure { name, is_rate, is_rest } = figure;
        Self { size: size.to_owned(), figure: name.to_owned(), is_rate, is_rest }
    }

    fn title(&self) -> String {
        let arrow = if self.is_rate { '↑' } else { '↓' };
        match self.size.as_str() {
            "" => format!("{} {arrow}", self.figure),
            size => format!("{size}: {} {arrow}", self.figure),
        }
    }
}

impl Section {
    /// Returns the ratio of a median to that of the reference, as one would compute it from the table.
    ///
    /// It is not the median of the ratios within each round: that one can be below 1 while the median is above the other one.
    #[must_use]
    pub fn ratio(&self, line: usize, column: usize) -> Option<f64> {
        let value = |line: usize| match self.lines[line].cells[column] {
            Cell::Measured(value) => Some(value),
            Cell::Empty(_) => None,
        };
        let reference = self.lines[line].reference.filter(|_| !self.columns[column].is_rest)?;
        Some(value(line)? / value(reference)?).filter(|ratio| ratio.is_finite())
    }

    /// Returns a median, and its ratio in brackets, as it stands in tables and at bars; `None` for an empty cell.
    #[must_use]
    pub fn value(&self, line: usize, column: usize) -> Option<String> {
        let Cell::Measured(value) = self.lines[line].cells[column] else { return None };
        let ratio = self.ratio(line, column).map(|ratio| format!(" ({ratio:.2}x)"));
        Some(number(value) + &ratio.unwrap_or_default())
    }

    /// The table alone.
    #[must_use]
    pub fn table(&self) -> String {
        let titles: Vec<_> = self.columns.iter().map(Column::title).collect();
        let mut table = format!("| | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
        let reasons = self.reasons();
        for (line, Line { who, cells, .. }) in self.lines.iter().enumerate() {
            let shown = cells.iter().enumerate().map(|(column, cell)| match cell {
                Cell::Measured(_) => self.value(line, column).unwrap_or_default(),
                Cell::Empty(reason) => {
                    let note = reasons.iter().position(|noted| noted == reason).unwrap_or_default();
                    format!("[{}]", note + 1)
                }
            });
            table += &format!("| {who} | {} |\n", shown.collect::<Vec<_>>().join(" | "));
        }
        table
    }

    /// Why there is nothing in some cells: each reason once.
    fn reasons(&self) -> Vec<&str> {
        let mut reasons = Vec::new();
        for cell in self.lines.iter().flat_map(|line| &line.cells) {
            match cell {
                Cell::Empty(reason) if !reasons.contains(&reason.as_str()) => reasons.push(reason),
                _ => {}
            }
        }
        reasons
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "### {}\n\n{}", self.name, self.table())?;
        for (note, reason) in self.reasons().iter().enumerate() {
            write!(f, "\n[{}] {reason}.\n", note + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, Line, Section};
    use crate::workload::Workload;

    fn line(who: &str, reference: Option<usize>, cells: impl Into<Vec<Cell>>) -> Line {
        Line { who: who.into(), reference, cells: cells.into() }
    }

    #[test]
    fn a_reason_is_noted_once() {
        let empty = || Cell::Empty("it has no polls".into());
        let section = Section {
            name: "poll".into(),
            columns: vec![Column::new("", Workload::Poll { polls: 1 }.figures()[0])],
            lines: vec![
                line("one", None, [Cell::Measured(2.0)]),
                line("two", Some(0), [empty()]),
                line("three", Some(0), [empty()]),
            ],
        };
        let expected = "### poll\n\n| | ns per poll ↓ |\n|---|---|\n| one | 2.00 |\n| two | [1] |\n| three | [1] |\n\n\
                        [1] it has no polls.\n";
        assert_eq!(section.to_string(), expected);
    }

    #[test]
    fn a_ratio_is_that_of_the_values_beside_it() {
        let workload = Workload::Churn { children: 1 };
        let section = Section {
            name: "churn".into(),
            columns: vec![Column::new("spawn", workload.figures()[0])],
            lines: vec![
                line("by hand", None, [Cell::Measured(842_881.0)]),
                line("supervision", Some(0), [Cell::Measured(962_677.0)]),
            ],
        };
        let expected = "| | spawn: children per second ↑ |\n|---|---|\n| by hand | 842,881 |\n\
                        | supervision | 962,677 (1.14x) |\n";
        assert_eq!(section.table(), expected);
    }

    #[test]
    fn no_ratio_is_shown_to_nothing() {
        let figures = Workload::Footprint { children: 1 }.figures();
        let section = Section {
            name: "footprint".into(),
            columns: figures.iter().map(|figure| Column::new("", *figure)).collect(),
            lines: vec![
                line("one", None, [0.0, 1.0, 2.0, 3.0].map(Cell::Measured)),
                line("two", Some(0), [1.0, 1.0, 1.0, 1.0].map(Cell::Measured)),
            ],
        };
        let ratios: Vec<_> = (0..4).map(|column| section.ratio(1, column)).collect();
        assert_eq!(ratios, [None, Some(1.0), Some(0.5), None], "a rest has none either");
    }
}
