//! What was measured, as data and as a table.

use std::fmt;

use serde::{Deserialize, Serialize};
use supervision_instructions::results::number;

/// All that one run has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// The tools, and the day.
    pub(crate) machine: String,
    pub(crate) lines: Vec<Line>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) of: String,
    pub(crate) instructions: Pair,
    /// Nothing, if callgrind counts only a part of what the time would be that of.
    pub(crate) nanoseconds: Option<Pair>,
}

/// The cost of one operation at two sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) sizes: [usize; 2],
    pub(crate) costs: [f64; 2],
}

impl Page {
    /// The largest growth that is none.
    pub(crate) const LIMIT: f64 = 1.2;

    /// Returns how many rows grow.
    pub(crate) fn grown(&self) -> usize {
        self.lines.iter().filter(|line| line.has_grown()).count()
    }
}

impl Line {
    fn growth(&self) -> f64 {
        self.instructions.growth()
    }

    fn has_grown(&self) -> bool {
        self.growth() > Page::LIMIT
    }
}

impl Pair {
    fn growth(&self) -> f64 {
        self.costs[1] / self.costs[0]
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [small, large] = self.sizes.map(|size| number(size as f64));
        let [less, more] = self.costs.map(number);
        write!(f, "{small} and {large} | {less} and {more} | {:.2}x", self.growth())
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Growth\n")?;
        writeln!(f, "Made by `scripts/instructions --growth --record` from `growth.json`: {}.", self.machine)?;
        writeln!(f, "The cost of one operation on a current-thread Tokio, at the small size and at the large one.\n")?;
        writeln!(f, "| operation | number of | sizes | instructions | growth | |\n|---|---|---|---|---|---|")?;
        for line in &self.lines {
            let verdict = if line.has_grown() { "GROWS" } else { "flat" };
            writeln!(f, "| {} | {} | {} | {verdict} |", line.name, line.of, line.instructions)?;
        }
        writeln!(f, "\nTimes on the processor, which also count what no longer fits into a cache:\n")?;
        writeln!(f, "| operation | number of | sizes | nanoseconds | growth |\n|---|---|---|---|---|")?;
        let mut timed = self.lines.iter().filter_map(|line| Some((line, line.nanoseconds?)));
        timed.try_for_each(|(line, times)| writeln!(f, "| {} | {} | {times} |", line.name, line.of))
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Page, Pair};

    #[test]
    fn the_page_shows_the_data() {
        let data: Page = serde_json::from_str(include_str!("../../../results/growth.json")).expect("results");
        let page = include_str!("../../../results/growth.md");
        assert_eq!(page, data.to_string(), "run `scripts/instructions --growth --record`");
    }

    #[test]
    fn a_row_that_grows_by_more_than_a_fifth_is_marked() {
        let line = |large: f64| Line {
            name: "start".into(),
            of: "children".into(),
            instructions: Pair { sizes: [1_000, 100_000], costs: [1000.0, large] },
            nanoseconds: (large > 100.0).then_some(Pair { sizes: [1_000, 1_000_000], costs: [100.4, 300.0] }),
        };
        let page = Page { machine: String::new(), lines: vec![line(1200.0), line(1201.0), line(10.0)] };
        assert_eq!(page.grown(), 1);
        let flat = "| start | children | 1,000 and 100,000 | 1,000 and 1,200 | 1.20x | flat |";
        let grows = "| start | children | 1,000 and 100,000 | 1,000 and 1,201 | 1.20x | GROWS |";
        let table = page.to_string();
        assert!(table.contains(flat) && table.contains(grows), "{table}");
        let timed = "| start | children | 1,000 and 1,000,000 | 100 and 300 | 2.99x |";
        assert_eq!(table.lines().filter(|line| *line == timed).count(), 2, "{table}");
    }
}
