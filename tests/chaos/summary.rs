use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use supervisor_core::{EventKind, Exit, ProcessId, SupervisorError, testing::Entry};

use super::{diary::Diary, sites::Sites};

/// The counts of what has happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    counts: BTreeMap<&'static str, usize>,
    /// Processes that have started, and whose end was not told yet.
    open: BTreeSet<ProcessId>,
    /// How much later than its limit the latest stop of a tree was.
    latest: Duration,
}

impl Summary {
    pub(crate) fn count(&mut self, entry: &Entry) {
        let Entry::Event(event) = entry else { return };
        match &event.kind {
            EventKind::Started => {
                self.add_to("processes started", 1);
                self.open.extend(event.process);
            }
            EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Ignored | EventKind::Abandoned => {
                let is_first = event.process.is_some_and(|process| self.open.remove(&process));
                self.add_to("ends told", usize::from(is_first));
            }
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

    /// Notes that the tree was to have stopped within this limit.
    pub(crate) fn stopped(&mut self, took: Duration, limit: Duration) {
        self.latest = self.latest.max(took.saturating_sub(limit));
    }

    /// Concludes the round, because the tree has ended.
    pub(crate) fn conclude(&mut self, diary: &Diary, sites: &Sites, outcome: &Result<(), SupervisorError>) {
        let ended = match outcome {
            Ok(()) => "trees that ended well",
            Err(SupervisorError::UncleanShutdown(_)) => "trees with an unclean shutdown",
            Err(SupervisorError::GaveUp(_)) => "trees that gave up",
            Err(SupervisorError::FailedToStart { .. }) => "trees that failed to start",
            Err(SupervisorError::ShutdownDuringStart) => "trees stopped while they started",
            Err(_) => "trees that ended otherwise",
        };
        self.add_to(ended, 1);
        self.add_to("trees", 1);
        self.add_to("incarnations", diary.incarnations());
        self.add_to("calls", diary.calls());
        self.add_to("scopes", diary.scopes());
        self.add_to("polls that blocked", diary.blocks());
        self.add_to("executors ended", sites.ended());
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.latest = self.latest.max(other.latest);
        other.counts.into_iter().for_each(|(what, count)| self.add_to(what, count));
    }

    pub(crate) fn of(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// Returns how many processes were started whose end was not reported.
    pub(crate) fn exits_lost(&self) -> usize {
        self.of("processes started") - self.of("ends told")
    }

    fn add_to(&mut self, what: &'static str, count: usize) {
        *self.counts.entry(what).or_default() += count;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts.iter().try_for_each(|(what, count)| writeln!(f, "{count:>10}  {what}"))?;
        writeln!(f, "{:>10}  milliseconds over its limit, the latest stop of a tree", self.latest.as_millis())
    }
}
