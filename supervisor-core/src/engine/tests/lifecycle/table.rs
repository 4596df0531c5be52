use std::fmt;

use super::*;

/// The outcomes of the events in one situation.
pub(super) struct Table {
    rows: Vec<[String; 6]>,
    /// Events that come to nothing.
    idle: Vec<&'static str>,
}

const HEAD: [&str; 6] = ["event", "restart type", "next", "effects", "told", "answers"];

impl Table {
    pub(super) fn new(rows: Vec<(Event, Outcomes)>) -> Self {
        let mut groups: Vec<(Vec<&'static str>, Outcomes)> = Vec::new();
        for (event, outcomes) in rows {
            match groups.iter_mut().find(|(_, others)| *others == outcomes) {
                Some((events, _)) => events.push(event.title()),
                None => groups.push((vec![event.title()], outcomes)),
            }
        }
        let mut table = Self { rows: Vec::new(), idle: Vec::new() };
        for (events, outcomes) in groups {
            if outcomes.iter().flatten().all(|outcome| outcome.is_nothing) {
                table.idle.extend(events);
            } else {
                table.add(&in_short(&events), outcomes);
            }
        }
        table
    }

    /// Adds one row, or one for each kind of outcome.
    fn add(&mut self, events: &str, outcomes: Outcomes) {
        let possible: Vec<_> =
            TYPES.into_iter().zip(outcomes).filter_map(|(of, outcome)| Some((of, outcome?))).collect();
        let mut kinds: Vec<(Vec<String>, Outcome)> = Vec::new();
        for (restart, outcome) in &possible {
            let restart = format!("{restart:?}").to_lowercase();
            match kinds.iter_mut().find(|(_, other)| other == outcome) {
                Some((restarts, _)) => restarts.push(restart),
                None => kinds.push((vec![restart], outcome.clone())),
            }
        }
        let is_one = kinds.len() == 1;
        for (restarts, Outcome { next, effects, told, answers, .. }) in kinds {
            let restarts = if is_one { String::new() } else { restarts.join(", ") };
            let told = told.join("; ");
            self.rows.push([events.into(), restarts, next, effects.join("; "), told, answers.join("; ")]);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = HEAD.map(str::to_owned);
        let width = |column: usize| self.rows.iter().chain([&head]).map(|row| row[column].chars().count()).max();
        let widths: Vec<_> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &[String; 6]| {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            format!("| {} |", cells.join(" | "))
        };
        if !self.rows.is_empty() {
            let rule: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            writeln!(f, "{}\n|{}|", line(&head), rule.join("|"))?;
            self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row)))?;
        }
        if !self.idle.is_empty() {
            let gap = if self.rows.is_empty() { "" } else { "\n" };
            writeln!(f, "{gap}Nothing comes of: {}.", in_short(&self.idle))?;
        }
        Ok(())
    }
}

/// Shortens `exit: lost, exit: aborted` to `exit: lost, aborted`.
fn in_short(events: &[&str]) -> String {
    events.join(", ").split("exit: ").enumerate().fold(String::new(), |text, (n, part)| match n {
        1 => format!("{text}exit: {part}"),
        _ => text + part,
    })
}
