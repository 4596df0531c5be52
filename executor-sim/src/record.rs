use std::{fmt, sync::Arc, time::Duration};

use supervisor_core::{Event, Snapshot, SupervisorError, dotted};

/// A record of a run: every event of the tree with its time, and how the run ended. Its display has a line for each
/// event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// The outcome of the tree, as running it returns.
    pub outcome: Result<(), SupervisorError>,
    /// The events, each with the time of the simulation.
    pub events: Vec<(Duration, Arc<Event>)>,
    /// The snapshots, each with the number of events before it. There are some only after
    /// [`Sim::take_snapshots`](crate::Sim::take_snapshots).
    pub snapshots: Vec<(usize, Snapshot)>,
}

impl Record {
    /// Returns the events of the processes with this dotted name, which is cleaned as theirs are.
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
