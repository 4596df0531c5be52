//! Where the lines come from: the events since the last look, and a snapshot if one is due.

use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use supervisor_core::{Events, SupervisorHandle};

use super::{lines, overview::reduce};

/// How often to look. A person sees no delay.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// How long a snapshot stays good if no event comes. Some changes, such as unread messages, are no events.
const QUIET: Duration = Duration::from_secs(2);

/// The longest time between two snapshots.
const LONGEST: Duration = Duration::from_secs(10);

/// A snapshot is due after so many times the time that the last one took: the large trees are looked at less often.
const SHARE: u32 = 20;

/// The events and snapshots of a tree, as lines.
pub(super) struct Source {
    supervisor: SupervisorHandle,
    events: Events,
    /// How many events were lost so far.
    lost: u64,
    is_over: bool,
    has_changed: bool,
    snapshot: Option<Instant>,
    period: Duration,
}

/// The events since the last look.
#[derive(Default)]
pub(super) struct Happened {
    pub(super) lines: Vec<String>,
    /// How many events came and are not in the lines.
    pub(super) lost: u64,
}

impl Source {
    pub(super) fn new(supervisor: SupervisorHandle) -> Self {
        // First the subscription, and then a snapshot. So each change is in one of them.
        let events = supervisor.events();
        Self { supervisor, events, lost: 0, is_over: false, has_changed: true, snapshot: None, period: Duration::ZERO }
    }

    /// Whether no more events will come.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the events since the last look: the last ones, if they have more bytes than this together.
    pub(super) async fn happened(&mut self, most: usize) -> Happened {
        let mut happened = Vec::new();
        // Not more than there is room for in the queue: events may come as fast as they are read.
        while happened.len() < Events::CAPACITY && !self.is_over {
            match poll_once(self.events.next()).await {
                Some(Some(event)) => happened.push(event),
                Some(None) => self.is_over = true,
                None => break,
            }
        }
        let lost = self.events.lost();
        let mut bytes = 0;
        let mut lines: Vec<String> = happened
            .iter()
            .rev()
            .map(|event| lines::event(event))
            .take_while(|line| {
                bytes += line.len();
                bytes <= most
            })
            .collect();
        lines.reverse();
        let lost = lost - std::mem::replace(&mut self.lost, lost) + (happened.len() - lines.len()) as u64;
        self.has_changed |= lost > 0 || !happened.is_empty();
        Happened { lines, lost }
    }

    /// Returns a snapshot as a line, if one is due. `pace` returns how long one of so many bytes has to last at least.
    pub(super) async fn snapshot_if_due(&mut self, pace: impl FnOnce(usize) -> Duration) -> Option<String> {
        let age = self.snapshot.map_or(Duration::MAX, |taken| taken.elapsed());
        let quiet = if self.has_changed { Duration::ZERO } else { QUIET.max(4 * self.period) };
        if age < self.period.max(quiet).min(LONGEST) {
            return None;
        }
        self.snapshot(pace).await
    }

    /// Returns a snapshot as a line.
    pub(super) async fn snapshot(&mut self, pace: impl FnOnce(usize) -> Duration) -> Option<String> {
        let begun = Instant::now();
        self.has_changed = false;
        let mut tree = self.supervisor.snapshot().await;
        let summaries = reduce(&mut tree);
        let line = lines::snapshot(&tree, &summaries)?;
        self.period = (begun.elapsed() * SHARE).max(pace(line.len()));
        self.snapshot = Some(begun);
        Some(line)
    }
}
