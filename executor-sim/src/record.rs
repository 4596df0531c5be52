use std::{fmt, sync::Arc, time::Duration};

use supervisor_core::{Event, SupervisorError, dotted};

/// What happened in a run: every event of the tree, when, and how it ended. Displayed, a line for each event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// How the tree ended, as running it tells.
    pub outcome: Result<(), SupervisorError>,
    /// What happened, with the time of the simulation.
    pub events: Vec<(Duration, Arc<Event>)>,
}

impl Record {
    /// What happened to the processes of this dotted name, which is cleaned as theirs are.
    pub fn of<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a Event> + use<'a> {
        let path = dotted(path);
        self.events.iter().map(|(_, event)| &**event).filter(move |event| event.path == path)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, event) in &self.events {
            writeln!(f, "{:>12.3?}  {event}", at)?;
        }
        match &self.outcome {
            Ok(()) => f.write_str("it ended well"),
            Err(error) => write!(f, "it ended: {error:#}"),
        }
    }
}
