use std::{collections::BTreeMap, fmt};

use supervisor_core::{EventKind, Exit, SupervisorError, testing::Entry};

use super::diary::Diary;

/// What has happened, counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary(BTreeMap<&'static str, usize>);

impl Summary {
    pub(crate) fn count(&mut self, entry: &Entry) {
        let Entry::Event(event) = entry else { return };
        match &event.kind {
            EventKind::Started => self.add_to("processes started", 1),
            EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Ignored => self.add_to("exits told", 1),
            _ => {}
        }
        let what = match &event.kind {
            EventKind::StartFailed(_) => "failed starts",
            EventKind::Exited(Exit::Failed(_)) => "errors",
            EventKind::Exited(Exit::Panicked(_)) => "panics",
            EventKind::Exited(Exit::Aborted) => "aborts",
            EventKind::Exited(Exit::Lost) => "processes lost",
            EventKind::Restarting { .. } => "restarts",
            EventKind::Stuck => "stuck",
            EventKind::Abandoned => "abandoned",
            EventKind::GaveUp(_) => "supervisors that gave up",
            _ => return,
        };
        self.add_to(what, 1);
    }

    /// The tree has ended.
    pub(crate) fn conclude(&mut self, diary: &Diary, outcome: Result<(), SupervisorError>) {
        let ended = match outcome {
            Ok(()) => "trees that ended well",
            Err(SupervisorError::UncleanShutdown(_)) => "trees with an unclean shutdown",
            Err(SupervisorError::GaveUp(_)) => "trees that gave up",
            Err(SupervisorError::FailedToStart { .. }) => "trees that failed to start",
            Err(_) => "trees that ended otherwise",
        };
        self.add_to(ended, 1);
        self.add_to("trees", 1);
        self.add_to("incarnations", diary.incarnations());
        self.add_to("calls", diary.calls());
    }

    pub(crate) fn add(&mut self, other: Self) {
        other.0.into_iter().for_each(|(what, count)| self.add_to(what, count));
    }

    pub(crate) fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// How many processes were started of whose end nobody heard, and that were not given up on.
    pub(crate) fn exits_lost(&self) -> usize {
        self.of("processes started").abs_diff(self.of("exits told") + self.of("abandoned"))
    }

    fn add_to(&mut self, what: &'static str, count: usize) {
        *self.0.entry(what).or_default() += count;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(f, "{count:>10}  {what}"))
    }
}
