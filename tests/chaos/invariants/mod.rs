//! What must hold whatever happens: one file for each. They see all events of a tree, and what its workers tell of themselves.

mod budget;
mod no_excess;
mod no_leak;
mod no_overlap;
mod one_exit;
mod order;
mod silence;

use supervisor_core::{Event, testing::Entry};

use super::{blueprint::Settings, diary::Diary};

/// What is known of a tree before it starts.
pub(crate) struct Setting {
    /// Their dotted names, their settings, and the dotted names of their children in start order.
    pub(crate) supervisors: Vec<(String, Settings, Vec<String>)>,
    /// There is one order of things for everybody.
    pub(crate) is_simulated: bool,
}

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
    /// Somebody makes a call that may stop this child.
    Called {
        path: &'a str,
    },
    /// The tree was asked to stop.
    AskedToStop,
}

/// Each has something to say against what it sees, or nothing.
trait Invariant {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String>;

    /// When the tree has ended.
    fn finish(&self, diary: &Diary) -> Result<(), String> {
        let _ = diary;
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
            Box::new(order::Order::new(&setting)),
            Box::new(budget::Budget),
            Box::new(silence::Silence::new(&setting)),
            Box::new(no_leak::NoLeak),
        ];
        Self { seed, all, history: Vec::new() }
    }

    pub(crate) fn see(&mut self, entry: &Entry) {
        self.history.push(match entry {
            Entry::Event(event) => event.to_string(),
            Entry::Note(note) => format!("    {note}"),
        });
        let seen = Seen::from(entry);
        let objections: Vec<_> = self.all.iter_mut().filter_map(|invariant| invariant.see(&seen).err()).collect();
        self.object(&objections);
    }

    pub(crate) fn finish(&self, diary: &Diary) {
        let objections: Vec<_> = self.all.iter().filter_map(|invariant| invariant.finish(diary).err()).collect();
        self.object(&objections);
    }

    fn object(&self, objections: &[String]) {
        let recent = &self.history[self.history.len().saturating_sub(60)..];
        assert!(objections.is_empty(), "seed {}: {}\n{}", self.seed, objections.join("; "), recent.join("\n"));
    }
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
