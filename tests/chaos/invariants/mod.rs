//! What must hold whatever happens: one file for each. They see all events of a tree, and what its workers tell of themselves.

mod budget;
mod named;
mod no_excess;
mod no_leak;
mod no_overlap;
mod one_exit;
mod order;
mod owned;
mod restarts;
mod scripted;
mod silence;
mod stops;

use std::time::Duration;

use supervisor_core::{Event, SupervisorError, testing::Entry};

use super::{blueprint::Settings, diary::Diary};

/// How much of what was seen is told with what is wrong.
const SHOWN: usize = 1_000;

/// The facts about a tree before it starts.
pub(crate) struct Setting {
    /// Their dotted names, their settings, and the dotted names of their children in start order.
    pub(crate) supervisors: Vec<(String, Settings, Vec<String>)>,
    /// The dotted names of workers, and the times that they have to stop.
    pub(crate) workers: Vec<(String, Duration)>,
    /// Everything happens in one order.
    pub(crate) is_simulated: bool,
    /// How much later than its limit something may be.
    pub(crate) tolerance: Duration,
}

/// The facts about a tree when it has ended.
pub(crate) struct End<'a> {
    pub(crate) diary: &'a Diary,
    pub(crate) outcome: &'a Result<(), SupervisorError>,
}

/// The time of an observation, counted from when the stage was set.
pub(crate) type At = Duration;

/// Something that is looked at by the invariants.
pub(crate) enum Seen<'a> {
    Event(&'a Event),
    /// User code of this process runs from now on.
    Begun {
        process: u64,
        path: &'a str,
    },
    /// All of it has been dropped.
    Ended {
        process: u64,
        path: &'a str,
    },
    /// A call that may stop this child is made.
    Called {
        path: &'a str,
    },
    /// The tree was asked to stop.
    AskedToStop,
}

/// Each has something to say against what it sees, or nothing.
trait Invariant {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let _ = seen;
        Ok(())
    }

    /// Sees an event as [`see`](Self::see) does, for a rule that depends on the time.
    fn see_at(&mut self, seen: &Seen<'_>, at: At) -> Result<(), String> {
        let _ = at;
        self.see(seen)
    }

    /// Checks the end of the tree.
    fn finish(&self, end: &End<'_>) -> Result<(), String> {
        let _ = end;
        Ok(())
    }
}

pub(crate) struct Invariants {
    seed: u64,
    all: Vec<Box<dyn Invariant>>,
    /// The last things that were seen, to be told with what is wrong.
    history: Vec<String>,
}

impl Invariants {
    pub(crate) fn new(seed: u64, setting: Setting) -> Self {
        let all: Vec<Box<dyn Invariant>> = vec![
            Box::new(one_exit::OneExit::default()),
            Box::new(no_overlap::NoOverlap::default()),
            Box::new(no_excess::NoExcess::default()),
            Box::new(owned::Owned::default()),
            Box::new(order::Order::new(&setting)),
            Box::new(restarts::Restarts::default()),
            Box::new(budget::Budget),
            Box::new(scripted::Scripted),
            Box::new(silence::Silence::new(&setting)),
            Box::new(stops::Stops::new(&setting)),
            Box::new(named::Named::default()),
            Box::new(no_leak::NoLeak),
        ];
        Self { seed, all, history: Vec::new() }
    }

    pub(crate) fn see(&mut self, entry: &Entry, at: At) {
        self.history.push(match entry {
            Entry::Event(event) => format!("{at:.0?} {event}"),
            Entry::Note(note) => format!("{at:.0?}     {note}"),
        });
        let seen = Seen::from(entry);
        let objections: Vec<_> =
            self.all.iter_mut().filter_map(|invariant| invariant.see_at(&seen, at).err()).collect();
        self.object(&objections);
    }

    pub(crate) fn finish(&self, end: &End<'_>) {
        let objections: Vec<_> = self.all.iter().filter_map(|invariant| invariant.finish(end).err()).collect();
        self.object(&objections);
    }

    /// Fails for a reason other than an invariant.
    pub(crate) fn fail(&self, objection: &str) {
        self.object(&[objection.to_owned()]);
    }

    fn object(&self, objections: &[String]) {
        let recent = &self.history[self.history.len().saturating_sub(SHOWN)..];
        assert!(objections.is_empty(), "seed {}: {}\n{}", self.seed, objections.join("; "), recent.join("\n"));
    }
}

/// Returns whether this is the dotted name of a supervisor.
pub(crate) fn is_supervisor(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|name| name.starts_with('s') || name == "root")
}

impl<'a> From<&'a Entry> for Seen<'a> {
    fn from(entry: &'a Entry) -> Self {
        let note = match entry {
            Entry::Event(event) => return Self::Event(event),
            Entry::Note(note) => note,
        };
        let mut words = note.split(' ');
        let (what, process) = (words.next(), words.next().and_then(|number| number.parse().ok()));
        let path = words.next().unwrap_or_default();
        match (what, process) {
            (Some("begin"), Some(process)) => Self::Begun { process, path },
            (Some("end"), Some(process)) => Self::Ended { process, path },
            (Some("call"), _) => Self::Called { path },
            _ => Self::AskedToStop,
        }
    }
}
