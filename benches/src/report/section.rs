use std::fmt::{self, Write as _};

use crate::workload::Figure;

/// One workload: a table with a line for each contestant, and a column for each size and figure.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it is about, and the name of its plot.
    pub name: &'static str,
    /// What the ratios are to.
    pub reference: &'static str,
    /// Sizes, each with the figures that are shown of it.
    pub columns: Vec<(String, Figure)>,
    /// Who, with a cell for each column.
    pub lines: Vec<(String, Vec<Cell>)>,
}

/// What stands in a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// The median, and the median over the rounds of its ratio to the reference, if it is not the reference.
    Measured(f64, Option<f64>),
    /// Why there is nothing.
    Empty(&'static str),
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.name)?;
        let columns = self.columns.iter().map(|(size, figure)| match size.as_str() {
            "" => figure.name.to_owned(),
            size => format!("{size}: {}", figure.name),
        });
        writeln!(f, "| | {} |", columns.collect::<Vec<_>>().join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(self.columns.len()))?;
        let mut notes = Vec::new();
        for (who, cells) in &self.lines {
            write!(f, "| {who} |")?;
            for cell in cells {
                match cell {
                    Cell::Measured(value, ratio) => {
                        write!(f, " {}", number(*value))?;
                        if let Some(ratio) = ratio {
                            write!(f, " ({ratio:.2}x)")?;
                        }
                    }
                    Cell::Empty(reason) => {
                        let note = notes.iter().position(|note| note == reason).unwrap_or_else(|| {
                            notes.push(*reason);
                            notes.len() - 1
                        });
                        write!(f, " [{}]", note + 1)?;
                    }
                }
                f.write_str(" |")?;
            }
            writeln!(f)?;
        }
        let cells = || self.lines.iter().flat_map(|(_, cells)| cells);
        let compared = cells().any(|cell| matches!(cell, Cell::Measured(_, Some(_))));
        let compared = compared.then(|| format!("In brackets: to {}.", self.reference));
        let notes = notes.iter().enumerate().map(|(note, reason)| format!("[{}] {reason}.", note + 1));
        for note in compared.into_iter().chain(notes) {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

/// Three digits, or all before the point, in groups.
fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        let _ = grouped.write_char(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{Cell, Section, number};
    use crate::workload::Workload;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.123, 12.34, 123.4, 1234.5, 1_234_567.0, -1000.0].map(number);
        assert_eq!(shown, ["0.00", "0.12", "12.3", "123", "1,234", "1,234,567", "-1,000"]);
    }

    #[test]
    fn a_reason_is_noted_once() {
        let figure = Workload::Poll { polls: 1 }.figures()[0];
        let empty = || Cell::Empty("it has no polls");
        let section = Section {
            name: "poll",
            reference: "the first",
            columns: vec![(String::new(), figure)],
            lines: vec![
                ("one".into(), vec![Cell::Measured(2.0, None)]),
                ("two".into(), vec![empty()]),
                ("three".into(), vec![empty()]),
            ],
        };
        let expected = "### poll\n\n| | ns per poll |\n|---|---|\n| one | 2.00 |\n| two | [1] |\n| three | [1] |\n\n\
                        [1] it has no polls.\n";
        assert_eq!(section.to_string(), expected);
    }
}
